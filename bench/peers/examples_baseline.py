#!/usr/bin/env python3
"""What plain NumPy makes of the vectors in examples/: figures to hold `make run` against.

    examples_baseline.py [--examples DIR] [--vecna build/vecna]

Textbook translators (centred Procrustes with two scales, ridge with a validated lambda, their fixed
blend), both directions and both roles; with --vecna its rows stand beside them.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np

import measures
import methods

NAMES = (
    "numpy:procrustes, least-squares scale",
    "numpy:procrustes, radius scale",
    "numpy:ridge, validated",
    "numpy:blend",
)


class Translators:
    """Fits once per (pairs, direction, role, method)."""

    def __init__(self, binary, work):
        self.table = {n: f for n, f in methods.table(binary).items() if n in NAMES or n == "vecna"}
        self.work, self.done = pathlib.Path(work), {}

    def __call__(self, name, key, x, y, role):
        key = (name, role, *key)
        if key not in self.done:
            self.done[key] = self.table[name](x, y, role, self.work / str(len(self.done)))
        return self.done[key]


def rows(path):
    return measures.unit(np.load(path))


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def show(value, native):
    low, high = measures.interval(value, native)
    return f"{value.mean() / native.mean():.3f} [{low:.3f}, {high:.3f}]"


def without_self(sim):
    sim = sim.copy()
    np.fill_diagonal(sim, -np.inf)
    return sim


def docs(home, translators):
    """Fitted on `pairs`, tried on `new`: 150 rows that are the corpus and, natively, the queries."""
    print("\n## docs: 1536 <-> 768, fitted on `pairs`, tried on the rows of `new`\n")
    print("| direction | method | cosine | mean-vector cosine | finds itself first | overlap@10, document | overlap@10, query |")
    print("|---|---|---|---|---|---|---|")
    names = {"1536": "ada-002.1536", "768": "mpnet.768"}
    for a, b in (("1536", "768"), ("768", "1536")):
        x, y = (rows(home / f"docs/pairs.{names[d]}.npy") for d in (a, b))
        qx, qy = (rows(home / f"docs/new.{names[d]}.npy") for d in (a, b))
        native = without_self(measures.similarity(qy, qy))
        floor = methods.mean_cosine(np.tile(y.mean(axis=0), (len(qy), 1)), qy)
        for name in translators.table:
            out = {role: translators(name, ("docs", a), x, y, role)(qx) for role in ("document", "query")}
            doc = measures.similarity(qy, out["document"])
            itself = measures.recall(doc, [[i] for i in range(len(qy))], 1).mean()
            ov = measures.overlap(native, without_self(doc)).mean()
            oq = measures.overlap(native, without_self(measures.similarity(out["query"], qy))).mean()
            cosine = methods.mean_cosine(out["document"], qy)
            print(f"| {a} -> {b} | {name} | {cosine:.3f} | {floor:.3f} | {itself:.3f} | {ov:.3f} | {oq:.3f} |")


def judged(home, translators, pairs, test):
    print(f"\n## {test}: 384 <-> 768, fitted on {pairs}/pairs, judged queries; share of native nDCG@10 kept\n")
    print("| direction | native nDCG@10 | keep the old model | method | documents translated | queries translated |")
    print("|---|---|---|---|---|---|")
    names = {"384": "minilm.384", "768": "mpnet.768"}
    relevant = [q["relevant"] for q in jsonl(home / test / "queries.jsonl")]
    for a, b in (("384", "768"), ("768", "384")):
        x, y = (rows(home / pairs / f"pairs.{names[d]}.npy") for d in (a, b))
        ca, cb = (rows(home / test / f"corpus.{names[d]}.npy") for d in (a, b))
        qa, qb = (rows(home / test / f"queries.{names[d]}.npy") for d in (a, b))
        native = measures.ndcg(measures.similarity(qb, cb), relevant)
        old = measures.ndcg(measures.similarity(qa, ca), relevant)
        for name in translators.table:
            doc = translators(name, (pairs, a), x, y, "document")(ca)
            ask = translators(name, (pairs, b), y, x, "query")(qb)
            got_doc = measures.ndcg(measures.similarity(qb, doc), relevant)
            got_ask = measures.ndcg(measures.similarity(ask, ca), relevant)
            cells = show(got_doc, native), show(got_ask, native)
            print(f"| {a} -> {b} | {native.mean():.3f} | {old.mean() / native.mean():.3f} | {name} | {cells[0]} | {cells[1]} |")


def support(home, dim=2048):
    """Inside one space: reduce, compare neighbours, restore."""
    print(f"\n## support: 3072 -> {dim} -> 3072, fitted on `fit`, tried on `test`\n")
    print("| method | overlap@10 after reducing | cosine after restoring |")
    print("|---|---|---|")
    x, q = (rows(home / f"support/{n}.mpnet-last4.3072.npy") for n in ("fit", "test"))
    native = without_self(measures.similarity(q, q))
    mean = x.mean(axis=0)
    _, _, vt = np.linalg.svd(x - mean, full_matrices=True)
    random = np.linalg.qr(np.random.default_rng(0).standard_normal((x.shape[1], dim)))[0]
    cut = np.eye(x.shape[1])[:, :dim]
    for name, basis, origin in (("cut", cut, 0.0), ("PCA", vt[:dim].T, mean), ("random", random, 0.0)):
        small = (q - origin) @ basis
        if name == "PCA":
            small = small + mean @ basis  # keep the mean: cosine is taken about the origin
        back = (small @ basis.T) if name != "PCA" else ((small - mean @ basis) @ basis.T + mean)
        over = measures.overlap(native, without_self(measures.similarity(small, small))).mean()
        print(f"| {name} | {over:.3f} | {methods.mean_cosine(back, q):.3f} |")
    least = methods.numpy_ridge(measures.unit(x[:, :dim]), x, "document", None)(measures.unit(q[:, :dim]))
    print(f"| cut, restored by ridge | - | {methods.mean_cosine(least, q):.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parents[2] / "examples"
    parser.add_argument("--examples", type=pathlib.Path, default=here)
    parser.add_argument("--vecna")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        translators = Translators(args.vecna, work)
        docs(args.examples, translators)
        judged(args.examples, translators, "glosses", "glosses")
        judged(args.examples, translators, "glosses", "passages")
        support(args.examples)


if __name__ == "__main__":
    main()
