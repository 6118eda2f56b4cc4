#!/usr/bin/env python3
"""The slow float64 truth of lib/translate: every method from its definition, in NumPy.

Run it to write tests/vectors/translate.txt, which tests/unit/translate/golden_test.c reads. Unlike the
library it uses no shared eigenbasis: ridge solves its equations, Procrustes takes the SVD of the
cross product, and the family whitens by an explicit matrix power."""
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def centre(x, y):
    mean_x, mean_y = x.mean(0), y.mean(0)
    return x - mean_x, y - mean_y, mean_x, mean_y


def truncated_svd(matrix):
    """Thin SVD without the directions that the data does not determine."""
    left, sigma, right = np.linalg.svd(matrix, full_matrices=False)
    kept = sigma > 1e-9 * sigma[0]
    return left[:, kept], sigma[kept], right[kept]


def mean_variance(x):
    return np.trace(x.T @ x) / x.shape[1]


def span(x):
    """Projector on the directions of the source that the pairs determine."""
    _, sigma, right = np.linalg.svd(x, full_matrices=False)
    right = right[sigma**2 > 1e-9 * sigma[0] ** 2]
    return right.T @ right


def procrustes(x, y):
    left, _, right = truncated_svd(x.T @ y)
    return left @ right


def procrustes_ls(x, y):
    rotation = procrustes(x, y)
    turned = x @ rotation
    return rotation * np.sum(turned * y) / np.sum(turned**2)


def procrustes_radius(x, y):
    rotation = procrustes(x, y)
    return rotation * np.sqrt(np.sum(y**2) / np.sum((x @ rotation) ** 2))


def procrustes_diagonal(x, y):
    rotation = procrustes(x, y)
    turned = x @ rotation
    energy = np.sum(turned**2, 0)
    scale = np.where(energy > 1e-12 * energy.max(), np.sum(turned * y, 0) / np.maximum(energy, 1e-300), 0)
    return rotation * scale


def ridge(x, y, lam):
    penalty = lam * mean_variance(x) * np.eye(x.shape[1])
    return np.linalg.solve(x.T @ x + penalty, x.T @ y)


def reduced_rank(x, y, lam, rank):
    full = ridge(x, y, lam)
    augmented = np.vstack([x, np.sqrt(lam * mean_variance(x)) * np.eye(x.shape[1])])
    _, _, right = np.linalg.svd(augmented @ full, full_matrices=False)
    return full @ right[:rank].T @ right[:rank]


def blend(x, y, lam, share):
    return share * procrustes_ls(x, y) + (1 - share) * ridge(x, y, lam)


def blend_plain(x, y, lam, share):
    return share * procrustes(x, y) + (1 - share) * ridge(x, y, lam)


def family(x, y, lam, exponent):
    values, vectors = np.linalg.eigh(x.T @ x + lam * mean_variance(x) * np.eye(x.shape[1]))
    whiten = (vectors * values ** (-exponent / 2)) @ vectors.T
    left, sigma, right = truncated_svd(whiten @ span(x) @ x.T @ y)
    return whiten @ span(x) @ (left * sigma**exponent) @ right


def to_int8(rows):
    """Codes -127 .. 127 of each row's largest component."""
    most = np.abs(rows).max(1, keepdims=True)
    return np.round(rows * np.where(most > 0, 127 / np.maximum(most, 1e-300), 0)), most / 127


def memory(x, y, base, probes, neighbours, temperature, correction):
    """Unit translations of the probes by a base map, moved by what it gets wrong on the nearest pairs.
    Sources about their mean, and residuals, are int8 as in the file; all else is float64."""
    centre = x.mean(0)
    residuals, scales = to_int8(y - unit(base(x)))
    residuals = residuals * scales

    def directions(rows):
        return unit(to_int8(rows - centre)[0])

    cosines = directions(probes) @ directions(x).T
    out = unit(base(probes))
    for i, row in enumerate(cosines):
        row = np.where(row > 0.9995, -np.inf, row)  # a pair does not correct itself
        nearest = np.argsort(-row, kind="stable")[: min(neighbours, len(x))]
        nearest = nearest[row[nearest] > -np.inf]
        weights = np.exp((row[nearest] - row[nearest[0]]) / temperature)
        nearness = np.clip(row[nearest[0]], 0, 1)
        out[i] += correction * nearness * weights @ residuals[nearest] / weights.sum()
    return unit(out)


# name in files -> (map, its numbers: lambda, share, exponent, rank, share of the means (0 stands for 1))
RECIPES = [
    ("procrustes", procrustes, (0, 0, 0, 0, 0)),
    ("procrustes-ls", procrustes_ls, (0, 0, 0, 0, 0)),
    ("procrustes-radius", procrustes_radius, (0, 0, 0, 0, 0)),
    ("procrustes-diagonal", procrustes_diagonal, (0, 0, 0, 0, 0)),
    ("ridge", lambda x, y: ridge(x, y, 0.01), (0.01, 0, 0, 0, 0)),
    ("ridge", lambda x, y: ridge(x, y, 1.0), (1.0, 0, 0, 0, 0)),
    ("reduced-rank", lambda x, y: reduced_rank(x, y, 0.1, 3), (0.1, 0, 0, 3, 0)),
    ("blend", lambda x, y: blend(x, y, 0.3, 0.6), (0.3, 0.6, 0, 0, 0)),
    ("family", lambda x, y: family(x, y, 0.1, 0.5), (0.1, 0, 0.5, 0, 0)),
    ("family", lambda x, y: family(x, y, 1.0, 0.25), (1.0, 0, 0.25, 0, 0)),
    ("blend-plain", lambda x, y: blend_plain(x, y, 0.3, 0.8), (0.3, 0.8, 0, 0, 0)),
    ("blend-plain", lambda x, y: blend_plain(x, y, 1.0, 0.4), (1.0, 0.4, 0, 0, 0.5)),
    ("procrustes", procrustes, (0, 0, 0, 0, 0.5)),
    ("ridge", lambda x, y: ridge(x, y, 1.0), (1.0, 0, 0, 0, 0.25)),
]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_pairs(rng, rows, source_dim, target_dim, offset):
    """Two views of one latent, unit rows, in float32 as the library reads them."""
    latent = rng.normal(size=(rows, 6))
    x = latent @ rng.normal(size=(6, source_dim)) + 0.5 * rng.normal(size=(rows, source_dim)) + offset
    y = latent @ rng.normal(size=(6, target_dim)) + 0.5 * rng.normal(size=(rows, target_dim)) - offset
    return unit(x).astype(np.float32), unit(y).astype(np.float32)


def numbers(values):
    return " ".join(repr(float(v)) for v in np.asarray(values).ravel())


def write_memories(rng):
    lines = []
    for rows, source_dim, target_dim, offset in ((60, 7, 9, 0.3), (90, 12, 5, 0.0)):
        x32, y32 = make_pairs(rng, rows + 12, source_dim, target_dim, offset)
        x, y = unit(x32[:rows].astype(np.float64)), unit(y32[:rows].astype(np.float64))
        probes = x32.copy()[rows - 3 :]  # three of the pairs themselves, and twelve others
        probes[5] *= 3  # lengths are divided out
        lines += [f"pairs {rows} {source_dim} {target_dim}", "source " + numbers(x32[:rows])]
        lines += ["target " + numbers(y32[:rows]), f"probes {len(probes)}", "in " + numbers(probes)]
        for lam, share, neighbours, temperature, correction in (
            (0.3, 0.6, 16, 0.1, 1.0),
            (1.0, 1.0, 3, 0.05, 0.5),
            (0.1, 0.4, 64, 1.0, 1.5),
        ):
            xc, yc, mean_x, mean_y = centre(x, y)
            weights = blend(xc, yc, lam, share)

            def base(z):
                return (z - mean_x) @ weights + mean_y

            wanted = memory(x, y, base, unit(probes.astype(np.float64)), neighbours, temperature, correction)
            lines.append(f"recipe {lam} {share} {neighbours} {temperature} {correction}")
            lines.append("out " + numbers(wanted))
    with open(os.path.join(HERE, "..", "vectors", "translate_memory.txt"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


def main():
    rng = np.random.default_rng(20240607)
    lines = []
    # more rows than dimensions, fewer rows than either, wider and narrower targets
    for rows, source_dim, target_dim, offset in ((40, 7, 5, 0.3), (40, 5, 7, 0.0), (12, 20, 9, 0.3), (12, 9, 20, 1.0)):
        x32, y32 = make_pairs(rng, rows, source_dim, target_dim, offset)
        lines.append(f"pairs {rows} {source_dim} {target_dim}")
        lines.append("source " + numbers(x32))
        lines.append("target " + numbers(y32))
        # the library divides by lengths once more, as float32 rows are not exactly unit
        x, y, mean_x, mean_y = centre(unit(x32.astype(np.float64)), unit(y32.astype(np.float64)))
        for name, method, recipe in RECIPES:
            weights = method(x, y)
            lines.append(f"recipe {name} " + " ".join(map(str, recipe)))
            lines.append("weights " + numbers(weights))
            lines.append("bias " + numbers((recipe[4] or 1) * (mean_y - mean_x @ weights)))
    with open(os.path.join(HERE, "..", "vectors", "translate.txt"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")
    write_memories(np.random.default_rng(20251126))


if __name__ == "__main__":
    main()
