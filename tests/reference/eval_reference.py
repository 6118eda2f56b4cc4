"""Slow float64 twin of lib/eval, and the writer of tests/vectors/eval.txt.

    python tests/reference/eval_reference.py > tests/vectors/eval.txt

Everything is spelled out: lists, dictionaries and loops. test_eval_reference.py holds it against
pytrec-eval, tests/unit/eval/golden_test.c holds the library against it.
"""
import math
import random
import sys

from base_reference import seeded, u64

MEASURES = ["ndcg", "recall", "mrr", "map", "precision", "success"]
NAN = float("nan")


# ---- measures ------------------------------------------------------------------------------------
def trec_order(ranking):
    """ranking: [(id, score)]; higher score first, then the last id in byte order."""
    by_id = sorted(ranking, key=lambda one: one[0].encode(), reverse=True)
    return sorted(by_id, key=lambda one: -one[1])


def measure(order, grades, k=10, relevant_from=1):
    """order: ids, best first; grades: {id: grade} of this query. None for an unjudged query."""
    if not grades:
        return dict.fromkeys(MEASURES, NAN)
    relevant = {doc for doc, grade in grades.items() if grade >= relevant_from}
    gains = sorted((g for g in grades.values() if g > 0), reverse=True)
    dcg = sum(grades[d] / math.log2(i + 2) for i, d in enumerate(order[:k]) if grades.get(d, 0) > 0)
    ideal = sum(g / math.log2(i + 2) for i, g in enumerate(gains[:k]))
    found = [d in relevant for d in order]
    precisions = [sum(found[: i + 1]) / (i + 1) for i, hit in enumerate(found) if hit]
    ranks = [i + 1 for i, hit in enumerate(found[:k]) if hit]
    return {
        "ndcg": dcg / ideal if ideal else 0.0,
        "recall": sum(found[:k]) / len(relevant) if relevant else 0.0,
        "mrr": 1 / ranks[0] if ranks else 0.0,
        "map": sum(precisions) / len(relevant) if relevant else 0.0,
        "precision": sum(found[:k]) / k,
        "success": float(any(found[:k])),
    }


def overlap(rows, k, reference, reference_k):
    wanted = reference[:reference_k]
    return len(set(rows[:k]) & set(wanted)) / len(wanted) if wanted else NAN


# ---- bootstrap -----------------------------------------------------------------------------------
def below(state, bound):
    reject = ((1 << 64) - bound) % bound
    while True:
        value = u64(state)
        if value >= reject:
            return value % bound


def compute(statistic, means):
    kind, a, b, c = statistic
    if kind == "mean":
        return means[a]
    if kind == "difference":
        return means[a] - means[b]
    if kind == "ratio":
        return means[a] / means[b] if means[b] else NAN
    return (means[a] - means[c]) / (means[b] - means[c]) if means[b] != means[c] else NAN


def percentile(values, share):
    position = share * (len(values) - 1)
    i = int(position)
    if i + 1 == len(values):
        return values[-1]
    return values[i] + (values[i + 1] - values[i]) * (position - i)


def bootstrap(columns, statistics, resamples=2000, confidence=0.95, seed=0):
    """[(value, low, high)] of each statistic; rows with NaN in any column are left out."""
    rows = [row for row in zip(*columns) if not any(math.isnan(x) for x in row)]
    means = [sum(column) / len(rows) for column in zip(*rows)]
    drawn = [[] for _ in statistics]
    for resample in range(resamples):
        state = seeded(seed, resample)
        counts = [0] * len(rows)
        for _ in rows:
            counts[below(state, len(rows))] += 1
        resampled = [sum(n * x for n, x in zip(counts, c)) / len(rows) for c in zip(*rows)]
        for values, statistic in zip(drawn, statistics):
            values.append(compute(statistic, resampled))
    out = []
    for values, statistic in zip(drawn, statistics):
        values = sorted(v for v in values if not math.isnan(v))
        value = compute(statistic, means)
        tail = (1 - confidence) / 2
        if math.isnan(value) or not values:
            out.append((NAN, NAN, NAN))
        else:
            out.append((value, percentile(values, tail), percentile(values, 1 - tail)))
    return out


# ---- cases ---------------------------------------------------------------------------------------
def random_case(rng, queries, docs, depth, grade_range, levels=64):
    """ids, [{id: grade}], [[(id, score)]]: few score levels make many ties; some documents are
    outside the corpus, some queries unjudged, some rankings empty or short."""
    ids = ["d%s" % rng.choice(["", "x", "é"]) + str(i * 7919 % 1000) + "_%d" % i for i in range(docs)]
    judged, rankings = [], []
    for _ in range(queries):
        grades = {}
        if rng.random() > 0.1:
            for doc in rng.sample(ids, min(docs, rng.randint(0, 12))):
                grades[doc] = rng.randint(*grade_range)
            for i in range(rng.choice([0, 0, 0, 2])):
                grades["outside%d" % i] = rng.randint(*grade_range)
        length = rng.choice([0, 1, depth // 2, depth, depth, depth])
        hits = rng.sample(ids, min(length, docs))
        ranking = [(doc, rng.randrange(levels) / 8) for doc in hits]
        judged.append(grades)
        rankings.append(sorted(ranking, key=lambda one: -one[1]))
    return ids, judged, rankings


CASES = [  # queries, docs, depth, grades, score levels, k, relevant_from
    ("binary", 12, 30, 20, (0, 1), 64, 10, 1),
    ("graded", 12, 40, 25, (-2, 3), 64, 5, 1),
    ("ties", 12, 25, 25, (0, 2), 3, 7, 1),
    ("all-equal", 8, 20, 15, (0, 3), 1, 3, 2),
    ("deep-k", 8, 10, 6, (0, 1), 8, 1000, 1),
    ("level-two", 8, 30, 30, (-1, 4), 16, 1, 2),
]


def number(x):
    return "nan" if math.isnan(x) else repr(float(x))


def write_rankings(rng, out):
    for name, queries, docs, depth, grades, levels, k, relevant_from in CASES:
        ids, judged, rankings = random_case(rng, queries, docs, depth, grades, levels)
        row = {doc: i for i, doc in enumerate(ids)}
        print("case", name, queries, docs, depth, k, relevant_from, file=out)
        print("ids", *ids, file=out)
        for q in range(queries):
            for doc, grade in judged[q].items():
                print("judge", q, row.get(doc, -1), grade, file=out)
            print("list", q, len(rankings[q]), *("%d %s" % (row[d], number(s)) for d, s in rankings[q]),
                  file=out)
            for order, tag in ((rankings[q], "given"), (trec_order(rankings[q]), "trec")):
                scores = measure([doc for doc, _ in order], judged[q], k, relevant_from)
                print("want", q, tag, *(number(scores[m]) for m in MEASURES), file=out)
        print("end", file=out)


STATISTICS = [("mean", 0, 0, 0), ("mean", 1, 0, 0), ("difference", 0, 1, 0), ("ratio", 0, 1, 0),
              ("ratio", 1, 2, 0), ("gap", 0, 1, 2)]


def write_bootstraps(rng, out):
    for queries, resamples, confidence, seed, holes in ((1, 7, 0.95, 1, 0), (40, 200, 0.95, 42, 3),
                                                        (25, 333, 0.8, 2**63, 0), (6, 100, 0.9, 7, 0)):
        columns = [[rng.randrange(65) / 64 * scale for _ in range(queries)] for scale in (0.75, 1, 0.5)]
        if queries == 6:  # resamples without a denominator
            columns[1] = [0.0] * 5 + [1.0]
        for _ in range(holes):
            columns[rng.randrange(3)][rng.randrange(queries)] = NAN
        print("boot", queries, len(columns), len(STATISTICS), resamples, confidence, seed, file=out)
        for column in columns:
            print("column", *map(number, column), file=out)
        for statistic, figures in zip(STATISTICS, bootstrap(columns, STATISTICS, resamples, confidence, seed)):
            print("stat", *statistic, *map(number, figures), file=out)


def write_goldens(out):
    rng = random.Random(20261124)
    print("# tests/reference/eval_reference.py wrote this", file=out)
    write_rankings(rng, out)
    write_bootstraps(rng, out)


if __name__ == "__main__":
    write_goldens(sys.stdout)
