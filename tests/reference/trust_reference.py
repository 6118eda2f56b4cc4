#!/usr/bin/env python3
"""The slow float64 truth of confidence and calibrated scores, from their definitions in docs/confidence.md and
docs/scores.md.

Run it to write tests/vectors/trust.txt, which tests/unit/translate/trust_test.c reads. Where the library selects the
nearest rows by insertion, leaves a row out by leverage and reads a curve by bisection, here all is sorted,
leverage is refitted without the row, and the curve is numpy.interp."""
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
KNOTS, FOLDS, NEAR = 40, 5, 16
TOP_SHARE = 0.0005


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def kept(rows):
    """What int8 with a scale for each row leaves of them."""
    rows = np.asarray(rows, np.float32)
    most = np.abs(rows).max(1, keepdims=True)
    return np.rint(rows / most * np.float32(127)).astype(np.float64) * (most / np.float32(127)).astype(np.float64)


def penalised(centred):
    square = centred.T @ centred
    return square + (0.1 * np.trace(square) / len(square) + 1e-12) * np.eye(len(square))


def features(held, row, translated, length, own=None):
    """Eight numbers of a row; own: its number among the held rows, which it is then compared without."""
    source, target, moved = held
    others = np.array([i for i in range(len(source)) if i != own])
    mean = source.mean(0)
    centred = source - mean
    square = penalised(centred)
    x = row - mean
    if own is not None:
        square = square - np.outer(centred[own], centred[own])
    leverage = x @ np.linalg.solve(square, x)
    near = min(NEAR, (len(source) - 1) // 4)
    cosines = unit(centred)[others] @ x / np.linalg.norm(x)
    nearest = others[np.argsort(-cosines, kind="stable")[:near]]
    nearest_cosines = np.sort(cosines)[::-1][:near]
    weights = np.exp((nearest_cosines - nearest_cosines[0]) / 0.1)
    weights /= weights.sum()
    error = 1 - np.sum(moved * target, 1)
    towards = np.sort(target[others] @ translated)[::-1]
    return np.array([
        np.log(leverage + 1 / len(source)),
        length,
        translated @ unit(target.mean(0)),
        nearest_cosines.mean(),
        towards[0],
        towards[:near].mean(),
        weights @ error[nearest],
        np.linalg.norm(weights @ (target - moved)[nearest]),
    ])


def terms(values, mean, deviation):
    z = np.clip((values - mean) / deviation, -4, 4)
    return np.concatenate([np.ones(z.shape[:-1] + (1,)), z, z * z], -1)


def regress(design, wanted):
    penalty = 3.0 * np.eye(design.shape[1])
    penalty[0, 0] = 0
    return np.linalg.solve(design.T @ design + penalty, design.T @ wanted)


def recall(target, moved):
    rows = len(target)
    depth = min(10, max(1, rows // 50))
    share = np.zeros(rows)
    for i in range(rows):
        others = np.array([j for j in range(rows) if j != i])
        truth = others[np.argsort(-(target[others] @ target[i]), kind="stable")[:depth]]
        found = others[np.argsort(-(target[others] @ moved[i]), kind="stable")[:depth]]
        share[i] = len(set(truth) & set(found)) / depth
    return share


def fit_confidence(held, lengths):
    source, target, moved = held
    rows = len(source)
    values = np.array([features(held, source[i], unit(moved[i]), lengths[i], i) for i in range(rows)])
    mean, deviation = values.mean(0), values.std(0)
    design = terms(values, mean, deviation)
    cosine = np.sum(moved * target, 1)
    predicted = np.zeros(rows)
    for fold in range(FOLDS):
        here = np.arange(rows) % FOLDS == fold
        predicted[here] = design[here] @ regress(design[~here], cosine[~here])
    residual = cosine - predicted
    slope, constant = np.polyfit(predicted, np.abs(residual), 1)
    spread = np.array([constant, slope, 0.25 * np.abs(residual).mean() + 1e-9])
    scaled = np.sort(residual / np.maximum(constant + slope * predicted, spread[2]))
    quantile = scaled[max(0, int(0.05 * (rows + 1)) - 1)]
    ascending = np.sort(values, 0)
    outside = [ascending[rows - 1 - int(0.005 * rows), 0], ascending[int(0.0025 * rows), 3],
               ascending[int(0.0025 * rows), 5]]
    return {"mean": mean, "deviation": deviation, "cosine": regress(design, cosine),
            "recall": regress(design, recall(target, moved)), "spread": spread, "quantile": quantile,
            "outside": np.array(outside)}


def judge(model, held, row, translated, length):
    values = features(held, row, translated, length)
    design = terms(values, model["mean"], model["deviation"])
    cosine = design @ model["cosine"]
    spread = max(model["spread"][0] + model["spread"][1] * cosine, model["spread"][2])
    outside = values[0] > model["outside"][0] or values[3] < model["outside"][1] or values[5] < model["outside"][2]
    return [np.clip(design @ model["recall"], 0, 1), np.clip(cosine, -1, 1),
            np.clip(cosine + model["quantile"] * spread, -1, 1), float(outside)]


def level_count(rows):
    return max(3, rows // 100)


def shifted_scores(queries, rows):
    """Scores of each query with the rows but its own, less its level, and the mean of those with its own."""
    out, raw, own = [], [], []
    for i, query in enumerate(queries):
        scores = np.delete(rows @ query, i)
        level = np.sort(scores)[::-1][:level_count(len(rows))].mean()
        out.append(scores - level)
        raw.append(scores)
        own.append(rows[i] @ query - level)
    return np.concatenate(out), np.concatenate(raw), np.mean(own)


def match(source, target, own):
    """Quantiles up to the share of 1 in 2,000, and the mean scores of own rows above them."""
    top = max(TOP_SHARE, 1 / len(source))
    shares = 1 - top ** (np.arange(KNOTS - 1) / (KNOTS - 2))
    low, high = np.quantile(source, shares), np.quantile(target, shares)
    last = own if own[0] > low[-1] and own[1] >= high[-1] else (low[-1] + 1, high[-1] + 1)
    return np.append(low, last[0]), np.append(high, last[1])


def follow(curve, scores):
    source, target = curve
    out = np.interp(scores, source, target)
    out = np.where(scores < source[0], target[0] + scores - source[0], out)
    return np.where(scores > source[-1], target[-1] + scores - source[-1], out)


def kolmogorov(a, b):
    points = np.concatenate([a, b])
    return np.abs(np.searchsorted(np.sort(a), points, "right") / len(a) -
                  np.searchsorted(np.sort(b), points, "right") / len(b)).max()


def fit_scores(held):
    _, target, moved = held
    from_shifted, from_raw, from_own = shifted_scores(target, moved)
    to_shifted, to_raw, to_own = shifted_scores(target, target)
    own = from_own, to_own
    half = len(from_shifted) // 2
    trial = match(from_shifted[:half], to_shifted[:half], own)
    levels = (to_raw - to_shifted)[half:]
    after = kolmogorov(levels + follow(trial, from_shifted[half:]), to_raw[half:])
    return match(from_shifted, to_shifted, own), kolmogorov(from_raw[half:], to_raw[half:]), after


def calibrate(curve, held, query, scores):
    _, target, moved = held
    count = level_count(len(target))
    query = unit(query)
    translated = np.sort(moved @ query)[::-1][:count].mean()
    native = np.sort(target @ query)[::-1][:count].mean()
    return translated, native, native + follow(curve, scores - translated)


def put(file, word, numbers):
    file.write(word + "".join(f" {value:.17g}" for value in np.ravel(numbers)) + "\n")


def write(path, seed=11, rows=80, p=7, q=5, fresh=6):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(rows + fresh, 4))
    source = np.float32(unit(latent @ rng.normal(size=(4, p)) + 0.3 * rng.normal(size=(rows + fresh, p)) + 0.5))
    native = np.float32(unit(latent @ rng.normal(size=(4, q)) + 0.3 * rng.normal(size=(rows + fresh, q)) + 0.4))
    x, y = source[:rows].astype(np.float64), native[:rows].astype(np.float64)
    centred = x - x.mean(0)
    weights = np.float32(np.linalg.solve(centred.T @ centred + 0.5 * np.eye(p), centred.T @ (y - y.mean(0))))
    bias = np.float32(y.mean(0) - x.mean(0) @ weights)
    product = source.astype(np.float64) @ weights + bias
    lengths = np.float32(np.linalg.norm(product, axis=1))
    translated = np.float32(unit(product))
    source[-1] = unit(-source[-1] + 2 * np.eye(p)[0])  # one that is outside
    product[-1] = source[-1].astype(np.float64) @ weights + bias
    translated[-1] = unit(product[-1])
    held = [kept(source[:rows]), kept(native[:rows]), kept(translated[:rows])]
    model = fit_confidence(held, lengths[:rows].astype(np.float64))
    curve, before, after = fit_scores(held)
    judged = [judge(model, held, source[i].astype(np.float64), unit(product[i]), np.linalg.norm(product[i]))
              for i in range(rows, rows + fresh)]
    queries = np.float32(3 * native[rows:])
    scores = np.linspace(-0.9, 1.1, 9)
    answers = [calibrate(curve, held, query.astype(np.float64), scores) for query in queries]
    with open(path, "w", encoding="utf-8") as file:
        put(file, "sizes", [rows, p, q, fresh])
        put(file, "source", source)
        put(file, "native", native)
        put(file, "translated", translated)
        put(file, "lengths", lengths[:rows])
        put(file, "weights", weights)
        put(file, "bias", bias)
        for word in ("mean", "deviation", "cosine", "recall", "spread", "quantile", "outside"):
            put(file, word, model[word])
        put(file, "judged", judged)
        put(file, "curve", curve)
        put(file, "ks", [before, after])
        put(file, "queries", queries)
        put(file, "levels", [answer[:2] for answer in answers])
        put(file, "calibrated", [answer[2] for answer in answers])


if __name__ == "__main__":
    write(os.path.join(HERE, "..", "vectors", "trust.txt"))
