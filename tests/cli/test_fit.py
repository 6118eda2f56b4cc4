"""vecna fit end to end: which rows are pairs, what the verdict says of good and bad pairs, judged queries,
the report, and that every option does something."""

import json

import numpy
import pytest
from safetensors import safe_open

from conftest import ROOT, run

DOCS, GLOSSES = ROOT / "examples" / "docs", ROOT / "examples" / "glosses"
QUICK = "--method", "procrustes", "--resamples", 60


def unit(rows):
    return (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")


def spaces(rows=240, seed=3, dims=(16, 10)):
    """Clustered unit vectors in one space, and the same in another that a linear map nearly makes of it."""
    rng = numpy.random.default_rng(seed)
    centres = rng.standard_normal((12, dims[0]))
    source = unit(centres[rng.integers(0, 12, rows)] + 0.6 * rng.standard_normal((rows, dims[0])))
    return source, unit(source @ rng.standard_normal(dims) + 0.02 * rng.standard_normal((rows, dims[1])) + 0.3)


SOURCE, TARGET = spaces()


@pytest.fixture
def pair(tmp_path):
    numpy.save(tmp_path / "s.npy", SOURCE)
    numpy.save(tmp_path / "t.npy", TARGET)
    return tmp_path / "s.npy", tmp_path / "t.npy"


def tensors(path):
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


def put(path, rows, ids=None, texts=None):
    with open(path, "w", encoding="utf-8") as file:
        for i, row in enumerate(rows):
            record = {**({"id": ids[i]} if ids else {}), **({"text": texts[i]} if texts else {}),
                      "embedding": row.tolist()}
            file.write(json.dumps(record) + "\n")


# ---- pairing -----------------------------------------------------------------------------------------------

def test_pairs_by_row_by_id_and_by_text_are_the_same_pairs(vecna, tmp_path, pair):
    by_row = vecna("fit", *pair, "-o", tmp_path / "row.vecna", *QUICK, "--json").fitted()
    assert (by_row["paired_by"], by_row["rows"], by_row["source_unmatched"]) == ("row", 240, 0)
    names = [f"n-{i}" for i in range(240)]
    order = numpy.random.default_rng(1).permutation(240)
    put(tmp_path / "s.jsonl", SOURCE, ids=names)
    put(tmp_path / "t.jsonl", TARGET[order], ids=[names[i] for i in order])
    got = vecna("fit", tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "id.vecna", *QUICK, "--json")
    assert got.fitted()["paired_by"] == "id" and got.err == ""
    put(tmp_path / "sx.jsonl", SOURCE, texts=names)
    put(tmp_path / "tx.jsonl", TARGET[order], texts=[names[i] for i in order])
    got = vecna("fit", tmp_path / "sx.jsonl", tmp_path / "tx.jsonl", "-o", tmp_path / "text.vecna", *QUICK, "--json")
    assert got.fitted()["paired_by"] == "text"
    wanted = tensors(tmp_path / "row.vecna")[0]["weight"]
    for name in ("id", "text"):
        assert numpy.allclose(tensors(tmp_path / f"{name}.vecna")[0]["weight"], wanted, atol=1e-5), name
    # by row although there are ids: that order is nonsense
    got = vecna("fit", tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "x.vecna", *QUICK, "--json",
                "--pair-by", "row", status=3)
    assert got.fitted()["paired_by"] == "row" and got.fitted()["verdict"] == "FAIL"


def test_unmatched_rows_are_counted_and_named(vecna, tmp_path):
    put(tmp_path / "s.jsonl", SOURCE, ids=[f"n-{i}" for i in range(240)])
    put(tmp_path / "t.jsonl", TARGET[5:], ids=[f"n-{i}" if i < 238 else f"other-{i}" for i in range(5, 240)])
    done = vecna("fit", tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "m.vecna", *QUICK, "--json")
    assert '7 of 240 rows' in done.err and '"n-0", "n-1", "n-2", ...' in done.err
    assert '2 of 235 rows' in done.err and '"other-238", "other-239"' in done.err
    report = done.fitted()
    assert (report["rows"], report["source_unmatched"], report["target_unmatched"]) == (233, 7, 2)


def test_ids_that_stand_twice_are_said_to(vecna, tmp_path):
    names = [f"n-{i}" for i in range(240)]
    put(tmp_path / "s.jsonl", SOURCE, ids=["n-1" if i in (7, 9) else name for i, name in enumerate(names)])
    put(tmp_path / "t.jsonl", TARGET, ids=["n-2" if i == 9 else name for i, name in enumerate(names)])
    err = vecna("fit", tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "m.vecna", *QUICK).err
    assert '2 of 240 rows' in err and 'twice, and its first row is the pair: "n-1", "n-1"' in err
    assert '1 of 240 rows' in err and 'twice, and its first row is the pair: "n-2"' in err
    assert 'have no partner: "n-7"' in err  # of the target; none of the source
    assert err.count("no partner") == 1


def test_where_the_map_goes_is_tried_before_the_fit(vecna, tmp_path):
    err = vecna("fit", tmp_path / "absent.npy", tmp_path / "absent.npy", "-o", tmp_path / "no" / "m.vecna", status=1).err
    assert "m.vecna" in err and "absent" not in err


def test_rows_that_are_no_pairs(vecna, tmp_path, pair):
    numpy.save(tmp_path / "short.npy", TARGET[:-1])
    err = vecna("fit", pair[0], tmp_path / "short.npy", "-o", tmp_path / "m.vecna", *QUICK, status=1).err
    assert "240" in err and "239" in err and not (tmp_path / "m.vecna").exists()
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--pair-by", "id", status=1).err
    assert "no ids" in err
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--pair-by", "text", status=1).err
    assert "no texts" in err
    put(tmp_path / "s.jsonl", SOURCE, ids=[f"a{i}" for i in range(240)])
    put(tmp_path / "t.jsonl", TARGET, ids=[f"b{i}" for i in range(240)])
    err = vecna("fit", tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "m.vecna", *QUICK, status=1).err
    assert "no id in common" in err and "--pair-by row" in err


def test_texts_beside_the_vectors_group_duplicates(vecna, tmp_path):
    """Every row four times over, a little moved, with one text: no copy may be fitted and reported."""
    source, target = (numpy.repeat(x[:60], 4, axis=0) for x in (SOURCE, TARGET))
    rng = numpy.random.default_rng(2)
    numpy.save(tmp_path / "s.npy", unit(source + 0.3 * rng.standard_normal(source.shape)))
    numpy.save(tmp_path / "t.npy", unit(target + 0.3 * rng.standard_normal(target.shape)))
    (tmp_path / "texts.jsonl").write_text("".join(
        json.dumps({"id": i, "text": f"Text  {i // 4}" if i % 2 else f"text {i // 4}"}) + "\n" for i in range(240)))
    files = tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--json", *QUICK
    assert vecna("fit", *files, status=None).fitted()["groups"] > 200
    assert vecna("fit", *files, "--texts", tmp_path / "texts.jsonl", status=None).fitted()["groups"] == 60
    alike = vecna("fit", *files, "--texts", tmp_path / "texts.jsonl", "--duplicate-cosine", 0.5, status=None).fitted()
    assert alike["groups"] < 60  # equal texts stay together all the same
    (tmp_path / "few.jsonl").write_text('{"id":1}\n')
    err = vecna("fit", *files, "--texts", tmp_path / "few.jsonl", status=1).err
    assert "few.jsonl" in err and "fewer lines" in err
    (tmp_path / "bad.jsonl").write_text('{"id":1}\n{"id":\n' * 120)
    assert "line 2" in vecna("fit", *files, "--texts", tmp_path / "bad.jsonl", status=1).err
    (tmp_path / "mixed.jsonl").write_text('{"id":1}\nplain\n' * 120)
    assert "line 2: not a JSON object" in vecna("fit", *files, "--texts", tmp_path / "mixed.jsonl", status=1).err


def test_near_duplicates_stay_together_whatever_their_texts(vecna, tmp_path):
    """Every row twice, hardly moved, with texts that differ by a comma: a twin among the fitted rows would be the answer."""
    rng = numpy.random.default_rng(2)
    once, others = SOURCE[:60], TARGET[:60]
    numpy.save(tmp_path / "s.npy", unit(numpy.repeat(once, 2, axis=0) + 0.01 * rng.standard_normal((120, 16))))
    numpy.save(tmp_path / "t.npy", unit(numpy.repeat(others, 2, axis=0) + 0.01 * rng.standard_normal((120, 10))))
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"id": i, "text": f"text {i // 2}{',' * (i % 2)}"}) + "\n" for i in range(120)))
    files = tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--json", *QUICK, "--texts", tmp_path / "texts.jsonl"
    assert vecna("fit", *files, status=None).fitted()["groups"] == 60
    assert vecna("fit", *files, "--duplicate-cosine", 1, status=None).fitted()["groups"] == 120


def test_texts_may_have_other_names_and_be_plain_with_a_brace(vecna, tmp_path):
    source, target = (numpy.repeat(x[:60], 4, axis=0) for x in (SOURCE, TARGET))
    rng = numpy.random.default_rng(2)
    numpy.save(tmp_path / "s.npy", unit(source + 0.3 * rng.standard_normal(source.shape)))
    numpy.save(tmp_path / "t.npy", unit(target + 0.3 * rng.standard_normal(target.shape)))
    files = tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--json", *QUICK
    (tmp_path / "named.jsonl").write_text("".join(json.dumps({"body": f"text {i // 4}"}) + "\n" for i in range(240)))
    named = vecna("fit", *files, "--texts", tmp_path / "named.jsonl", "--text-field", "body", status=None).fitted()
    assert named["groups"] == 60
    (tmp_path / "plain.txt").write_text("".join(f"{{text}} {i // 4}\n" for i in range(240)))
    assert vecna("fit", *files, "--texts", tmp_path / "plain.txt", status=None).fitted()["groups"] == 60


# ---- verdicts ----------------------------------------------------------------------------------------------

def glosses(rows):
    return numpy.load(GLOSSES / "pairs.minilm.384.npy")[:rows], numpy.load(GLOSSES / "pairs.mpnet.768.npy")[:rows]


def noise(rows, dims, seed):
    return numpy.random.default_rng(seed).standard_normal((rows, dims)).astype("f4")


def bad_pairs():
    minilm, mpnet = glosses(200)
    ada = numpy.load(DOCS / "pairs.ada-002.1536.npy")
    return {"shuffled": (minilm, mpnet[numpy.random.default_rng(0).permutation(200)]),
            "unrelated": (ada[:200], mpnet),
            "noise": (noise(200, 48, 1), noise(200, 32, 2)),
            "half noise": (minilm, unit(noise(200, 64, 2))),
            "20 pairs": (ada[:20], numpy.load(DOCS / "pairs.mpnet.768.npy")[:20])}


@pytest.mark.parametrize("kind", ["shuffled", "unrelated", "noise", "half noise", "20 pairs"])
@pytest.mark.parametrize("role", ["document", "query"])
def test_bad_pairs_fail_and_their_map_is_refused(vecna, tmp_path, kind, role):
    source, target = bad_pairs()[kind]
    numpy.save(tmp_path / "s.npy", source)
    numpy.save(tmp_path / "t.npy", target)
    path = tmp_path / "m.vecna"
    done = vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", path, "--resamples", 100, "--role", role,
                 "--method", "ridge", "--lambda", 1, status=3)
    assert "verdict: FAIL" in done.out
    assert tensors(path)[1]["verdict"] == "FAIL"
    assert "FAIL" in vecna("inspect", path).out
    err = vecna("translate", tmp_path / "s.npy", tmp_path / "o.npy", "--map", path, status=1).err
    assert "--force" in err and not (tmp_path / "o.npy").exists()


@pytest.mark.parametrize("kind", ["noise", "20 pairs"])
def test_choosing_a_method_does_not_rescue_bad_pairs(vecna, tmp_path, kind):
    source, target = bad_pairs()[kind]
    numpy.save(tmp_path / "s.npy", source)
    numpy.save(tmp_path / "t.npy", target)
    done = vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--resamples", 100, status=3)
    assert "verdict: FAIL" in done.out


def test_real_pairs_pass(vecna, tmp_path):
    for name, rows in zip("st", (numpy.load(DOCS / f"pairs.{n}.npy")[::5] for n in ("ada-002.1536", "mpnet.768"))):
        numpy.save(tmp_path / f"{name}.npy", rows)
    done = vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", *QUICK)
    assert "verdict: PASS" in done.out and "1536 -> 768" in done.out
    assert tensors(tmp_path / "m.vecna")[1]["verdict"] == "PASS"


def test_min_retention_decides(vecna, tmp_path, pair):
    for least, status in ((0.05, 0), (0.99999, 3)):
        done = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--min-retention", least, "--json", status=status)
        assert done.fitted()["min_retention"] == least
        assert (done.fitted()["verdict"] == "FAIL") == (status == 3)


# ---- judged queries ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Part of the glosses corpus as pairs, and the queries whose answers are in it."""
    folder = tmp_path_factory.mktemp("judged")
    keep = 260
    queries = [json.loads(line) for line in (GLOSSES / "queries.jsonl").open()]
    chosen = [i for i, q in enumerate(queries) if all(r < keep for r in q["relevant"])]
    assert len(chosen) > 40
    for model in ("minilm.384", "mpnet.768"):
        numpy.save(folder / f"c.{model}.npy", numpy.load(GLOSSES / f"corpus.{model}.npy")[:keep])
        numpy.save(folder / f"q.{model}.npy", numpy.load(GLOSSES / f"queries.{model}.npy")[chosen])
    (folder / "c.jsonl").write_text("".join((GLOSSES / "corpus.jsonl").open().readlines()[:keep]))
    (folder / "q.jsonl").write_text("".join(json.dumps(queries[i]) + "\n" for i in chosen))
    (folder / "ids.jsonl").write_text("".join(
        json.dumps({k: v for k, v in queries[i].items() if k != "relevant"}) + "\n" for i in chosen))
    return folder, len(chosen)


def fit_judged(folder, out, *options, status=0):
    return run("fit", folder / "c.minilm.384.npy", folder / "c.mpnet.768.npy", "-o", out, "--texts", folder / "c.jsonl",
               "--queries-source", folder / "q.minilm.384.npy", "--queries-target", folder / "q.mpnet.768.npy", *QUICK,
               "--json", *options, status=status)


def test_judgements_by_field_and_by_qrels_are_the_same(tmp_path, judged):
    folder, count = judged
    by_field = fit_judged(folder, tmp_path / "a.vecna", "--queries-texts", folder / "q.jsonl", status=None)
    by_qrels = fit_judged(folder, tmp_path / "a.vecna", "--queries-texts", folder / "ids.jsonl", "--qrels",
                          GLOSSES / "qrels.tsv", status=None)
    assert "qrels.tsv" in by_qrels.err  # judgements of queries that are not here are counted
    one, other = by_field.fitted(), by_qrels.fitted()
    assert one["truth"]["ground_truth"] == "judged queries" and one["truth"]["queries"] == count
    assert one == other
    assert one["rows_judged"] >= 40 and one["rows_fit"] == 260 - one["rows_judged"]
    assert one["neighbours"]["ground_truth"].startswith("native neighbours")
    assert one["min_retention"] == 0.6


def test_judged_queries_need_no_remark(tmp_path, judged):
    folder, _ = judged
    text = run("fit", folder / "c.minilm.384.npy", folder / "c.mpnet.768.npy", "-o", tmp_path / "a.vecna",
               "--queries-source", folder / "q.minilm.384.npy", "--queries-target", folder / "q.mpnet.768.npy",
               "--queries-texts", folder / "q.jsonl", *QUICK, status=None).out
    assert "needs judged queries" not in text
    by_people, by_neighbours = text.split("Ground truth: ")[1:]
    for part, shown in ((by_people, True), (by_neighbours, False)):
        (line,) = [line for line in part.splitlines() if line.startswith("  target model itself")]
        assert (line.split("itself")[1].split()[0] != "-") == shown


def test_judged_rows_are_not_in_the_map(tmp_path, judged):
    folder, _ = judged
    fit_judged(folder, tmp_path / "a.vecna", "--queries-texts", folder / "q.jsonl", status=None)
    without, about = tensors(tmp_path / "a.vecna")
    run("fit", folder / "c.minilm.384.npy", folder / "c.mpnet.768.npy", "-o", tmp_path / "b.vecna", *QUICK, status=None)
    assert about["rows_fit"] != tensors(tmp_path / "b.vecna")[1]["rows_fit"] == "260"
    assert not numpy.allclose(without["weight"], tensors(tmp_path / "b.vecna")[0]["weight"], atol=1e-4)


def test_queries_without_judgements_are_a_sample(tmp_path, judged):
    folder, count = judged
    report = fit_judged(folder, tmp_path / "a.vecna", "--queries-texts", folder / "ids.jsonl", status=None).fitted()
    assert report["truth"]["ground_truth"] != "judged queries" and report["rows_judged"] == 0
    assert 0 < report["truth"]["queries"] <= count


def test_mistakes_in_judging(vecna, tmp_path, judged):
    folder, count = judged
    files = folder / "c.minilm.384.npy", folder / "c.mpnet.768.npy", "-o", tmp_path / "m.vecna", *QUICK
    source = "--queries-source", folder / "q.minilm.384.npy"
    assert "go together" in vecna("fit", *files, *source, status=2).err
    assert "--queries-source" in vecna("fit", *files, "--qrels", GLOSSES / "qrels.tsv", status=2).err
    err = vecna("fit", *files, *source, "--queries-target", GLOSSES / "queries.mpnet.768.npy", status=1).err
    assert str(count) in err and "200" in err
    err = vecna("fit", *files, *source, "--queries-target", folder / "q.minilm.384.npy", status=1).err
    assert "384" in err and "768" in err
    err = vecna("fit", *files, *source, "--queries-target", folder / "q.mpnet.768.npy", "--qrels",
                GLOSSES / "qrels.tsv", status=1).err
    assert "id" in err  # nothing has ids
    (tmp_path / "q.jsonl").write_text('{"id":"x","relevant":[99999]}\n' * count)
    err = vecna("fit", *files, *source, "--queries-target", folder / "q.mpnet.768.npy", "--queries-texts",
                tmp_path / "q.jsonl", status=1).err
    assert "99999" in err
    assert not (tmp_path / "m.vecna").exists()


# ---- the report --------------------------------------------------------------------------------------------

def test_json_has_what_the_report_prints(vecna, tmp_path, pair):
    common = "fit", *pair, "-o", tmp_path / "m.vecna", "--resamples", 60, "--source-name", "old", "--seed", 4
    text, report = vecna(*common).out, vecna(*common, "--json").fitted()
    assert f"verdict: {report['verdict']}  {report['reason']}" in text
    assert report["map"] == str(tmp_path / "m.vecna") and report["map"] in text
    assert f"{report['source_dim']} -> {report['target_dim']} dimensions, role {report['role']}" in text
    for key in ("rows", "groups", "rows_fit", "rows_report", "rows_select", "folds_select"):
        assert str(report[key]) in text, key
    (chosen,) = [c for c in report["candidates"] if c["chosen"]]
    assert chosen["recipe"] == report["recipe"] and f"{report['recipe']}  " in text
    assert {c["method"] for c in report["candidates"]} >= {"procrustes", "ridge", "blend", "family", "reduced-rank"}
    truth = report["truth"]
    assert truth["ground_truth"] in text
    assert "looks for its own native row (recall, MRR)" in text
    assert "needs judged queries (--queries-source, --queries-target)" in text and report["verdict"] == "PASS"
    for who in ("target model itself", "keep the old model"):  # both would find the row that asks
        (line,) = [line for line in text.splitlines() if line.startswith(f"  {who}")]
        assert line.split(who)[1].split()[:3] == ["-", "-", "-"] and "[" in line
    for who in ("translated", "native"):
        for figure in ("recall@1", "recall@10", "mrr@10", "ndcg@10", "overlap@10")[0 if who == "translated" else 3:]:
            value, low, high = truth[who][figure]
            assert low <= value <= high
            assert f"{value:.3f} [{low:.3f}, {high:.3f}]" in text, (who, figure)
    for control in truth["controls"]:
        assert control["name"] in text and ("NOT beaten" in text) == any(not c["cleared"] for c in truth["controls"])
    assert f"{report['cosine'][0]:.3f}" in text and f"{report['cosine_mean_vector']:.3f}" in text
    with safe_open(tmp_path / "m.vecna", "numpy") as file:
        kept = json.loads(file.metadata()["report"])
    assert kept == report["report"] == vecna("inspect", tmp_path / "m.vecna", "--json").json()["report"]


def test_a_map_does_not_go_where_the_report_goes(vecna, pair):
    done = vecna("fit", *pair, "-o", "-", *QUICK, status=2)
    assert done.out == "" and "standard output" in done.err


# ---- options -----------------------------------------------------------------------------------------------

def weights(vecna, pair, out, *options, status=0):
    report = vecna("fit", *pair, "-o", out, "--resamples", 60, "--json", *options, status=status).fitted()
    return tensors(out)[0]["weight"], report


@pytest.mark.parametrize("method", ["procrustes", "procrustes-ls", "procrustes-radius", "procrustes-diagonal", "ridge",
                                    "reduced-rank", "blend", "family", "blend-plain"])
def test_every_method_maps_well_what_is_linear(vecna, tmp_path, pair, method):
    weight, report = weights(vecna, pair, tmp_path / "m.vecna", "--method", method, status=None)
    assert report["method"] == method and weight.shape == (16, 10)
    assert report["truth"]["retention"][0] > (0.3 if method.startswith("procrustes") else 0.7)


def test_no_cosine_is_above_one(vecna, tmp_path, examples):
    rows = numpy.load(examples / "glosses" / "pairs.minilm.384.npy")[:400]  # into itself: the delivered map is exact
    numpy.save(tmp_path / "rows.npy", rows)
    vecna("fit", tmp_path / "rows.npy", tmp_path / "rows.npy", "-o", tmp_path / "m.vecna", "--method", "procrustes", "--resamples", 60)
    held = vecna("inspect", tmp_path / "m.vecna", "--json").json()["held"]
    assert 0.99 < held["cosine"] <= 1


def test_a_rank_above_the_dimensions(vecna, tmp_path, pair):
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", "--method", "reduced-rank", "--rank", 11, status=1).err
    assert "--rank 11: between 16 and 10 dimensions there are at most 10" in err


def test_numbers_of_the_methods_have_an_effect(vecna, tmp_path, pair):
    for one, other in ((("ridge", "--lambda", 0.01), ("ridge", "--lambda", 50)),
                       (("blend", "--lambda", 0.1, "--share", 0.1), ("blend", "--lambda", 0.1, "--share", 0.9)),
                       (("family", "--lambda", 0.1, "--exponent", 0.1), ("family", "--lambda", 0.1, "--exponent", 0.9)),
                       (("reduced-rank", "--lambda", 0.1, "--rank", 2), ("reduced-rank", "--lambda", 0.1, "--rank", 9))):
        first = weights(vecna, pair, tmp_path / "m.vecna", "--method", *one, status=None)
        second = weights(vecna, pair, tmp_path / "m.vecna", "--method", *other, status=None)
        assert not numpy.allclose(first[0], second[0], atol=1e-3), one
        for given, report in ((one, first[1]), (other, second[1])):
            for option, value in zip(given[1::2], given[2::2]):
                assert report[option[2:]] == value
    assert numpy.linalg.matrix_rank(weights(vecna, pair, tmp_path / "m.vecna", "--method", "reduced-rank", "--lambda",
                                            0.1, "--rank", 2, status=None)[0], tol=1e-4) == 2


def test_ridge_agrees_with_numpy(vecna, tmp_path, pair):
    weight, _ = weights(vecna, pair, tmp_path / "m.vecna", "--method", "ridge", "--lambda", 0.5)
    x, y = (m.astype("f8") - m.mean(0, dtype="f8") for m in (SOURCE, TARGET))
    gram = x.T @ x
    wanted = numpy.linalg.solve(gram + 0.5 * numpy.trace(gram) / 16 * numpy.eye(16), x.T @ y)
    assert numpy.allclose(weight, wanted, atol=1e-5)


@pytest.mark.parametrize("method", [("procrustes",), ("ridge", "--lambda", 0.5), ("blend-plain", "--lambda", 0.5, "--share", 0.7)])
def test_a_share_of_the_means(vecna, tmp_path, pair, method):
    """Weights stay those about the whole means; of the bias only the share is left."""
    whole, _ = weights(vecna, pair, tmp_path / "w.vecna", "--method", *method)
    half, report = weights(vecna, pair, tmp_path / "h.vecna", "--method", *method, "--means", 0.5, status=None)
    assert report["recipe"].endswith(" means=0.5") and report["means"] == 0.5
    assert numpy.array_equal(whole, half)
    wanted = 0.5 * (TARGET.mean(0, dtype="f8") - SOURCE.mean(0, dtype="f8") @ whole)
    tensor, about = tensors(tmp_path / "h.vecna")
    assert numpy.allclose(tensor["bias"], wanted, atol=2e-6) and float(about["means"]) == 0.5
    assert "means" not in tensors(tmp_path / "w.vecna")[1]
    moved = unit(SOURCE @ whole + wanted)
    vecna("translate", pair[0], tmp_path / "o.npy", "--map", tmp_path / "h.vecna", "--force")
    assert numpy.allclose(numpy.load(tmp_path / "o.npy"), moved, atol=1e-5)


def test_unseen_queries_are_turned_about_a_share_of_the_means(vecna, tmp_path, pair):
    """Without a sample of queries regression is no candidate: held-out rows would take it where queries must not."""
    for name, rows in zip("xy", glosses(500)):
        numpy.save(tmp_path / f"{name}.npy", rows)
    report = vecna("fit", tmp_path / "x.npy", tmp_path / "y.npy", "-o", tmp_path / "m.vecna", "--role", "query",
                   "--resamples", 60, "--no-confidence", "--json", status=None).fitted()
    assert report["method"] in ("procrustes", "blend-plain") and report["means"] == 0.5
    tried = {one["recipe"]: one for one in report["candidates"]}
    assert {"procrustes", "procrustes means=0.75", "procrustes means=0.5", "procrustes means=0.25"} <= set(tried)
    assert sum(name.startswith("blend-plain") for name in tried) == 3 and any(name.startswith("ridge") for name in tried)
    # one space that is a narrow cone: its mean is most of every row, and held-out rows say so
    rng = numpy.random.default_rng(5)
    x, y = (m + (numpy.eye(1, m.shape[1], 0) * much + rng.standard_normal(m.shape) * 0.15).astype("f4")
            for m, much in ((SOURCE, 0.1), (SOURCE[:, ::-1], 3)))
    numpy.save(tmp_path / "x.npy", unit(x))
    numpy.save(tmp_path / "y.npy", unit(y))
    report = vecna("fit", tmp_path / "x.npy", tmp_path / "y.npy", "-o", tmp_path / "m.vecna", "--role", "query",
                   "--resamples", 60, "--no-confidence", "--json", status=None).fitted()
    tried = {one["recipe"]: one["score"] for one in report["candidates"]}
    assert report["means"] == 0 and tried["procrustes"] > tried["procrustes means=0.5"] + 0.01


def kinds(rows=400, dims=(24, 16), seed=7, count=5):
    """Unit rows of five kinds far apart, in two spaces; and the kind of each."""
    rng = numpy.random.default_rng(seed)
    kind = numpy.sort(rng.permutation(rows) % count)
    x = 2 * numpy.eye(count, dims[0])[kind] + 0.4 * rng.standard_normal((rows, dims[0]))
    y = x @ rng.standard_normal(dims) / 4 + 0.25 * rng.standard_normal((rows, dims[1])) + 0.3
    order = rng.permutation(rows)
    return unit(x)[order], unit(y)[order], kind[order]


def scored_by_kinds(x, y, kind, means):
    """What the header of choose_compare.c says, in float64: each kind in turn is turned by a rotation that did not see it, and asks
    all native rows; half nDCG over its native neighbours (a fiftieth of the rows), half the reciprocal rank of its own."""
    x, y = x.astype("f8"), y.astype("f8")
    moved = numpy.empty_like(y)
    for k in numpy.unique(kind):
        seen = kind != k
        ms, mt = x[seen].mean(0), y[seen].mean(0)
        u, _, vt = numpy.linalg.svd((x[seen] - ms).T @ (y[seen] - mt), full_matrices=False)
        moved[~seen] = (x[~seen] - means * ms) @ u @ vt + means * mt
    depth, total = len(x) // 50, 0
    gain = 1 / numpy.log2(numpy.arange(depth) + 2)
    for i, row in enumerate(moved / numpy.linalg.norm(moved, axis=1, keepdims=True)):
        got = numpy.argsort(-(y @ row), kind="stable")
        wanted = [j for j in numpy.argsort(-(y @ y[i]), kind="stable") if j != i][:depth]
        place = int(numpy.nonzero(got == i)[0][0])
        found = numpy.isin([j for j in got[:11] if j != i][:depth], wanted)
        total += ((gain * found).sum() / gain.sum() + (1 / (place + 1) if place < 10 else 0)) / 2
    return total / len(x)


def test_what_unseen_queries_are_chosen_by(vecna, tmp_path):
    """Kinds of rows held out whole, against a float64 twin; the order of the rows changes nothing."""
    x, y, kind = kinds()
    order = numpy.random.default_rng(2).permutation(len(x))
    got = []
    for rows in (slice(None), order):
        numpy.save(tmp_path / "x.npy", x[rows])
        numpy.save(tmp_path / "y.npy", y[rows])
        report = vecna("fit", tmp_path / "x.npy", tmp_path / "y.npy", "-o", tmp_path / "m.vecna", "--role", "query", "--resamples", 60,
                       "--no-confidence", "--json", status=None).fitted()
        got.append({one["recipe"]: one["score"] for one in report["candidates"]})
    assert got[0] == pytest.approx(got[1], abs=1e-6)
    for means in (1, 0.75, 0.5, 0.25):
        name = "procrustes" if means == 1 else f"procrustes means={means}"
        assert got[0][name] == pytest.approx(scored_by_kinds(x, y, kind, means), abs=2e-4), name
    drawn = scored_by_kinds(x, y, numpy.random.default_rng(1).permutation(kind), 1)
    assert abs(drawn - got[0]["procrustes"]) > 0.02  # rows drawn at random would have said something else


def test_where_regression_misses_nothing_queries_may_have_it(vecna, tmp_path, pair):
    report = vecna("fit", *pair, "-o", tmp_path / "m.vecna", "--role", "query", "--resamples", 60, "--no-confidence",
                   "--json", status=None).fitted()
    tried = {one["recipe"]: one["score"] for one in report["candidates"]}
    assert report["method"] == "ridge" and tried[report["recipe"]] > tried["procrustes"] + 0.05


def ndcg10(corpus, queries, relevant):
    """nDCG@10 of each query, binary judgements."""
    gains = []
    for row, wanted in zip(unit(queries) @ unit(corpus).T, relevant):
        places = numpy.array([(row > row[w]).sum() + 1 for w in wanted])
        ideal = (1 / numpy.log2(1 + numpy.arange(1, min(len(wanted), 10) + 1))).sum()
        gains.append((1 / numpy.log2(1 + places[places <= 10])).sum() / ideal)
    return numpy.array(gains)


@pytest.mark.parametrize("kind", ["passages", "verses"])
def test_a_memory_of_glosses_does_no_harm_elsewhere(vecna, tmp_path, examples, request, kind):
    """Fitted on definitions; paragraphs and Bible verses lose no more by the memory than the interval of the difference."""
    glosses_pairs = GLOSSES / "pairs.minilm.384.npy", GLOSSES / "pairs.mpnet.768.npy"
    if kind == "passages":
        folder, before, small, large = examples / "passages", "", "minilm.384", "mpnet.768"
    else:
        folder, before = request.getfixturevalue("shared") / "models", "verses-"
        small, large = "all-MiniLM-L6-v2.384", "all-mpnet-base-v2.768"
    relevant = [json.loads(line)["relevant"] for line in (folder / f"{before}queries.jsonl").open()][:600]
    asked = numpy.load(folder / f"{before}queries.{large}.npy").astype("f4")[:600]
    scores = []
    for name, options in (("blend", ()), ("memory", ("--neighbours", 24, "--temperature", 0.1, "--correction", 1))):
        vecna("fit", *glosses_pairs, "-o", tmp_path / "m.vecna", "--method", name, "--share", 0.6, "--lambda", 0.3, "--resamples", 60,
              "--no-confidence", *options, status=None)
        vecna("translate", folder / f"{before}corpus.{small}.npy", tmp_path / f"{name}.npy", "--map", tmp_path / "m.vecna", "--force")
        scores.append(ndcg10(numpy.load(tmp_path / f"{name}.npy"), asked, relevant))
    assert not numpy.array_equal(*scores)  # the memory does speak
    gain = scores[1] - scores[0]
    assert gain.mean() > -1.96 * gain.std() / len(gain) ** 0.5, gain.mean()


def test_role_names_seed_and_length(vecna, tmp_path, pair):
    _, document = weights(vecna, pair, tmp_path / "d.vecna", "--method", "ridge", "--role", "document")
    _, query = weights(vecna, pair, tmp_path / "q.vecna", "--method", "ridge", "--role", "query", "--source-name", "a/b",
                       "--target-name", "ü", "--keep-length", status=None)
    assert (document["role"], query["role"]) == ("document", "query")
    assert document["truth"]["translated"] != query["truth"]["translated"]
    about = tensors(tmp_path / "q.vecna")[1]
    assert (about["source_name"], about["target_name"], about["role"]) == ("a/b", "ü", "query")
    assert (about["normalized"], tensors(tmp_path / "d.vecna")[1]["normalized"]) == ("0", "1")


def test_the_same_seed_gives_the_same_map_and_report(vecna, tmp_path, pair):
    common = "fit", *pair, "-o", tmp_path / "m.vecna", "--resamples", 60, "--json"
    first = vecna(*common, "--seed", 5).out, (tmp_path / "m.vecna").read_bytes()
    assert first == (vecna(*common, "--seed", 5).out, (tmp_path / "m.vecna").read_bytes())
    assert first[0] != vecna(*common, "--seed", 6).out
    one = vecna(*common, "--seed", 5, "--threads", 1).fitted()
    assert one["recipe"] == json.loads(first[0])["report"]["recipe"]


def test_resamples_change_the_intervals_only(vecna, tmp_path, pair):
    few, many = (vecna("fit", *pair, "-o", tmp_path / "m.vecna", "--method", "procrustes", "--resamples", n, "--json",
                       status=None).fitted()["truth"]["retention"] for n in (20, 400))
    assert few[0] == many[0] and few[1:] != many[1:]


@pytest.mark.parametrize("arguments", [
    ("--method", "procrustes", "--lambda", 1), ("--method", "procrustes", "--rank", 3), ("--share", 0.5), ("--means", 0.5),
    ("--method", "ridge", "--means", 0), ("--method", "ridge", "--means", 1.5), ("--method", "memory", "--means", 0.5),
    ("--method", "ridge", "--share", 0.5), ("--method", "ridge", "--exponent", 0.5), ("--method", "ridge", "--lambda", 0),
    ("--method", "ridge", "--lambda", -1), ("--method", "blend", "--share", 1.5), ("--method", "family", "--exponent", 2),
    ("--min-retention", 0), ("--min-retention", 1.5), ("--duplicate-cosine", 2), ("--lambda", "nan"),
    ("--method", "magic"), ("--role", "both"), ("--pair-by", "name"), ("--resamples", 0), ("--seed", -1),
])
def test_numbers_that_mean_nothing_are_mistakes(vecna, tmp_path, pair, arguments):
    assert "usage:" in vecna("fit", *pair, "-o", tmp_path / "m.vecna", *arguments, status=2).err


def test_out_is_required_and_must_be_writable(vecna, tmp_path, pair):
    assert "-o MAP" in vecna("fit", *pair, status=2).err
    err = vecna("fit", *pair, "-o", tmp_path / "no" / "m.vecna", *QUICK, status=1).err
    assert "No such file" in err


def test_formats_and_reading_options(vecna, tmp_path, pair):
    (tmp_path / "s.raw").write_bytes(SOURCE.tobytes())
    put(tmp_path / "t.jsonl", TARGET)
    (tmp_path / "t.jsonl").write_text((tmp_path / "t.jsonl").read_text().replace("embedding", "other"))
    assert "--vector-field" in vecna("fit", pair[0], tmp_path / "t.jsonl", "-o", tmp_path / "m.vecna", status=1).err
    vecna("fit", pair[0], tmp_path / "t.jsonl", "-o", tmp_path / "a.vecna", "--vector-field", "other", *QUICK)
    vecna("fit", *pair, "-o", tmp_path / "b.vecna", *QUICK)
    assert (tensors(tmp_path / "a.vecna")[0]["weight"] == tensors(tmp_path / "b.vecna")[0]["weight"]).all()


# ---- hostile inputs ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("spoil, words", [
    (lambda s: s.__setitem__((7, 3), numpy.nan), "row 7"), (lambda s: s.__setitem__((9, 0), numpy.inf), "row 9"),
    (lambda s: s.__setitem__(11, 0), "row 11"),
])
@pytest.mark.parametrize("side", ["s", "t"])
def test_rows_that_cannot_be_fitted_are_named(vecna, tmp_path, pair, spoil, words, side):
    rows = numpy.array(SOURCE if side == "s" else TARGET)
    spoil(rows)
    numpy.save(tmp_path / f"{side}.npy", rows)
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, status=1).err
    assert words in err and not (tmp_path / "m.vecna").exists()


def test_bad_pairs_may_be_left_out_on_both_sides(vecna, tmp_path, pair):
    source, target, kept = numpy.array(SOURCE), numpy.array(TARGET), numpy.ones(240, bool)
    source[7, 3], target[9, 0], source[11], target[7, 1] = numpy.nan, numpy.inf, 0, numpy.inf
    kept[[7, 9, 11]] = False
    numpy.save(tmp_path / "whole-s.npy", SOURCE[kept])
    numpy.save(tmp_path / "whole-t.npy", TARGET[kept])
    vecna("fit", tmp_path / "whole-s.npy", tmp_path / "whole-t.npy", "-o", tmp_path / "whole.vecna", *QUICK)
    numpy.save(tmp_path / "s.npy", source)
    numpy.save(tmp_path / "t.npy", target)
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, status=1).err
    assert "s.npy: row 7 holds NaN" in err and "--bad-rows skip" in err
    done = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--bad-rows", "skip", "--json")
    assert "3 of 240 pairs" in done.err and "the first is row 7" in done.err
    assert (done.fitted()["rows"], done.fitted()["pairs_left_out"], done.fitted()["source_unmatched"]) == (237, 3, 0)
    assert (tmp_path / "m.vecna").read_bytes() == (tmp_path / "whole.vecna").read_bytes()
    # texts stay beside their rows: these make groups of three of the rows that are left, and would of no others
    texts = numpy.empty(240, int)
    texts[kept], texts[~kept] = numpy.arange(237) // 3, 500
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"id": i, "text": f"t{t}"}) + "\n" for i, t in enumerate(texts)))
    got = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--bad-rows", "skip", "--json", "--texts", tmp_path / "texts.jsonl")
    assert got.fitted()["groups"] == 79
    # by id: the row is called as its file calls it, and what speaks of rows by number is refused
    order = numpy.random.default_rng(1).permutation(240)
    put(tmp_path / "s.jsonl", source, ids=[f"n-{i}" for i in range(240)])
    put(tmp_path / "t.jsonl", target[order], ids=[f"n-{i}" for i in order])
    lines = (tmp_path / "s.jsonl").read_text().replace("NaN", "1e39"), (tmp_path / "t.jsonl").read_text().replace("Infinity", "1e39")
    for name, text in zip(("s", "t"), lines):
        (tmp_path / f"{name}.jsonl").write_text(text)
    by_id = tmp_path / "s.jsonl", tmp_path / "t.jsonl", "-o", tmp_path / "m.vecna", *QUICK, "--json"
    assert 'the row of id "n-7"' in vecna("fit", *by_id, status=1).err
    done = vecna("fit", *by_id, "--bad-rows", "skip")
    assert done.fitted()["pairs_left_out"] == 3 and 'the first is the row of id "n-7"' in done.err
    numpy.save(tmp_path / "q.npy", SOURCE[:9])
    numpy.save(tmp_path / "r.npy", TARGET[:9])
    (tmp_path / "q.jsonl").write_text("".join(json.dumps({"id": i, "relevant": [i]}) + "\n" for i in range(9)))
    queries = "--queries-source", tmp_path / "q.npy", "--queries-target", tmp_path / "r.npy", "--queries-texts", tmp_path / "q.jsonl"
    err = vecna("fit", *pair, "-o", tmp_path / "m.vecna", *QUICK, "--bad-rows", "skip", *queries, status=1).err
    assert "3 rows" in err and "left out" in err and "--qrels" in err
    numpy.save(tmp_path / "t.npy", 0 * TARGET)
    assert "nothing is left" in vecna("fit", *pair, "-o", tmp_path / "m.vecna", "--bad-rows", "skip", status=1).err
    assert "--bad-rows" in vecna("fit", *pair, "-o", tmp_path / "m.vecna", "--unpaired", "--bad-rows", "skip", status=2).err


def test_odd_shapes(vecna, tmp_path):
    def attempt(source, target, status):
        numpy.save(tmp_path / "s.npy", source)
        numpy.save(tmp_path / "t.npy", target)
        return vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--resamples", 60,
                     status=status)
    assert "8" in attempt(SOURCE[:1], TARGET[:1], 1).err  # too few to learn anything
    assert "8" in attempt(SOURCE[:7], TARGET[:7], 1).err
    assert "FAIL" in attempt(SOURCE[:8], TARGET[:8], 3).out
    assert attempt(numpy.tile(SOURCE[:1], (50, 1)), TARGET[:50], 1).err  # all rows the same
    attempt(SOURCE[:, :1], TARGET[:, :1], 3)  # one dimension
    attempt(SOURCE[:, :1], TARGET, None)
    attempt(SOURCE, TARGET[:, :1], None)
    assert "holds no vectors" in attempt(SOURCE[:0], TARGET[:0], 1).err


def test_huge_and_tiny_values(vecna, tmp_path):
    for scale in (1e30, 1e-30, 1e37):
        numpy.save(tmp_path / "s.npy", SOURCE * numpy.float32(scale))
        numpy.save(tmp_path / "t.npy", TARGET)
        vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", "--method", "ridge",
              "--resamples", 60)
        vecna("translate", tmp_path / "s.npy", tmp_path / "o.npy", "--map", tmp_path / "m.vecna")
        got = numpy.load(tmp_path / "o.npy")
        assert numpy.allclose(numpy.linalg.norm(got, axis=1), 1, atol=1e-5) and (got * TARGET).sum(1).mean() > 0.8
