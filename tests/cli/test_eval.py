"""vecna eval against the slow twin of tests/reference. Dot products of small integers are exact, so
the order of every ranking is known: ties put the lower row first."""

import json
import pathlib
import sys

import numpy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import eval_reference as twin  # noqa: E402

ROWS, ASKED, DIM, K = 60, 25, 6, 5


def order(corpus, query):
    return [int(row) for row in numpy.argsort(-(corpus @ query), kind="stable")]


class World:
    """A corpus in three spaces that know each other: new, translated (new with noise), old."""

    def __init__(self, folder, seed=1, noise=2):
        rng = numpy.random.default_rng(seed)
        self.folder = folder
        self.new = rng.integers(-9, 10, (ROWS, DIM)).astype("f4")
        self.translated = self.new + rng.integers(-noise, noise + 1, self.new.shape).astype("f4")
        self.old = rng.integers(-9, 10, (ROWS, DIM + 2)).astype("f4")
        self.answers = rng.integers(0, ROWS, ASKED)
        self.queries = self.new[self.answers] + rng.integers(-4, 5, (ASKED, DIM)).astype("f4")
        self.old_queries = self.old[self.answers] + rng.integers(-9, 10, (ASKED, DIM + 2)).astype("f4")
        self.grades = [{} for _ in range(ASKED)]
        for q in range(ASKED - 2):  # two queries stay unjudged
            self.grades[q] = {int(self.answers[q]): 2, int(rng.integers(0, ROWS)): 1, int(rng.integers(0, ROWS)): 0}
        for name in ("new", "translated", "old", "queries", "old_queries"):
            numpy.save(folder / f"{name}.npy", getattr(self, name))

    def path(self, name):
        return self.folder / f"{name}.npy"

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def trec(self):
        return self.write("judged.qrels", "".join(f"{q} 0 {doc} {grade}\n" for q, docs in enumerate(self.grades)
                                                  for doc, grade in docs.items()))

    def arguments(self, *more):
        return ("eval", self.path("translated"), self.path("queries"), "--native-corpus", self.path("new"),
                "--old-corpus", self.path("old"), "--old-queries", self.path("old_queries"), "--metric", "dot",
                "-k", K, "--resamples", 60, "--seed", 3, *more)

    def scores(self, corpus, queries, grades, measure):
        return [twin.measure(order(corpus, query), one, K)[measure] for query, one in zip(queries, grades)]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def near(got, wanted):
    assert (got["value"], got["low"], got["high"]) == pytest.approx(wanted, abs=1e-9)


def test_every_figure_is_the_twins(vecna, world):
    got = vecna(*world.arguments("--qrels", world.trec(), "--json"), status=None).json()
    judged, native = got["truths"]
    assert (judged["name"], judged["queries"], judged["judged"]) == ("judged queries", ASKED, ASKED - 2)
    neighbours = [dict.fromkeys(order(world.new, query)[:K], 1) for query in world.queries]
    for truth, grades in ((judged, world.grades), (native, neighbours)):
        for measure in ("ndcg", "recall", "mrr", "map"):
            t = world.scores(world.translated, world.queries, grades, measure)
            n = world.scores(world.new, world.queries, grades, measure)
            s = world.scores(world.old, world.old_queries, grades, measure)
            u = world.scores(world.old[:, :DIM], world.queries, grades, measure)
            statistics = [("mean", 0, 0, 0), ("mean", 1, 0, 0), ("mean", 2, 0, 0), ("ratio", 0, 1, 0),
                          ("ratio", 1, 2, 0), ("ratio", 0, 2, 0), ("gap", 0, 1, 2), ("mean", 3, 0, 0)]
            figures = twin.bootstrap([t, n, s, u], statistics, 60, 0.95, 3)
            one = truth["measures"][measure]
            names = ("translated", "native", "old_model", "retention", "upgrade_gain", "advantage", "gap_recovered")
            for name, wanted in zip(names, figures):
                near(one[name], wanted)
            controls = {control["name"]: control for control in one["controls"]}
            assert sorted(controls) == ["mean vector", "shuffled", "untranslated"]
            near(controls["untranslated"]["value"], figures[-1])
    shared = [twin.overlap(order(world.translated, q), K, order(world.new, q), K) for q in world.queries]
    first = [twin.overlap(order(world.translated, q), K, order(world.new, q), 1) for q in world.queries]
    near(got["overlap"]["translated"], *twin.bootstrap([shared], [("mean", 0, 0, 0)], 60, 0.95, 3))
    near(got["native_first"], *twin.bootstrap([first], [("mean", 0, 0, 0)], 60, 0.95, 3))


def test_judgements_of_every_kind_are_the_same(vecna, world):
    plain = [{doc: grade for doc, grade in docs.items()} for docs in world.grades]
    beir = "query-id\tcorpus-id\tscore\n" + "".join(
        f"q{q}\td{doc}\t{grade}\n" for q, docs in enumerate(plain) for doc, grade in docs.items())
    corpus_ids = world.write("c.jsonl", "".join(json.dumps({"id": f"d{row}"}) + "\n" for row in range(ROWS)))
    query_ids = world.write("q.jsonl", "".join(json.dumps({"id": f"q{row}"}) + "\n" for row in range(ASKED)))
    graded = world.write("g.jsonl", "".join(
        json.dumps({"relevant": {f"d{doc}": grade for doc, grade in docs.items()}} if docs else {}) + "\n"
        for docs in plain))
    wanted = vecna(*world.arguments("--qrels", world.trec(), "--json"), status=None).json()
    ways = [("--qrels", world.write("b.tsv", beir), "--query-texts", query_ids), ("--query-texts", graded)]
    for way in ways:
        assert vecna(*world.arguments(*way, "--corpus-texts", corpus_ids, "--json"), status=None).json() == wanted
    # without grades: rows, ids, or one of them alone
    binary = [[doc for doc, grade in docs.items() if grade > 0] for docs in plain]
    numbers = world.write("n.jsonl", "".join(json.dumps({"relevant": docs}) + "\n" for docs in binary))
    texts = world.write("t.jsonl", "".join(json.dumps({"relevant": [f"d{d}" for d in docs]}) + "\n" for docs in binary))
    a = vecna(*world.arguments("--query-texts", numbers, "--json"), status=None).json()
    b = vecna(*world.arguments("--query-texts", texts, "--corpus-texts", corpus_ids, "--json"), status=None).json()
    assert a == b and a["truths"][0]["judged"] == ASKED - 2
    recall = world.scores(world.translated, world.queries, world.grades, "recall")
    assert a["truths"][0]["measures"]["recall"]["translated"]["value"] == pytest.approx(numpy.nanmean(recall))


def test_judgements_in_the_files_themselves(vecna, world):
    """JSON lines that carry vectors, ids and judgements; and a table whose cell is an id."""
    answers = [[int(doc)] for doc in world.answers]
    numbers = world.write("rows.jsonl", "".join(json.dumps({"relevant": docs}) + "\n" for docs in answers))
    plain = ("--native-corpus", world.path("new"), "--metric", "dot", "--json")
    wanted = vecna("eval", world.path("translated"), world.path("queries"), *plain, "--query-texts", numbers,
                   status=None).json()
    corpus = world.write("corpus.jsonl", "".join(
        json.dumps({"id": f"d{row}", "embedding": vector.tolist()}) + "\n" for row, vector in enumerate(world.translated)))
    queries = world.write("queries.jsonl", "".join(
        json.dumps({"relevant": f"d{docs[0]}", "embedding": vector.tolist()}) + "\n"
        for docs, vector in zip(answers, world.queries)))
    table = world.write("queries.csv", "relevant,embedding\n" + "".join(
        f'd{docs[0]},"{json.dumps(vector.tolist())}"\n' for docs, vector in zip(answers, world.queries)))
    for asking in (queries, table):
        got = vecna("eval", corpus, asking, *plain, status=None).json()
        assert got["truths"] == wanted["truths"] and got["overlap"] == wanted["overlap"]


def test_only_judgements(vecna, world):
    result = vecna("eval", world.path("new"), world.path("queries"), "--qrels", world.trec(), "--metric", "dot")
    assert "no verdict" in result.out and "nDCG@10" in result.out
    got = vecna("eval", world.path("new"), world.path("queries"), "--qrels", world.trec(), "--json").json()
    assert "verdict" not in got and "retention" not in got["truths"][0]["measures"]["ndcg"]


def test_verdicts(vecna, world):
    qrels = world.trec()
    good = vecna(*world.arguments("--qrels", qrels), status=0)
    assert "PASS: retention of nDCG by judged queries" in good.out
    # the old model is the better one: the new one in other coordinates
    numpy.save(world.path("turned"), -numpy.roll(world.new, 1, axis=1))
    numpy.save(world.path("turned_queries"), -numpy.roll(world.queries, 1, axis=1))
    worse = ("eval", world.path("translated"), world.path("queries"), "--native-corpus", world.path("new"), "--old-corpus",
             world.path("turned"), "--old-queries", world.path("turned_queries"), "--qrels", qrels, "--measure", "map")
    assert "keeping the old model is better" in vecna(*worse, status=0).out
    assert vecna(*worse, "--json").json()["verdict"] == "WARN"
    # rows dealt to other documents
    numpy.save(world.path("dealt"), numpy.roll(world.translated, 7, axis=0))
    dealt = ("eval", world.path("dealt"), world.path("queries"), "--native-corpus", world.path("new"))
    assert "FAIL: " in vecna(*dealt, "--qrels", qrels, status=3).out
    got = vecna(*dealt, "--json", status=3).json()
    assert got["verdict"] == "FAIL" and "control" in got["reasons"] and got["verdict_truth"] == "native neighbours"
    strict = vecna(*world.arguments("--qrels", qrels, "--min-retention", 1.5, "--json"), status=3).json()
    assert strict["reasons"] == ["retention"] and strict["min_retention"] == 1.5


def test_translated_queries(vecna, world):
    """Role query: the corpus stays, the queries move."""
    got = vecna("eval", world.path("new"), world.path("queries"), "--native-queries", world.path("queries"),
                "--old-corpus", world.path("old"), "--old-queries", world.path("old_queries"), "--metric", "dot",
                "--json").json()
    assert got["overlap"]["translated"]["value"] == 1
    wanted = [twin.overlap(order(world.new, q), 10, order(world.new, t), 10)
              for q, t in zip(world.old_queries[:, :DIM], world.queries)]
    assert got["overlap"]["untranslated"]["value"] == pytest.approx(numpy.mean(wanted))
    mean = world.queries.astype("f8").mean(0).astype("f4")
    wanted = [twin.overlap(order(world.new, mean), 10, order(world.new, t), 10) for t in world.queries]
    assert got["overlap"]["mean vector"]["value"] == pytest.approx(numpy.mean(wanted), abs=0.02)  # ties of float sums


def test_exclude_self(vecna, world):
    """Documents that ask for each other: without the option each finds itself."""
    arguments = ("eval", world.path("new"), world.path("new"), "--native-corpus", world.path("new"), "-k", 1, "--json")
    own = world.write("own.jsonl", "".join(json.dumps({"relevant": row}) + "\n" for row in range(ROWS)))
    assert vecna(*arguments, "--query-texts", own).json()["truths"][0]["measures"]["mrr"]["native"]["value"] > 0.9
    got = vecna(*arguments, "--query-texts", own, "--exclude-self", status=3).json()
    assert got["truths"][0]["measures"]["map"]["native"]["value"] == 0
    assert got["reasons"] == ["control", "undefined"]


def test_threads_change_nothing(vecna, world):
    one = vecna(*world.arguments("--json", "--threads", 1), status=None).out
    assert vecna(*world.arguments("--json", "--threads", 3), status=None).out == one


def test_table(vecna, world):
    out = vecna(*world.arguments("--qrels", world.trec())).out
    for word in ("nDCG@5", "recall@5", "MRR@5", "MAP", "old model, kept", "mean vector", "shuffled", "untranslated",
                 "retention", "advantage", "upgrade gain", "gap recovered", "overlap@5", "23 of 25 queries"):
        assert word in out, word


def test_mistakes(vecna, world):
    start = ("eval", world.path("translated"), world.path("queries"))

    def says(words, *arguments, status=1):
        err = vecna(*arguments, status=status).err
        for word in words:
            assert word in err, err

    says(["nothing to judge", "--qrels", "--native-corpus"], *start)
    says(["go together"], *start, "--old-corpus", world.path("old"), status=2)
    says(["60 rows", "has 25"], *start, "--native-corpus", world.path("queries"))
    says(["8 dimensions", "translate"], "eval", world.path("old"), world.path("queries"), "--native-corpus", world.path("new"))
    says(["line 2", "grade \"x\""], *start, "--qrels", world.write("a", "0 0 1 1\n1 0 1 x\n"))
    says(["none of the judged queries", "\"q7\""], *start, "--qrels", world.write("b", "q7 0 1 1\n"))
    says(["/nonexistent", "No such file"], *start, "--qrels", "/nonexistent")
    says(["row 3", "names row 60"], *start, "--query-texts",
         world.write("c", "{}\n" * 3 + '{"relevant":[60]}\n' + "{}\n" * (ASKED - 4)))
    says(["row 0", "no row"], *start, "--query-texts", world.write("d", '{"relevant":[1.5]}\n' + "{}\n" * (ASKED - 1)))
    says(["grade"], *start, "--query-texts", world.write("e", '{"relevant":{"a":"b"}}\n' + "{}\n" * (ASKED - 1)))
    says(["no ids", "--corpus-texts"], *start, "--query-texts",
         world.write("f", '{"relevant":"a"}\n' + "{}\n" * (ASKED - 1)))
    says(["min-retention"], *start, "--min-retention", "-1", status=2)
    ids = world.write("ids.jsonl", "".join(json.dumps({"id": f"x{row}"}) + "\n" for row in range(ROWS)))
    says(["--exclude-self", "ids"], *start, "--native-corpus", world.path("new"), "--corpus-texts", ids, "--exclude-self")
    words = b"".join(b"y%d " % row + world.new[row].tobytes() + b"\n" for row in range(ROWS))
    (world.folder / "words.bin").write_bytes(b"%d %d\n" % (ROWS, DIM) + words)
    says(["row 0", "\"x0\"", "\"y0\""], *start, "--native-corpus", world.folder / "words.bin", "--corpus-texts", ids)


def test_real_vectors(vecna, shared, tmp_path):
    """mpnet by itself on judged questions: the figures of the data's own report (nDCG@10 0.95-0.96)."""
    models = shared / "models"
    got = vecna("eval", models / "xquad-corpus.all-mpnet-base-v2.768.npy", models / "xquad-queries.all-mpnet-base-v2.768.npy",
                "--query-texts", models / "xquad-queries.jsonl", "--json").json()
    assert 0.94 < got["truths"][0]["measures"]["ndcg"]["translated"]["value"] < 0.97
