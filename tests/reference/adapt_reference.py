"""The random projection in float64 with NumPy: prints the golden values of adapt_test.c.

The generator is base_reference.py's; the normal quantile is Python's own, NumPy's QR stands for LAPACK's."""

import statistics

import numpy as np
from base_reference import seeded, u64

CASES = ((1, 5, 3), (42, 6, 6), (7, 3, 8), (2**63 + 11, 64, 16), (0, 16, 48))


def projection(seed, source, target):
    larger, smaller = max(source, target), min(source, target)
    state, inverse = seeded(seed, 0), statistics.NormalDist().inv_cdf
    drawn = np.array([inverse(((u64(state) >> 12) + 0.5) * 2.0**-52) for _ in range(larger * smaller)])
    q, r = np.linalg.qr(drawn.reshape(larger, smaller))
    q = q * np.sign(np.diag(r))
    return q if source >= target else q.T


def weighed(matrix):
    """One figure that every entry moves: sum of entry * (1 + index mod 7)."""
    flat = matrix.reshape(-1)
    return float(flat @ (1 + np.arange(flat.size) % 7))


if __name__ == "__main__":
    for seed, source, target in CASES:
        p = projection(seed, source, target)
        flat = p.reshape(-1)
        print("{UINT64_C(%d), %d, %d, {%s}, %.9g}," % (seed, source, target, ", ".join("%.9g" % v for v in (*flat[:4], flat[-1])), weighed(p)))
