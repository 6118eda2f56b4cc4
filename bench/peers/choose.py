#!/usr/bin/env python3
"""Rows that `vecna choose` picks against rows picked by chance, as pairs for a map.

    choose.py --data DIR [--vecna build/vecna] [--pairs 100,300,1000] [--seeds 3]

Glosses and verses, both directions. Half of the rows that no query is judged against are the pool to choose from; the other
half and the judged rows are the corpus, the same for every choice. The choice sees vectors of the old model alone. Figures: nDCG@10 of
judged queries over the native new model's, documents by the blend (0.6 scaled rotation, 0.4 ridge with lambda 1), queries by the rotation,
both about the means of the pairs, in NumPy, so that only the choice differs. Mean over the seeds; +- is the standard deviation over them.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import measures
import sets

METHODS = ("random", "kmeans++", "spread")


def thin(x, y):
    """The rotation and its least-squares scale, through the rows: N x N where N is below the dimensions."""
    qx, rx = np.linalg.qr(x.T)
    qy, ry = np.linalg.qr(y.T)
    u, s, v = np.linalg.svd(rx @ ry.T)
    keep = s > 1e-7 * s[0]
    rotation = (qx @ u[:, : len(s)][:, keep]) @ (v[: len(s)][keep] @ qy.T)
    return rotation, s[keep].sum() / np.sum((x @ rotation) ** 2)


def ridge(x, y, lam):
    gram = x @ x.T
    return x.T @ np.linalg.solve(gram + lam * np.trace(gram) / x.shape[1] * np.eye(len(x)), y)


def score(queries, corpus, relevant):
    return measures.ndcg((queries @ corpus.T).astype(np.float32), relevant).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--vecna", default="build/vecna")
    parser.add_argument("--pairs", default="100,300,1000")
    parser.add_argument("--seeds", type=int, default=3)
    o = parser.parse_args()
    print("| set, direction | pairs | " + " | ".join(f"{m}: documents | queries" for m in METHODS) + " |")
    print("|---|---|" + "---|---|" * len(METHODS))
    for name in ("glosses", "verses"):
        j = sets.from_data(o.data, name, {"glosses": 3250, "verses": 1900}[name])
        for a, b in ((384, 768), (768, 384)):
            pool = {d: j.pairs[d].astype(np.float32) for d in (a, b)}
            corpus = {d: j.corpus[d].astype(np.float32) for d in (a, b)}
            queries = {d: j.queries[d].astype(np.float32) for d in (a, b)}
            native = {d: score(queries[d], corpus[d], j.relevant) for d in (a, b)}
            with tempfile.TemporaryDirectory() as work:
                np.save(f"{work}/pool.npy", pool[a])
                for count in map(int, o.pairs.split(",")):
                    row = f"| {name} {a}→{b} | {count} |"
                    for method in METHODS:
                        figures = []
                        for seed in range(o.seeds):
                            done = subprocess.run([o.vecna, "choose", f"{work}/pool.npy", "-n", str(count), "--method", method, "--seed", str(seed),
                                                   "--json"], capture_output=True, check=True)
                            rows = [one["row"] for one in json.loads(done.stdout)["chosen"]]
                            x, y = pool[a][rows], pool[b][rows]
                            mx, my = x.mean(0), y.mean(0)
                            rotation, scale = thin(x - mx, y - my)
                            blend = 0.6 * scale * rotation + 0.4 * ridge(x - mx, y - my, 1.0)
                            unit = lambda z: (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
                            documents = score(queries[b], unit((corpus[a] - mx) @ blend + my), j.relevant) / native[b]
                            asked = score(unit((queries[a] - mx) @ rotation + my), corpus[b], j.relevant) / native[a]
                            figures.append((documents, asked))
                        mean, spread = np.mean(figures, 0), np.std(figures, 0)
                        row += f" {mean[0]:.3f} ± {spread[0]:.3f} | {mean[1]:.3f} ± {spread[1]:.3f} |"
                    print(row, flush=True)


if __name__ == "__main__":
    main()
