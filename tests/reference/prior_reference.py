#!/usr/bin/env python3
"""The slow float64 truth of few pairs that lean on many (lib/translate/prior.c) and of updates.

Run it to write tests/vectors/prior.txt, which tests/unit/translate/prior_test.c reads. The pooled fit is made from
rows, not from sums: rows of both sets, each less its own mean, the other's times the square root of the weight, are
one set of centred pairs. The means are shrunk as said in prior.c."""
import os

import numpy as np

from translate_reference import blend, make_pairs, numbers, procrustes_ls, ridge, unit

HERE = os.path.dirname(os.path.abspath(__file__))

METHODS = [
    ("ridge", lambda x, y: ridge(x, y, 0.3), (0.3, 0)),
    ("procrustes-ls", procrustes_ls, (0, 0)),
    ("blend", lambda x, y: blend(x, y, 1.0, 0.6), (1.0, 0.6)),
]


def stacked(own, other, weight):
    """Centred rows of both sets, and the means that the map is about."""
    (x, y), (u, v) = own, other
    mx, my, mu, mv = x.mean(0), y.mean(0), u.mean(0), v.mean(0)
    noise = (np.sum((x - mx) ** 2) + np.sum((y - my) ** 2)) / max(len(x) - 1, 1) / len(x)
    apart = np.sum((mx - mu) ** 2) + np.sum((my - mv) ** 2)
    share = noise / apart if apart > noise else 1.0
    root = np.sqrt(weight)
    rows = np.vstack([x - mx, root * (u - mu)]), np.vstack([y - my, root * (v - mv)])
    return *rows, mx + share * (mu - mx), my + share * (mv - my), share


def updated(own, other):
    x, y = (np.vstack([a, b]) for a, b in zip(own, other))
    return x - x.mean(0), y - y.mean(0), x.mean(0), y.mean(0), len(other[0]) / len(x)


def main():
    rng = np.random.default_rng(77)
    lines = []
    for own_rows, rows, source_dim, target_dim in ((10, 60, 7, 5), (5, 60, 5, 8), (40, 30, 6, 6)):
        # one rotation of the latent for both sets, two offsets: two kinds of text
        whole = make_pairs(rng, own_rows + rows, source_dim, target_dim, 0.2)
        moved = [w.copy() for w in whole]
        for side, shift in zip(moved, (0.25, -0.15)):
            side[own_rows:] = unit(side[own_rows:] + shift).astype(np.float32)
        own32, other32 = [m[:own_rows] for m in moved], [m[own_rows:] for m in moved]
        lines.append(f"pairs {own_rows} {rows} {source_dim} {target_dim}")
        for name, side in zip(("source", "target", "prior_source", "prior_target"), own32 + other32):
            lines.append(f"{name} " + numbers(side))
        own, other = ([unit(m.astype(np.float64)) for m in part] for part in (own32, other32))
        for kind, weight in (("prior", 1.0), ("prior", 0.0625), ("update", 1.0)):
            x, y, mx, my, share = stacked(own, other, weight) if kind == "prior" else updated(own, other)
            for name, method, (lam, blend_share) in METHODS:
                weights = method(x, y)
                lines.append(f"{kind} {name} {lam} {blend_share} {weight} {float(share)!r}")
                lines.append("weights " + numbers(weights))
                lines.append("bias " + numbers(my - mx @ weights))
    with open(os.path.join(HERE, "..", "vectors", "prior.txt"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
