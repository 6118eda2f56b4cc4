#!/usr/bin/env python3
"""Time to fit 20,000 pairs 1536 -> 768 with a whole lambda path: vecna, NumPy and scikit-learn.

    fit_speed.py [--vecna build/vecna] [--pairs 20000] [--runs 5] [--threads N]

The pairs are made, not real: rank 400 with a falling spectrum, plus noise and a common mean, so that the
problem is conditioned about as badly as that of real embeddings; nothing is said here about quality.
Every contender gets the same number of threads, and files or arrays that are already in memory.
The contenders take turns, round by round.

  vecna fit        the whole command: read two .npy, compare every method, fit, report on held-out rows
                   with intervals and controls, learn a confidence, write the map
  vecna fit, ridge the same with --method ridge: 13 lambdas and no other method, what NumPy does below
                   (and the report, the confidence and the map all the same)
  numpy eigh path  centre, X'X, X'Y, one eigendecomposition, 15 lambdas judged on a held-out tenth,
                   again on all pairs: the strongest NumPy we know. Products in float64, then in float32
  numpy solve path the same 15 lambdas with one Cholesky solve each, float64
  sklearn RidgeCV  25 alphas, its leave-one-out path, float64 (its default), one run: it is slow
"""

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def pairs(count, dim_in, dim_out, rank=400, seed=0):
    import numpy as np

    rng = np.random.default_rng(seed)
    spectrum = 1.0 / np.sqrt(np.arange(1, rank + 1))
    z = rng.standard_normal((count, rank)) * spectrum
    mean = rng.standard_normal(dim_in) * 0.1
    x = z @ rng.standard_normal((rank, dim_in)) + 0.3 * rng.standard_normal((count, dim_in)) + mean
    y = z @ rng.standard_normal((rank, dim_out)) + 0.3 * rng.standard_normal((count, dim_out))
    norm = np.linalg.norm
    return [(m / norm(m, axis=1, keepdims=True)).astype(np.float32) for m in (x, y)]


def eigh_path(x, y):
    import methods

    return methods.validated_ridge(x, y)[0]


def solve_path(x, y):
    import numpy as np
    import methods
    from scipy.linalg import cho_factor, cho_solve

    fit, held = methods.split(len(x))
    x, y = x.astype(np.float64), y.astype(np.float64)
    best = None
    for rows, lambdas in ((fit, methods.LAMBDAS), (np.arange(len(x)), None)):
        xc, mx = methods.centre(x[rows])
        yc, my = methods.centre(y[rows])
        gram, cross = xc.T @ xc, xc.T @ yc
        level = np.trace(gram) / len(gram)
        scored = []
        for lam in lambdas if lambdas is not None else (best,):
            w = cho_solve(cho_factor(gram + lam * level * np.eye(len(gram))), cross)
            scored.append((methods.mean_cosine(methods.affine(w, mx, my)(x[held]), y[held]), lam, w))
        best = max(scored, key=lambda s: s[0])[1]
    return w


def ridgecv(x, y):
    import numpy as np
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-3, 3, 25)).fit(x.astype(np.float64), y.astype(np.float64)).coef_


def clock():
    """Wall clock and processor seconds of this process and its finished children."""
    own, children = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    used = sum(u.ru_utime + u.ru_stime for u in (own, children))
    return time.perf_counter(), used


def measure(contenders, runs):
    """Round by round, so that whatever else the machine does meets everyone alike."""
    times = {name: [] for name, _, _ in contenders}
    for turn in range(runs):
        for name, call, most in contenders:
            if turn < most:
                start = clock()
                call()
                times[name].append([after - before for after, before in zip(clock(), start)])
    return times


def vecna_fit(binary, work, extra):
    command = [binary, "fit", work / "x.npy", work / "y.npy", "-o", work / "map", *extra]

    def call():
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode not in (0, 3):  # 3: the verdict is FAIL, the work is the same
            raise RuntimeError(done.stderr)

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vecna")
    parser.add_argument("--pairs", type=int, default=20000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--slow-runs", type=int, default=1, help="runs of RidgeCV")
    parser.add_argument("extra", nargs="*", help="further words for vecna fit, after --")
    args = parser.parse_args()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before NumPy is loaded
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import numpy as np

    x, y = pairs(args.pairs, 1536, 768)
    wide = x.astype(np.float64), y.astype(np.float64)
    contenders = [
        ("numpy eigh path, float64", lambda: eigh_path(*wide), args.runs),
        ("numpy eigh path, float32 products", lambda: eigh_path(x, y), args.runs),
        ("numpy solve path, float64", lambda: solve_path(x, y), min(2, args.runs)),
        ("sklearn RidgeCV, float64", lambda: ridgecv(x, y), args.slow_runs),
    ]
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        np.save(work / "x.npy", x)
        np.save(work / "y.npy", y)
        if args.vecna:
            ridge = ["--method", "ridge"]
            contenders.insert(0, ("vecna fit", vecna_fit(args.vecna, work, args.extra), args.runs))
            contenders.insert(1, ("vecna fit, ridge", vecna_fit(args.vecna, work, args.extra + ridge), args.runs))
        times = measure(contenders, args.runs)
    print(f"\n{args.pairs} pairs 1536 -> 768, {args.threads} threads\n")
    first = contenders[0][0]
    print(f"| who | runs | median wall s | least wall s | median processor s | wall / {first} | processor / {first} |")
    print("|---|---|---|---|---|---|---|")
    base = None
    for name, got in times.items():
        if not got:
            continue
        wall, used = (statistics.median(t[i] for t in got) for i in (0, 1))
        base = base or (wall, used)
        least = min(t[0] for t in got)
        print(
            f"| {name} | {len(got)} | {wall:.2f} | {least:.2f} | {used:.2f} "
            f"| {wall / base[0]:.2f} | {used / base[1]:.2f} |"
        )


if __name__ == "__main__":
    main()
