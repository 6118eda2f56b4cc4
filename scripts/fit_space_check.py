#!/usr/bin/env python3
"""Fits the logistic of lib/space/check.c and prints the error table of docs/space.md.

    scripts/fit_space_check.py ../shared/data [FOLDER ...]        (needs NumPy and SciPy)

Every set NAME.MODEL.DIM.npy makes fingerprints, and is held against every fingerprint of its dimension:
the same model on another set must pass, another model must not. More models in further folders make a
better fit; files there have the same names. Vectors that are cut to a smaller dimension stand for models
of that dimension too (cutting the wrong model's vectors is a mistake people make).

The table is leave-one-model-out: the pairs of a fingerprint's model are judged by a logistic that saw
neither fingerprints nor vectors of that model.
"""
import collections
import glob
import os
import sys

import numpy as np
from scipy.optimize import minimize

COUNTS = (1, 4, 16, 64, 1000)
CUTS = [("openai-text-embedding-ada-002", 768), ("use-lite", 384), ("bge-m3", 768), ("bge-m3", 384),
        ("openai-text-embedding-3-small", 768), ("openai-text-embedding-3-large", 768),
        ("openai-text-embedding-3-large", 384)]
SAME_MODEL = {"all-minilm-l6-v2-q": "all-MiniLM-L6-v2", "e5-small-v2-q": "e5-small-v2",
              "openai-text-embedding-3-small-run2": "openai-text-embedding-3-small"}
# 384-dimensional models with common ancestors: their means and directions are truly related.
KIN = {"all-MiniLM-L6-v2", "e5-small-v2", "bge-small-en-v15-q"}
NAMES = ("z", "agreement", "cone", "missing", "breadth", "rows", "constant")


def family(model):
    return SAME_MODEL.get(model, model)


def unit(rows):
    norm = np.linalg.norm(rows, axis=1)
    return rows[norm > 0] / norm[norm > 0, None]


def load(folders):
    """(model, dim) -> {set: unit rows}"""
    sets = collections.defaultdict(dict)
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(folder, "**", "*.npy"), recursive=True)):
            parts = os.path.basename(path)[:-4].split(".")
            where = os.path.basename(os.path.dirname(path))
            if where in ("align", "images") or "last4" in path:
                continue
            rows = np.load(path).astype(np.float64)
            if len(parts) == 2:  # words: split into sets by frequency
                for k, block in enumerate(np.array_split(rows, 3)):
                    sets[parts[0], rows.shape[1]]["block%d" % k] = unit(block[:: max(1, len(block) // 2000)])
                continue
            name, model = parts[0], ".".join(parts[1:-1])
            if name in sets[model, rows.shape[1]]:
                name += "-" + where
            sets[model, rows.shape[1]][name] = unit(rows)
    for model, dim in CUTS:
        for (m, d), by_name in list(sets.items()):
            if m == model and d > dim:
                sets[model + "-cut", dim] = {k: unit(v[:, :dim]) for k, v in list(by_name.items())[:5]}
    return sets


class Fingerprint:
    """As tests/reference/space_reference.py, by faster roads."""

    def __init__(self, u, rng, directions=128, sample=1280):
        self.rows, self.dim = u.shape
        self.mean = u.mean(0)
        self.cone = np.linalg.norm(self.mean)
        self.axis = self.mean / self.cone
        r = u if len(u) <= sample else u[rng.choice(len(u), sample, False)]
        beside = r - np.outer(r @ self.axis, self.axis)
        held = np.arange(len(r)) % 5 == 4
        fitted = beside[~held] - beside[~held].mean(0)
        _, singular, vectors = np.linalg.svd(fitted, full_matrices=False)
        values = singular ** 2 / len(fitted)
        base = values.sum() / (self.dim - 1)
        self.breadth = 1 / max(((values / values.sum()) ** 2).sum() - 1 / len(fitted), 1e-3)
        keep = min(directions, len(fitted) - 2, self.dim // 2)
        self.principal, values = vectors[:keep], values[:keep]
        self.weight = values / (values + base)
        h = beside[held]
        self.gain = (((h @ self.principal.T) ** 2 @ self.weight).sum() / (h ** 2).sum()
                     / (self.weight.sum() / (self.dim - 1)))

    def features(self, y):
        dims = self.dim - 1
        cosine = y @ self.axis
        beside = (y - np.outer(cosine, self.axis))[:128]
        gram = beside @ beside.T
        n, trace = len(beside), np.trace(gram) / len(beside)
        norm_s = np.sqrt(max((gram ** 2).sum() / n ** 2 - trace ** 2 / dims, 1e-12))
        total = self.weight.sum()
        norm_a = np.sqrt((self.weight ** 2).sum() - total ** 2 / dims)
        score = ((beside @ self.principal.T) ** 2 @ self.weight).mean()
        chance = total * trace / dims
        z = (score - chance) / (norm_a * norm_s * np.sqrt(2 / ((dims - 1) * (dims + 2))))
        relative = np.clip(cosine.mean() / self.cone, -0.5, 1.2)
        return (np.arcsinh(np.clip(z, -8, 8) / 2),
                np.clip((score / chance - 1) / max(self.gain - 1, 0.05), -0.3, 1.2),
                self.cone * relative, max(0, 1 - relative) * self.cone ** 4,
                np.log(max(self.breadth, 1)), np.log(min(self.rows, 5000)))


def fingerprints(sets, rng):
    """(model, dim), the sets that went in, fingerprint: of every set, and of a third held back in turn."""
    for key, by_name in sets.items():
        for name, rows in by_name.items():
            if len(rows) >= 50:
                yield key, {name}, Fingerprint(rows, rng)
        names = list(by_name)
        if len(names) < 6:
            continue
        for start in range(0, len(names), 3):
            back = {n.split("-")[0] for n in names[start:start + 3]}
            used = [n for n in names if n.split("-")[0] not in back]
            yield key, set(used), Fingerprint(np.concatenate([by_name[n][:300] for n in used]), rng)


def cases(sets, rng):
    """kind, model of the fingerprint, model of the rows, count, features"""
    for key, used, fingerprint in fingerprints(sets, rng):
        for other, by_name in sets.items():
            small = family(other[0]) == family(key[0]) == "openai-text-embedding-3-small"
            if other[1] != key[1] and not (small and other[1] > key[1]):
                continue
            same = family(other[0]) == family(key[0])
            names = [n for n in by_name if not (same and n in used)]
            names = list(rng.choice(names, min(6, len(names)), False)) if names else []
            for name in names:
                rows = unit(by_name[name][:, :key[1]])
                for count in COUNTS:
                    if count == 64 and len(rows) < 64:
                        continue
                    for _ in range(3 if count == 1 else 1):
                        y = rows[rng.choice(len(rows), min(count, len(rows)), False)]
                        pair = (family(key[0]), family(other[0]), count)
                        yield ("same" if same else "other", *pair, fingerprint.features(y))
                        if same and rng.random() < 0.2:
                            order, signs = rng.permutation(key[1]), rng.choice([-1, 1], key[1])
                            yield ("permuted", *pair, fingerprint.features(y[:, order]))
                            yield ("permuted", *pair, fingerprint.features(np.roll(y, 1, axis=1)))
                            yield ("flipped", *pair, fingerprint.features(y * signs))


def fit(x, y, weight):
    """Logistic regression with a light ridge on standardised features; the constant comes last."""
    mean, scale = x.mean(0), x.std(0)
    z = np.c_[(x - mean) / scale, np.ones(len(x))]

    def loss(b):
        t = z @ b
        value = (weight * (np.logaddexp(0, -t) * y + np.logaddexp(0, t) * (1 - y))).sum()
        slope = z.T @ (weight * (1 / (1 + np.exp(-t)) - y))
        return value + 1e-3 * (b[:-1] ** 2).sum(), slope + 2e-3 * np.r_[b[:-1], 0]

    b = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    return np.r_[b[:-1] / scale, b[-1] - (b[:-1] / scale * mean).sum()]


def main():
    rng = np.random.default_rng(0)
    rows = list(cases(load(sys.argv[1:]), rng))
    kind = np.array([r[0] for r in rows])
    of, rows_of = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    count, x = np.array([r[3] for r in rows]), np.array([r[4] for r in rows])
    y = (kind == "same").astype(float)
    # A pair of models counts by the root of its cases; same and other weigh the same in all.
    groups = collections.Counter(zip(kind, of, rows_of, count))
    weight = np.array([groups[k] ** -0.5 for k in zip(kind, of, rows_of, count)])
    weight[(kind == "permuted") | (kind == "flipped")] *= 0.3
    for side in (0, 1):
        weight[y == side] /= weight[y == side].sum()
    likelihood = np.zeros(len(rows))
    for model in sorted(set(of)):
        seen = (of != model) & (rows_of != model)
        b = fit(x[seen], y[seen], weight[seen])
        likelihood[of == model] = 1 / (1 + np.exp(-(x[of == model] @ b[:-1] + b[-1])))
    print(len(rows), "cases of", len(set(of)), "models;", "constants:")
    print("   ", ", ".join("%s %.3f" % p for p in zip(NAMES, fit(x, y, weight))))
    kin = np.array([a != b and {a, b} <= KIN for a, b in zip(of, rows_of)])
    kinds = [("same model, other texts", kind == "same"), ("unrelated model", (kind == "other") & ~kin),
             ("model with a common ancestor", kin), ("permuted or shifted copy", kind == "permuted"),
             ("copy with flipped signs", kind == "flipped")]
    print("| rows | " + " | ".join(k for k, _ in kinds) + " |\n|---|" + "---|" * len(kinds))
    for n in COUNTS:
        cells = []
        for _, which in kinds:
            i = which & (count == n)
            share = [(weight[i] * c[i]).sum() / weight[i].sum()
                     for c in (likelihood >= 0.8, (likelihood < 0.8) & (likelihood >= 0.5), likelihood < 0.5)]
            cells.append(" / ".join("%.1f" % (100 * s) for s in share))
        print("| %d | %s |" % (n, " | ".join(cells)))
    print("| said | was | cases |\n|---|---|---|")
    for low in np.arange(0, 1, 0.1):
        i = (likelihood >= low) & (likelihood < low + 0.1)
        print("| %.1f - %.1f | %.2f | %d |" % (low, low + 0.1, (weight * y)[i].sum() / weight[i].sum(), i.sum()))
    for bad, which in (("passes", (kind == "other") & (likelihood >= 0.8)), ("is refused", (kind == "same") & (likelihood < 0.5))):
        for (a, b), n in collections.Counter(zip(of[which & (count >= 16)], rows_of[which & (count >= 16)])).most_common(12):
            total = ((of == a) & (rows_of == b) & (count >= 16) & (kind == ("other" if bad == "passes" else "same"))).sum()
            print("%s as %s: %s in %d of %d cases of 16 rows or more" % (b, a, bad, n, total))


if __name__ == "__main__":
    main()
