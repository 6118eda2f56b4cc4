"""Retrieval measures and paired bootstrap intervals, in plain NumPy float64.

Every comparison in this folder uses these few functions for every tool, so that a
difference between two rows of a table is a difference between two translators.
"""

import numpy as np

CUT = 10


def unit(x):
    """Rows scaled to length one; a zero row stays zero."""
    x = np.asarray(x, dtype=np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm == 0.0, 1.0, norm)


def similarity(queries, corpus):
    """Cosine of every query with every corpus row, (queries, corpus)."""
    return unit(queries) @ unit(corpus).T


def ranks(sim, relevant):
    """Rank (1 = first) of each relevant row; ties count half.

    sim (queries, corpus); relevant: one list of corpus rows per query.
    Returns one float64 array per query.
    """
    out = []
    for row, wanted in zip(sim, relevant):
        got = row[wanted]
        above = (row[None, :] > got[:, None]).sum(axis=1)
        level = (row[None, :] == got[:, None]).sum(axis=1) - 1
        out.append(1.0 + above + 0.5 * level)
    return out


def ndcg(sim, relevant, cut=CUT):
    """nDCG@cut of each query, binary judgements, the formula of trec_eval."""
    gains = []
    for place in ranks(sim, relevant):
        seen = place[place <= cut]
        ideal = 1.0 / np.log2(1.0 + np.arange(1, min(len(place), cut) + 1))
        gains.append((1.0 / np.log2(1.0 + seen)).sum() / ideal.sum())
    return np.array(gains)


def recall(sim, relevant, cut=CUT):
    """Recall@cut of each query: share of its relevant rows in the first `cut`."""
    return np.array([(place <= cut).mean() for place in ranks(sim, relevant)])


def mrr(sim, relevant, cut=CUT):
    """Reciprocal rank of the first relevant row of each query, 0 beyond `cut`."""
    best = np.array([place.min() for place in ranks(sim, relevant)])
    return np.where(best <= cut, 1.0 / best, 0.0)


def top(sim, count=CUT):
    """The `count` best columns of each row, best first."""
    order = np.argpartition(-sim, count - 1, axis=1)[:, :count]
    return np.take_along_axis(order, np.argsort(-np.take_along_axis(sim, order, 1), 1), 1)


def overlap(sim_a, sim_b, count=CUT):
    """Share of the `count` nearest that two rankings have in common, per row."""
    pairs = zip(top(sim_a, count), top(sim_b, count))
    return np.array([len(set(a) & set(b)) / count for a, b in pairs])


def interval(translated, native, resamples=2000, seed=0, base=None):
    """95 % paired bootstrap interval of mean(translated) / mean(native).

    With `base`, of (mean(translated) - mean(base)) / mean(native): the difference of
    two translators on the same queries, in units of the native figure.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(native), size=(resamples, len(native)))
    top_line = translated if base is None else translated - base
    ratio = top_line[picks].mean(axis=1) / np.maximum(native[picks].mean(axis=1), 1e-12)
    return np.quantile(ratio, [0.025, 0.975])
