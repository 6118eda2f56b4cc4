#!/usr/bin/env python3
"""What plain NumPy makes of the vectors in examples/: figures to hold `make run` against.

    examples_baseline.py [EXAMPLES]

Three textbook translators (centred Procrustes with the least-squares scale, ridge with a validated
lambda, their fixed blend), both directions and both roles. No vecna is involved.
"""

import json
import pathlib
import sys

import numpy as np

import measures
import methods

NAMES = ("procrustes, least-squares scale", "ridge, validated", "blend")


def rows(path):
    return measures.unit(np.load(path))


def jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def show(label, value, native):
    low, high = measures.interval(value, native)
    return f"{value.mean() / native.mean():.3f} [{low:.3f}, {high:.3f}]"


def without_self(sim):
    sim = sim.copy()
    np.fill_diagonal(sim, -np.inf)
    return sim


def docs(home):
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
        for name in NAMES:
            out = {}
            for role in ("document", "query"):
                out[role] = methods.table()["numpy:" + name](x, y, role, None)(qx)
            doc = measures.similarity(qy, out["document"])
            itself = measures.recall(doc, [[i] for i in range(len(qy))], 1).mean()
            ov = measures.overlap(native, without_self(doc)).mean()
            oq = measures.overlap(native, without_self(measures.similarity(out["query"], qy))).mean()
            cosine = methods.mean_cosine(out["document"], qy)
            print(f"| {a} -> {b} | {name} | {cosine:.3f} | {floor:.3f} | {itself:.3f} | {ov:.3f} | {oq:.3f} |")


def judged(home, pairs, test):
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
        for name in NAMES:
            fit = methods.table()["numpy:" + name]
            doc = fit(x, y, "document", None)(ca)
            ask = fit(y, x, "query", None)(qb)
            got_doc = measures.ndcg(measures.similarity(qb, doc), relevant)
            got_ask = measures.ndcg(measures.similarity(ask, ca), relevant)
            cells = show("", got_doc, native), show("", got_ask, native)
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
    here = pathlib.Path(__file__).resolve().parents[2] / "examples"
    home = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    docs(home)
    judged(home, "glosses", "glosses")
    judged(home, "glosses", "passages")
    support(home)


if __name__ == "__main__":
    main()
