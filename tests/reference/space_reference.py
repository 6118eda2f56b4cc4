"""Slow float64 twin of lib/space: fingerprint, check and health of a set of vectors.

    space_reference.py OUT.h       expected values for tests/unit/space/space_test.c, from tests/vectors/space

Everything is written as docs/space.md describes it, with NumPy alone and no trick of the C code: the whole
covariance, the whole eigensystem, explicit pairs. Imported by scripts/make_known_spaces.py and
scripts/fit_space_check.py.
"""
import os
import sys

import numpy as np

HELD_OUT = 5
CALIBRATION = dict(constant=8.173, z=2.050, agreement=10.404, cone=4.318, missing=-9.719,
                   breadth=-1.641, rows=-0.809)


def unit(rows):
    """Rows divided by their length; rows without a direction left out."""
    rows = np.asarray(rows, np.float64)
    norm = np.linalg.norm(rows, axis=1)
    usable = np.isfinite(norm) & (norm > 0)
    return rows[usable] / norm[usable, None]


class Space:
    """The fingerprint of rows. At most sample_rows of them: the sampling of C is not repeated here."""

    def __init__(self, rows, directions=128, sample_rows=1280):
        u = unit(rows)
        assert len(u) <= sample_rows
        self.rows, self.dim = u.shape
        self.mean = u.mean(0)
        self.cone = np.linalg.norm(self.mean)
        self.axis = self.mean / self.cone
        beside = u - np.outer(u @ self.axis, self.axis)
        held = np.arange(len(u)) % HELD_OUT == HELD_OUT - 1
        if len(u) < 16:
            held[:] = False
        fitted = beside[~held] - beside[~held].mean(0)
        values, vectors = np.linalg.eigh(fitted.T @ fitted / len(fitted))
        values, vectors = values[::-1].clip(0), vectors[:, ::-1].T
        self.spread = values.sum()
        shares = values / self.spread
        self.breadth = 1 / max((shares ** 2).sum() - 1 / len(fitted), 1e-3)
        keep = min(directions, len(fitted) - 2, self.dim // 2)
        self.set_directions(vectors[:keep], values[:keep], beside[held] if held.any() else fitted)

    def set_directions(self, principal, variances, held):
        self.principal, self.variances, self.held = principal, variances, held
        base = self.spread / (self.dim - 1)
        self.weight = variances / (variances + base)
        score = ((held @ principal.T) ** 2 @ self.weight).sum() / (held ** 2).sum()
        self.gain = score / (self.weight.sum() / (self.dim - 1))

    def check(self, rows):
        y = unit(rows)
        dims = self.dim - 1
        cosine = y @ self.axis
        beside = (y - np.outer(cosine, self.axis))[:128]
        second = beside.T @ beside / len(beside)
        a = self.principal.T @ np.diag(self.weight) @ self.principal
        trace_a, trace_s = self.weight.sum(), np.trace(second)
        norm_a = np.sqrt((self.weight ** 2).sum() - trace_a ** 2 / dims)
        norm_s = np.sqrt((second ** 2).sum() - trace_s ** 2 / dims)
        chance = trace_a * trace_s / dims
        score = (a * second).sum()
        z = (score - chance) / (norm_a * norm_s * np.sqrt(2 / ((dims - 1) * (dims + 2))))
        match = dict(projection=cosine.mean(), gain=score / chance, z=z)
        match["likelihood"] = 1 / (1 + np.exp(-self.logit(match)))
        return match

    def features(self, match):
        relative = np.clip(match["projection"] / self.cone, -0.5, 1.2)
        return dict(constant=1.0, z=np.arcsinh(np.clip(match["z"], -8, 8) / 2),
                    agreement=np.clip((match["gain"] - 1) / max(self.gain - 1, 0.05), -0.3, 1.2),
                    cone=self.cone * relative, missing=max(0, 1 - relative) * self.cone ** 4,
                    breadth=np.log(max(self.breadth, 1)), rows=np.log(min(self.rows, 5000)))

    def logit(self, match):
        features = self.features(match)
        return sum(CALIBRATION[k] * features[k] for k in CALIBRATION)


def health(rows):
    rows = np.asarray(rows, np.float64)
    nan = np.isnan(rows).any(1)
    infinite = np.isinf(rows).any(1) & ~nan
    zero = (rows == 0).all(1)
    u = unit(rows)
    norm = np.linalg.norm(rows[~(nan | infinite | zero)], axis=1)
    n, dim = u.shape
    cosine = u @ u.T
    pairs = ~np.eye(n, dtype=bool)
    centred = u - u.mean(0)
    products = centred @ centred.T
    variance = (u ** 2).mean(0) - u.mean(0) ** 2
    share = variance / variance.sum()
    prefix, z = [], []
    for shift in (3, 2, 1):
        p = dim >> shift
        prefix.append(share[:p].sum() / (p / dim))
        z.append((share[:p].sum() - p / dim) / np.sqrt(p * (1 - p / dim) * share.var()))
    return dict(nan=np.flatnonzero(nan), infinite=np.flatnonzero(infinite), zero=np.flatnonzero(zero),
                norm_min=norm.min(), norm_mean=norm.mean(), norm_max=norm.max(),
                norm_deviation=norm.std(), mean_pair_cosine=cosine[pairs].mean(),
                effective_rank=np.trace(products) ** 2 / n ** 2 / (products[pairs] ** 2).mean(),
                prefix=prefix, prefix_z=max(z))


# ---- expected values for the unit test --------------------------------------------------------------

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "vectors", "space")


def sets():
    """name -> float64 rows of every file of tests/vectors/space (int8 rows with one scale each)."""
    out = {}
    for name in sorted(os.listdir(VECTORS)):
        if name.endswith(".npy"):
            out[name[:-4]] = np.load(os.path.join(VECTORS, name)).astype(np.float64)
    return out


def write_expected(path):
    data = sets()
    lines = ["/* clang-format off */", "/* Made by tests/reference/space_reference.py: do not edit. */",
             "/* fingerprint of, rows from, count, projection, gain, z, likelihood */"]
    lines.append("static const struct expected_match {\n    const char *space, *rows;\n    size_t count;"
                 "\n    double projection, gain, z, likelihood;\n} expected_matches[] = {")
    for a in data:
        space = Space(data[a])
        for b in data:
            if data[a].shape[1] != data[b].shape[1]:
                continue
            for count in (1, 16, len(data[b])):
                m = space.check(data[b][:count])
                lines.append('    {"%s", "%s", %d, %.15g, %.15g, %.15g, %.15g},' % (
                    a, b, count, m["projection"], m["gain"], m["z"], m["likelihood"]))
    lines.append("};")
    lines.append("static const struct expected_space {\n    const char *name;\n    double cone, spread, "
                 "breadth, gain;\n    double pair_cosine, rank, prefix[3], prefix_z;\n} expected_spaces[]"
                 " = {")
    for a in data:
        s, h = Space(data[a]), health(data[a])
        lines.append('    {"%s", %.15g, %.15g, %.15g, %.15g, %.15g, %.15g, {%.15g, %.15g, %.15g}, %.15g},' % (
            a, s.cone, s.spread, s.breadth, s.gain, h["mean_pair_cosine"], h["effective_rank"],
            *h["prefix"], h["prefix_z"]))
    lines.append("};")
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    write_expected(sys.argv[1])
