#!/usr/bin/env python3
"""The slow float64 truth of an alignment's first rotation without anchors (lib/translate/unpaired_start.c), from its
k-means (lib/cluster/kmeans.c) and random numbers on.

Run it to write tests/vectors/unpaired.txt, which tests/unit/translate/unpaired_test.c reads. The method decides all the time
(which row is drawn, which centre is nearest, whether a swap gains, which rows are a partner), and float32 decides
otherwise where two choices are level. So every decision tells how far apart its choices were, and data
on which one was closer than MARGIN are passed over."""
import math
import os

import numpy as np

from base_reference import MASK, seeded, u64

HERE = os.path.dirname(os.path.abspath(__file__))
RUNS, GROUPS, STARTS, ROUNDS, ROWS_PER_GROUP, NEAR, ROWS_PER_NEAR = 24, 20, 60, 15, 5, 50, 40
AGREES = 0.6
MARGIN = 5e-6  # float32 sums of squares at length 1 are wrong by some 1e-7


class Close(Exception):
    """Two choices that float32 might not tell apart."""


def apart(gap):
    if abs(gap) < MARGIN:
        raise Close
    return gap


def uniform(state):
    return (u64(state) >> 11) * 2.0**-53


def below(state, bound):
    reject = ((MASK + 1) - bound) % bound
    while True:
        value = u64(state)
        if value >= reject:
            return value % bound


def shuffle(state, order):
    for left in range(len(order), 1, -1):
        chosen = below(state, left)
        order[left - 1], order[chosen] = order[chosen], order[left - 1]


# ---- k-means -------------------------------------------------------------------------------------------------


def draw_row(distance, state):
    at = uniform(state) * distance.sum()
    for row, d in enumerate(distance):
        at -= d
        if at < 0:
            if d > 0:
                apart(at / d)
                apart(at / d + 1)
            return row
    return len(distance) - 1


def seed_centres(x, clusters, seed):
    state = seeded(seed, 0)
    first = below_of_nothing(state, len(x))
    centres = [x[first]]
    distance = ((x - x[first]) ** 2).sum(1)
    trials = min(2 + int(math.log(clusters)), 16)
    while len(centres) < clusters:
        rows = [draw_row(distance, state) for _ in range(trials)]
        left = [np.minimum(((x - x[row]) ** 2).sum(1), distance) for row in rows]
        best = int(np.argmin([d.sum() for d in left]))
        for row, d in zip(rows, left):
            if row != rows[best]:
                apart(d.sum() - left[best].sum())
        centres.append(x[rows[best]])
        distance = left[best]
    return np.array(centres)


def below_of_nothing(state, count):
    """The first centre: a number is drawn for nothing, then any row."""
    uniform(state)
    return below(state, count)


def assign(x, centres):
    distance = ((x[:, None] - centres) ** 2).sum(2)
    of = distance.argmin(1)
    for row in distance:
        two = np.partition(row, 1)[:2]
        apart(two[1] - two[0])
    if len(set(of)) < len(centres):
        raise Close  # an empty cluster is filled by another rule; such data are not used here
    return of


def kmeans(rows, clusters, seed):
    mean = rows.mean(0)
    x = rows - mean
    still = 1e-4 * (x**2).sum() / x.size
    centres = seed_centres(x, clusters, seed)
    of = assign(x, centres)
    for _ in range(ROUNDS):
        moved = np.array([x[of == c].mean(0) for c in range(clusters)])
        shift = ((moved - centres) ** 2).sum()
        centres = moved
        of = assign(x, centres)
        if apart(shift / still - 1) <= 0:
            break
    return centres + mean


# ---- matching ------------------------------------------------------------------------------------------------


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def match_once(a, b, chosen):
    count, better = len(a), True
    while better:
        better = False
        for i in range(count):
            for j in range(i + 1, count):
                turned = b[np.ix_(chosen, chosen)]
                gain = (a[i] - a[j]) * (turned[j] - turned[i])
                gain = gain.sum() - gain[i] - gain[j]
                if apart(gain) > 0:
                    chosen[i], chosen[j] = chosen[j], chosen[i]
                    better = True
    return (a * b[np.ix_(chosen, chosen)]).sum()


def run_once(x, y, groups, seed, run, state):
    left = unit(kmeans(x, groups, seed * 2 * RUNS + 2 * run))
    right = unit(kmeans(y, groups, seed * 2 * RUNS + 2 * run + 1))
    a, b = left @ left.T, right @ right.T
    order, best, chosen = list(range(groups)), -math.inf, None
    for _ in range(STARTS):
        shuffle(state, order)
        total = match_once(a, b, order)
        if order != chosen:
            if chosen is not None:
                apart(total - best)
            if total > best:
                best, chosen = total, list(order)
    return left, right[chosen]


def keep_runs(runs):
    agree = np.zeros((RUNS, RUNS))
    for i in range(RUNS):
        for j in range(i):
            a, b = (runs[i][side] @ runs[j][side].T for side in (0, 1))
            agree[i, j] = agree[j, i] = max(0, np.corrcoef(a.ravel(), b.ravel())[0, 1])
    lead = np.ones(RUNS)
    for _ in range(100):
        lead = 1e-12 + agree @ lead
        lead /= lead.max()
    for one in lead:
        apart(one - AGREES)
    return [run for run in range(RUNS) if lead[run] >= AGREES]


def profile(rows, centres):
    like = rows @ np.concatenate(centres).T
    return unit(like - like.mean(0))


def start(x, y, seed):
    """The cross product whose rotation is the first one, and the runs that it stands on."""
    groups = min(min(len(x), len(y)) // ROWS_PER_GROUP, GROUPS)
    state = seeded(seed, 0x6772)
    runs = [run_once(x, y, groups, seed, run, state) for run in range(RUNS)]
    kept = keep_runs(runs)
    left, right = (profile(rows, [runs[run][side] for run in kept]) for side, rows in enumerate((x, y)))
    near = min(max(len(y) // ROWS_PER_NEAR, 2), NEAR)
    like = left @ right.T
    partner = []
    for row in like:
        order = np.argsort(-row)
        apart(row[order[near - 1]] - row[order[near]])
        partner.append(y[order[:near]].sum(0))
    return x.T @ unit(np.array(partner)), kept


def make_rows(rng, rows, dims, clusters, noise):
    """Two sides of one mixture of kinds of text, no row of one the partner of one of the other."""
    kinds = unit(rng.normal(size=(clusters, 5)) + 0.3 * rng.normal(size=5))
    weights = rng.dirichlet(np.full(clusters, 4.0))
    sides = []
    for count, dim in zip(rows, dims):
        latent = kinds[rng.choice(clusters, count, p=weights)] + noise * rng.normal(size=(count, 5))
        turn = np.linalg.qr(rng.normal(size=(max(dim, 5), max(dim, 5))))[0][:5, :dim]
        side = latent @ turn
        sides.append(unit(side - side.mean(0)).astype(np.float32))
    return sides


def numbers(values):
    return " ".join(repr(float(v)) for v in np.ravel(values))


def main():
    lines = []
    for rows, dims, seed in (((60, 50), (6, 5), 3), ((105, 120), (5, 8), 11), ((40, 140), (4, 7), 0)):
        tried = 0
        while True:
            rng = np.random.default_rng((tried, *rows))
            tried += 1
            x, y = make_rows(rng, rows, dims, 12, 0.15)
            try:
                cross, kept = start(x.astype(np.float64), y.astype(np.float64), seed)
                break
            except Close:
                continue
        u, sigma, vt = np.linalg.svd(cross, full_matrices=False)
        print(f"{rows} rows, {dims} dimensions, seed {seed}: data number {tried}, {len(kept)} runs kept, sigma {sigma.round(3)}")
        lines.append(f"start {rows[0]} {rows[1]} {dims[0]} {dims[1]} {seed} {len(kept)}")
        for name, values in (("x", x), ("y", y), ("cross", cross), ("rotation", u @ vt)):
            lines.append(f"{name} {numbers(values)}")
    with open(os.path.join(HERE, "..", "vectors", "unpaired.txt"), "w", encoding="ascii") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
