"""The twin against pytrec-eval (trec_eval 9 in C), and the goldens against the twin."""
import io
import math
import os
import random
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import eval_reference as twin  # noqa: E402

pytrec_eval = pytest.importorskip("pytrec_eval")


def judged_by_trec(judged, rankings, k, relevant_from):
    # grades below -1 crash pytrec-eval (trec_eval uses -2 inside), so none are given to it
    qrels = {"q%d" % q: grades for q, grades in enumerate(judged) if grades}
    run = {"q%d" % q: dict(ranking) for q, ranking in enumerate(rankings)}
    names = {"ndcg_cut.%d" % k, "recall.%d" % k, "P.%d" % k, "success.%d" % k, "map", "recip_rank"}
    return pytrec_eval.RelevanceEvaluator(qrels, names, relevance_level=relevant_from).evaluate(run)


@pytest.mark.parametrize("grades,levels", [((0, 1), 64), ((-1, 4), 64), ((0, 3), 2), ((-1, 2), 1)])
@pytest.mark.parametrize("k", [1, 3, 10, 100])
@pytest.mark.parametrize("relevant_from", [1, 2])
def test_twin_is_trec_eval(grades, levels, k, relevant_from):
    rng = random.Random(repr((grades, levels, k, relevant_from)))
    for _ in range(10):
        ids, judged, rankings = twin.random_case(rng, 10, 40, 30, grades, levels)
        expected = judged_by_trec(judged, rankings, k, relevant_from)
        for q in range(len(judged)):
            order = [doc for doc, _ in twin.trec_order(rankings[q])]
            mine = twin.measure(order, judged[q], k, relevant_from)
            if not judged[q]:
                assert all(math.isnan(value) for value in mine.values())
                continue
            theirs = expected["q%d" % q]
            first = theirs["recip_rank"]
            wanted = {
                "ndcg": theirs["ndcg_cut_%d" % k],
                "recall": theirs["recall_%d" % k],
                "precision": theirs["P_%d" % k],
                "success": theirs["success_%d" % k],
                "map": theirs["map"],
                "mrr": first if first >= 1 / k - 1e-9 else 0.0,
            }
            for name, value in wanted.items():
                assert mine[name] == pytest.approx(value, abs=1e-6), (q, name)


def test_goldens_are_the_twins():
    text = io.StringIO()
    twin.write_goldens(text)
    with open(os.path.join(HERE, "..", "vectors", "eval.txt"), encoding="utf-8") as file:
        assert file.read() == text.getvalue()


def test_bootstrap_is_numpys():
    """Percentiles as NumPy's, and an interval that holds the textbook width."""
    import numpy

    rng = random.Random(3)
    column = [rng.random() for _ in range(200)]
    (value, low, high), = twin.bootstrap([column], [("mean", 0, 0, 0)], 400)
    error = numpy.std(column) / math.sqrt(len(column))
    assert value == pytest.approx(numpy.mean(column))
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)  # 400 resamples: 5 % each end
    values = sorted(rng.random() for _ in range(37))
    for share in (0, 0.025, 0.5, 0.975, 1):
        assert twin.percentile(values, share) == pytest.approx(numpy.percentile(values, 100 * share))
