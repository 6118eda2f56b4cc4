"""vecna reduce end to end: four ways to fewer dimensions, their costs, the maps down and back, and mistakes."""

import json
import os

import numpy
import pytest
from safetensors import safe_open

METHODS = "pca", "cut", "random", "learned"
RNG = numpy.random.default_rng(23)
FULL, KEPT = 24, 10


def unit(rows):
    lengths = numpy.linalg.norm(rows.astype("f8"), axis=1, keepdims=True)
    return numpy.divide(rows, lengths, out=numpy.zeros(rows.shape), where=lengths > 0).astype("f4")


def make(rows, seed):
    """Rows near a space of 8 dimensions, turned by the same rotation whatever the seed."""
    rng, basis = numpy.random.default_rng(seed), numpy.random.default_rng(0).standard_normal((8, FULL))
    return unit(rng.standard_normal((rows, 8)) @ basis + 0.05 * rng.standard_normal((rows, FULL)))


ROWS = make(300, 1)


@pytest.fixture
def corpus(tmp_path):
    numpy.save(tmp_path / "in.npy", ROWS)
    return tmp_path / "in.npy"


def weight(path):
    with safe_open(path, "numpy") as file:
        return file.get_tensor("weight").astype("f8")


@pytest.mark.parametrize("method", METHODS)
def test_reduced_and_restored(vecna, tmp_path, corpus, method):
    down, up, out = tmp_path / "down.vecna", tmp_path / "up.vecna", tmp_path / "out.npy"
    report = vecna("reduce", corpus, out, "--dim", KEPT, "--method", method, "--save-map", down, "--restore-map", up,
                   "--json").json()
    assert (report["source_dim"], report["target_dim"], report["method"]) == (FULL, KEPT, method)
    reduced = numpy.load(out)
    assert reduced.shape == (300, KEPT)
    assert numpy.abs(reduced - unit(ROWS @ weight(down))).max() < 1e-5
    new = make(40, 9)  # rows that nothing was learned from, there and back
    numpy.save(tmp_path / "new.npy", new)
    vecna("translate", tmp_path / "new.npy", tmp_path / "small.npy", "--map", down)
    vecna("translate", tmp_path / "small.npy", tmp_path / "back.npy", "--map", up)
    cosine = (numpy.load(tmp_path / "back.npy") * new).sum(1).mean()
    assert cosine > {"pca": 0.98, "learned": 0.9, "cut": 0.5, "random": 0.5}[method]
    value, low, high = report[method]["cosine_restored"]
    assert low <= value <= high and abs(value - cosine) < 0.05


def test_without_a_report_all_rows_are_learned_from(vecna, tmp_path, corpus):
    """The directions are NumPy's of all rows, up to their signs; nothing is measured, and one row is enough."""
    done = vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "--no-report", "--save-map", tmp_path / "m.vecna")
    assert "neighbours" not in done.out and "300 rows, 24 -> 10" in done.out
    values, vectors = numpy.linalg.eigh(ROWS.astype("f8").T @ ROWS)
    kept = vectors[:, ::-1][:, :KEPT]
    agree = numpy.abs((weight(tmp_path / "m.vecna") * kept).sum(0))
    assert agree[:8].min() > 1 - 1e-6  # the two behind them are noise of one variance
    assert numpy.abs(numpy.load(tmp_path / "out.npy") - unit(ROWS @ weight(tmp_path / "m.vecna"))).max() < 1e-5
    numpy.save(tmp_path / "one.npy", ROWS[:1])
    vecna("reduce", tmp_path / "one.npy", tmp_path / "small.npy", "--dim", 3, "--no-report")
    assert "--no-report" in vecna("reduce", tmp_path / "one.npy", tmp_path / "small.npy", "--dim", 3, status=1).err
    numpy.save(tmp_path / "zero.npy", numpy.zeros((9, FULL), "f4"))
    assert "no row" in vecna("reduce", tmp_path / "zero.npy", tmp_path / "never.npy", "--dim", 3, "--no-report", status=1).err
    assert not (tmp_path / "never.npy").exists()
    for option in (("--json",), ("--test", corpus), ("--restore-map", tmp_path / "up.vecna")):
        assert "--no-report" in vecna("reduce", corpus, tmp_path / "o.npy", "--dim", 3, "--no-report", *option, status=2).err
    assert "--no-report" in vecna("reduce", corpus, "--dims", "9,5", "--no-report", status=2).err


def test_pca_agrees_with_numpy(vecna, tmp_path, corpus):
    numpy.save(tmp_path / "test.npy", make(30, 4))  # with it every row of the file is learned from
    vecna("reduce", corpus, tmp_path / "out.npy", "--dim", 5, "--test", tmp_path / "test.npy")
    _, _, directions = numpy.linalg.svd(ROWS.astype("f8"), full_matrices=False)
    wanted = unit(ROWS @ directions[:5].T)
    got = numpy.load(tmp_path / "out.npy")
    assert numpy.abs(got * numpy.sign((got * wanted).sum(0)) - wanted).max() < 1e-4


def test_cut_keeps_the_first(vecna, tmp_path, corpus):
    vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "--method", "cut")
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), unit(ROWS[:, :KEPT]), atol=1e-6)


def test_random_is_orthonormal_and_seeded(vecna, tmp_path, corpus):
    found = {}
    for seed in (0, 1, 0):
        vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "--method", "random", "--seed", seed, "--save-map",
              tmp_path / "m.vecna")
        matrix = weight(tmp_path / "m.vecna")
        assert numpy.allclose(matrix.T @ matrix, numpy.eye(KEPT), atol=1e-5)
        assert seed not in found or (found[seed] == matrix).all()
        found[seed] = matrix
    assert not numpy.allclose(found[0], found[1])


def test_the_table_and_json_say_the_same(vecna, tmp_path, corpus):
    common = "reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "-k", 5, "--seed", 2
    text, report = vecna(*common).out, vecna(*common, "--json").json()
    assert "24 -> 10 dimensions" in text and "the 5 nearest" in text
    for method in METHODS:
        for key in ("neighbours_reduced", "neighbours_restored", "cosine_restored"):
            value, low, high = report[method][key]
            assert low <= value <= high and f"{value:.3f} [{low:.3f}, {high:.3f}]" in text, (method, key)
    assert report["pca"]["neighbours_reduced"][0] > report["cut"]["neighbours_reduced"][0]
    assert report["rows_learned"] + report["rows_asking"] == 300
    assert report["rows_asked"] == report["rows_learned"] // 2
    again = vecna(*common, "--json").json()
    assert again == report


def test_sample_k_and_test_have_an_effect(vecna, tmp_path, corpus):
    def report(*options):
        return vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "--json", *options).json()
    assert report("--sample", 100)["rows_learned"] == 80
    assert report("-k", 3)["cut"] != report("-k", 30)["cut"]
    numpy.save(tmp_path / "test.npy", make(33, 5))
    assert report("--test", tmp_path / "test.npy")["rows_asking"] == 33
    assert numpy.load(tmp_path / "out.npy").shape == (300, KEPT)  # all rows, however few were learned from


def test_fields_pass_through_and_formats_change(vecna, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"id": f"r{i}", "embedding": row.tolist(), "m": [i]}) + "\n"
                            for i, row in enumerate(ROWS)))
    vecna("reduce", path, tmp_path / "out.jsonl", "--dim", 3, "--method", "cut")
    got = [json.loads(line) for line in (tmp_path / "out.jsonl").open()]
    assert [(r["id"], r["m"]) for r in got] == [(f"r{i}", [i]) for i in range(300)]
    assert numpy.allclose([r["embedding"] for r in got], unit(ROWS[:, :3]), atol=1e-6)
    done = vecna("reduce", path, "-", "--dim", 3, "--method", "cut", "--format", "fvecs")
    assert len(done.out_bytes) == 300 * 16 and "neighbours kept" in done.err


def test_real_vectors(vecna, tmp_path, examples):
    numpy.save(tmp_path / "in.npy", numpy.load(examples / "glosses" / "corpus.minilm.384.npy")[:200])
    report = vecna("reduce", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 96, "--json").json()
    assert report["pca"]["neighbours_reduced"][0] > 0.5
    assert report["pca"]["cosine_restored"][0] > report["random"]["cosine_restored"][0]


def test_bad_rows(vecna, tmp_path, corpus):
    rows = numpy.array(ROWS)
    rows[17, 2], rows[30] = numpy.nan, 0
    numpy.save(corpus, rows)
    done = vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, status=1)
    assert "row 17" in done.err and "--bad-rows skip" in done.err and os.listdir(tmp_path) == ["in.npy"]
    done = vecna("reduce", corpus, tmp_path / "out.npy", "--dim", KEPT, "--bad-rows", "skip")
    assert "row 17" in done.err and "row 30" in done.err
    got = numpy.load(tmp_path / "out.npy")
    assert got.shape == (299, KEPT) and (got[29] == 0).all()
    test = make(30, 4)
    test[3, 0], test[4] = numpy.nan, 0
    numpy.save(tmp_path / "test.npy", test)
    done = vecna("reduce", corpus, tmp_path / "o.npy", "--dim", KEPT, "--bad-rows", "skip", "--test", tmp_path / "test.npy",
                 status=1)
    assert "test.npy" in done.err and "row 3" in done.err
    numpy.save(tmp_path / "test.npy", numpy.delete(test, 3, axis=0))
    done = vecna("reduce", corpus, tmp_path / "o.npy", "--dim", KEPT, "--bad-rows", "skip", "--test", tmp_path / "test.npy",
                 "--json")
    assert "1 zero rows of " in done.err and "the first is row 3" in done.err and done.json()["rows_asking"] == 28


def test_mistakes(vecna, tmp_path, corpus):
    out = tmp_path / "out.npy"
    assert "--dim" in vecna("reduce", corpus, out, status=2).err
    assert "twice" in vecna("reduce", "-", out, "--dim", 3, status=2).err
    assert "pca|cut" in vecna("reduce", corpus, out, "--dim", 3, "--method", "umap", status=2).err
    for dim in (FULL, FULL + 1):
        assert "no reduction" in vecna("reduce", corpus, out, "--dim", dim, status=1).err
    err = vecna("reduce", corpus, out, "--dim", 3, "-k", 500, status=1).err
    assert "500" in err and "120" in err
    numpy.save(tmp_path / "few.npy", ROWS[:9])
    assert "too few" in vecna("reduce", tmp_path / "few.npy", out, "--dim", 3, status=1).err
    numpy.save(tmp_path / "other.npy", ROWS[:, :7])
    err = vecna("reduce", corpus, out, "--dim", 3, "--test", tmp_path / "other.npy", status=1).err
    assert "7 dimensions" in err and "24" in err
    assert "No such file" in vecna("reduce", tmp_path / "none.npy", out, "--dim", 3, status=1).err
    done = vecna("reduce", corpus, tmp_path / "no" / "out.npy", "--dim", 3, status=1)  # before the work, not after it
    assert "make the folder first" in done.err and done.out == ""
    numpy.save(tmp_path / "zero.npy", ROWS * 0)
    assert "all are zero or not finite" in vecna("reduce", tmp_path / "zero.npy", out, "--dim", 3, status=1).err
    assert "--format" in vecna("reduce", corpus, tmp_path / "out.xyz", "--dim", 3, status=1).err
    err = vecna("reduce", corpus, out, "--dim", 3, "--save-map", tmp_path / "no" / "m.vecna", status=1).err
    assert "No such file" in err
    for option in ("--save-map", "--restore-map"):
        done = vecna("reduce", corpus, out, "--dim", 3, option, "-", status=2)
        assert "standard output" in done.err and done.out == ""
        err = vecna("reduce", tmp_path / "none.npy", out, "--dim", 3, option, tmp_path / "no" / "m.vecna", status=1).err
        assert "none.npy" not in err  # before anything is read
    assert not out.exists()


def test_a_learned_way_back_that_failed_is_said_to(vecna, tmp_path):
    """Independent columns: what is cut off cannot be told from what is left."""
    numpy.save(tmp_path / "in.npy", unit(numpy.random.default_rng(8).standard_normal((300, FULL))))
    up = tmp_path / "up.vecna"
    done = vecna("reduce", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 2, "--method", "learned",
                 "--restore-map", up)
    assert "carries the verdict FAIL" in done.err
    assert vecna("inspect", up, "--json").json()["verdict"] == "FAIL"
    done = vecna("reduce", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 2, "--method", "pca", "--restore-map", up)
    assert "FAIL" not in done.err


# ---- sizes, bytes and bits -----------------------------------------------------------------------------------

def reduced_by(path, rows=ROWS):
    return unit(rows @ weight(path)).astype("f8")


def test_sizes_side_by_side(vecna, tmp_path, corpus):
    report = vecna("reduce", corpus, "--dims", "12,5", "--json").json()
    assert [size["dim"] for size in report["sizes"]] == [12, 5] and report["source_dim"] == FULL
    text = vecna("reduce", corpus, "--dims", "12,5").out
    for size in report["sizes"]:
        one = vecna("reduce", corpus, tmp_path / "out.npy", "--dim", size["dim"], "--json").json()
        for method in ("cut", "random"):
            assert size[method] == one[method]["neighbours_reduced"]
        # the same directions, turned: rounding may swap neighbours that are equally near
        assert abs(size["pca"][0] - one["pca"]["neighbours_reduced"][0]) < 0.005
        assert abs(size["variance"] - one["variance"]) < 1e-9 and 0 < one["variance"] < 1
        assert f"{100 * size['variance']:.1f} %" in text and f"{size['binary_rescored'][0]:.3f}" in text
        assert size["binary"][0] <= size["binary_rescored"][0] <= size["pca"][0] + 0.02
        assert abs(size["int8"][0] - size["pca"][0]) < 0.03
    squares = numpy.linalg.svd(make(5000, 3), compute_uv=False) ** 2
    assert abs(report["sizes"][1]["variance"] - squares[:5].sum() / squares.sum()) < 0.03


def test_bytes_and_bits_are_those_of_the_reduced_rows(vecna, tmp_path, corpus):
    down, out = tmp_path / "down.vecna", tmp_path / "out.npy"
    report = vecna("reduce", corpus, out, "--dim", KEPT, "--quantize", "int8", "--save-map", down, "--json").json()
    floats, got = reduced_by(down), numpy.load(out)
    assert got.dtype == numpy.int8 and (numpy.abs(got.astype(int)).max(1) == 127).all()
    assert numpy.abs(got - floats * 127 / numpy.abs(floats).max(1, keepdims=True)).max() < 0.51
    assert report["int8"]["bytes"] == KEPT and report["float32"]["bytes"] == 4 * KEPT
    assert report["float32"]["neighbours"] == report["pca"]["neighbours_reduced"]
    text = vecna("reduce", corpus, out, "--dim", KEPT, "--quantize", "binary", "--save-map", down).out
    floats, got = reduced_by(down), numpy.load(out)
    sure = numpy.abs(floats) > 1e-6
    assert got.dtype == numpy.uint8 and got.shape == (300, 2)  # 10 bits, and 6 zeros behind them
    bits = numpy.unpackbits(got, axis=1)
    assert (bits[:, :KEPT] == (floats > 0))[sure].all() and not bits[:, KEPT:].any()
    assert "binary" in text and "bytes a row" in text
    # every number carries about as much: that is what makes a sign worth a bit
    spread = (floats ** 2).mean(0)
    assert spread.max() < 20 * spread.min()  # of principal directions it is 200 times
    err = vecna("reduce", corpus, tmp_path / "out.jsonl", "--dim", KEPT, "--quantize", "binary", status=1).err
    assert "u8" in err and not (tmp_path / "out.jsonl").exists()


def test_whitened_directions_have_one_variance(vecna, tmp_path, corpus):
    down, up = tmp_path / "down.vecna", tmp_path / "up.vecna"
    numpy.save(tmp_path / "test.npy", make(30, 4))
    done = vecna("reduce", corpus, tmp_path / "out.npy", "--dim", 6, "--whiten", "--test", tmp_path / "test.npy",
                 "--save-map", down, "--restore-map", up)
    assert "pca, whitened" in done.out
    along = ROWS.astype("f8") @ weight(down)
    second = along.T @ along
    assert numpy.allclose(second, second[0, 0] * numpy.eye(6), atol=1e-3 * second[0, 0])
    assert numpy.allclose(weight(up) @ weight(down), numpy.eye(6), atol=1e-4)


def test_randomised_directions_span_the_same(vecna, tmp_path, corpus):
    numpy.save(tmp_path / "test.npy", make(30, 4))
    spans = []
    for extra in ((), ("--randomised",)):
        vecna("reduce", corpus, tmp_path / "out.npy", "--dim", 8, "--test", tmp_path / "test.npy", "--save-map",
              tmp_path / "m.vecna", *extra)
        matrix = weight(tmp_path / "m.vecna")
        assert numpy.allclose(matrix.T @ matrix, numpy.eye(8), atol=1e-5)
        spans.append(matrix @ matrix.T)
    assert numpy.abs(spans[0] - spans[1]).max() < 1e-4  # eight directions stand out of the noise


@pytest.mark.parametrize("arguments", [
    ("--dims", "5,x"), ("--dims", ""), ("--dims", "5,0"), ("--dims", "5,"), ("--dims", "5", "--dim", 5),
    ("--dims", "5", "--quantize", "int8"), ("--dims", "5", "--save-map", "m"), ("out.npy", "--dims", "5"), ("--dim", 5),
    ("out.npy", "--dim", 5, "--method", "cut", "--whiten"), ("out.npy", "--dim", 5, "--method", "random", "--randomised"),
    ("out.npy",),
])
def test_words_that_do_not_go_together(vecna, tmp_path, corpus, arguments):
    assert "usage:" in vecna("reduce", corpus, *arguments, status=2).err
    assert not os.path.exists("out.npy")


def test_sizes_that_are_none(vecna, corpus):
    assert "24" in vecna("reduce", corpus, "--dims", "12,24", status=1).err


def test_no_map_without_its_rows(vecna, tmp_path, corpus):
    rows = ROWS.copy()
    rows[7] = numpy.nan  # not learned from, but not to be written either
    numpy.save(corpus, rows)
    vecna("reduce", corpus, tmp_path / "out.npy", "--dim", 5, "--save-map", tmp_path / "m.vecna", status=1)
    assert not (tmp_path / "m.vecna").exists() and not (tmp_path / "out.npy").exists()
