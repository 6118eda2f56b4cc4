#!/usr/bin/env python3
"""What can stand for queries that nobody has: rows drawn at random, or whole kinds of rows, held out?

    unseen.py --data DIR [--pairs 200,1000,2000,6500]

Judged sets (glosses, verses), both directions. A rotation, and its blends with ridge, about several shares of the means: how
much each changes the share of native nDCG@10 that real queries find, and how much it changes what held-out rows find
(half nDCG of native neighbours, half reciprocal rank of the own row) when folds are drawn and when they are the groups of k-means.
At the end the correlation of both with the truth. NumPy alone: no tool is measured here, but a criterion.
"""

import argparse
import itertools

import numpy as np

import measures
import sets

MEANS = (1, 0.75, 0.5, 0.25)
SHARES = (1, 0.8, 0.6)
FOLDS, ASKED = 5, 120


def fit(x, y):
    """Means, rotation, ridge with a penalty of 0.3 mean eigenvalues."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
    square = x.T @ x
    ridge = np.linalg.solve(square + 0.3 * np.trace(square) / len(square) * np.eye(len(square)), x.T @ y)
    return mean_x, mean_y, u @ vt, ridge


def turned(model, rows, means, share):
    mean_x, mean_y, rotation, ridge = model
    return measures.unit((rows - means * mean_x) @ (share * rotation + (1 - share) * ridge) + means * mean_y)


def kinds(rows, rng, steps=12):
    centres = rows[rng.choice(len(rows), FOLDS, replace=False)]
    for _ in range(steps):
        of = (rows @ centres.T - 0.5 * (centres**2).sum(1)).argmax(1)
        centres = np.array([rows[of == k].mean(0) if (of == k).any() else centres[k] for k in range(FOLDS)])
    return of


def found(sim, native, own):
    """Half nDCG@10 over the ten native neighbours, half the reciprocal rank of the own row."""
    each = np.arange(len(sim))
    first = 1 / (1 + (sim > sim[each, own][:, None]).sum(1))
    sim, native = sim.copy(), native.copy()
    sim[each, own] = native[each, own] = -np.inf
    gain = 1 / np.log2(np.arange(2, 12))
    got, wanted = measures.top(sim), measures.top(native)
    ndcg = np.array([(np.isin(g, w) * gain).sum() / gain.sum() for g, w in zip(got, wanted)])
    return (ndcg + first) / 2


def held_out(x, y, folds, rng):
    scores = {key: [] for key in itertools.product(MEANS, SHARES)}
    for fold in np.unique(folds):
        asked = np.nonzero(folds == fold)[0]
        asked = asked if len(asked) <= ASKED else rng.choice(asked, ASKED, replace=False)
        model = fit(x[folds != fold], y[folds != fold])
        native = y[asked] @ y.T
        for key, kept in scores.items():
            kept.append(found(turned(model, x[asked], *key) @ y.T, native, asked))
    return {key: np.concatenate(kept).mean() for key, kept in scores.items()}


def judged(cell, new, old):
    model = fit(cell.pairs[new], cell.pairs[old])
    native = measures.ndcg(cell.queries[new] @ cell.corpus[new].T, cell.relevant).mean()
    score = lambda key: measures.ndcg(turned(model, cell.queries[new], *key) @ cell.corpus[old].T, cell.relevant).mean() / native
    return {key: score(key) for key in itertools.product(MEANS, SHARES)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pairs", default="200,1000,2000,6500", type=lambda t: [int(n) for n in t.split(",")])
    args = parser.parse_args()
    cells = [sets.from_data(args.data, name, n) for name in ("glosses", "verses") for n in args.pairs if n < 5000 or name == "glosses"]
    cells += [sets.from_data(args.data, "glosses", 6500, leave=True)]
    print("Changes against the rotation about the whole means: judged, rows drawn, kinds of rows.\n")
    print("| set | map | half of the means | three quarters | blended 0.6 with ridge |\n|---|---|---|---|---|")
    changes = {"judged": [], "drawn": [], "kinds": []}
    for cell in cells:
        for old, new in ((384, 768), (768, 384)):
            rng = np.random.default_rng(0)
            x, y = cell.pairs[new], cell.pairs[old]
            got = {"judged": judged(cell, new, old), "drawn": held_out(x, y, rng.permutation(len(x)) % FOLDS, rng),
                   "kinds": held_out(x, y, kinds(x, rng), rng)}
            told = lambda key: ", ".join(f"{one[key] - one[1, 1]:+.3f}" for one in got.values())
            print(f"| {cell.name} | {new}→{old} | {told((0.5, 1))} | {told((0.75, 1))} | {told((1, 0.6))} |", flush=True)
            for name, one in got.items():
                changes[name] += [one[key] - one[1, 1] for key in one if key != (1, 1)]
    for name in ("drawn", "kinds"):
        print(f"\ncorrelation of {name} with judged, {len(changes[name])} changes: {np.corrcoef(changes[name], changes['judged'])[0, 1]:.2f}")


if __name__ == "__main__":
    main()
