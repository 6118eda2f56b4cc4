"""Metrics with NumPy in float64: prints the tables that metric_test.c expects.

The vectors are x_j = ((7 j + 3) mod 251 - 125) / 64 and y_j = ((13 j + 5) mod 251 - 125) / 64: exact in
f32, f16 and bf16, and 64 times them in int8, so that every sum is exact and every type must agree to the
last bit (cosine and l2 to their rounding). 251 is prime: no period that a register's width shares.
Bits are set where the numbers are above 0."""

import numpy as np

DIMS = (1, 7, 64, 130, 768, 1536)


def vectors(dim):
    j = np.arange(dim)
    return ((7 * j + 3) % 251 - 125) / 64, ((13 * j + 5) % 251 - 125) / 64


def row(dim):
    x, y = vectors(dim)
    cosine = 1 - x @ y / (np.linalg.norm(x) * np.linalg.norm(y))
    return (cosine, x @ y, np.linalg.norm(x - y), np.sum((x - y) ** 2), np.sum(np.abs(x - y)), np.sum((x > 0) != (y > 0)))


if __name__ == "__main__":
    for dim in DIMS:
        print("{" + str(dim) + ", {" + ", ".join(repr(float(v)) for v in row(dim)) + "}},")
