"""vecna plot: pictures exist, are what their names say, and tell the truth in --json."""

import json
import re

import numpy
import pytest

RNG = numpy.random.default_rng(11)
GROUPS = numpy.repeat(numpy.arange(4), 30)
ROWS = (numpy.eye(4, 12)[GROUPS] * 6 + RNG.normal(0, 0.3, (120, 12))).astype("f4")
STARTS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>"}


@pytest.fixture
def file(tmp_path):
    numpy.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "labels.txt").write_text("".join(f"group {g}\n" for g in GROUPS))
    lines = [json.dumps({"id": f"r{i}", "text": f"row {i} </script><b>", "label": int(g)}) for i, g in enumerate(GROUPS)]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "v.npy"


@pytest.mark.parametrize("ending", STARTS)
@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_maps(vecna, file, tmp_path, ending, method):
    out = tmp_path / f"map.{ending}"
    got = vecna("plot", file, "-o", out, "--method", method, "--labels", tmp_path / "labels.txt", "--json").json()
    assert out.read_bytes().startswith(STARTS[ending])
    assert got["rows"] == 120 and got["dim"] == 12
    # chance is 10 / 119; t-SNE of four groups keeps most of each group together
    assert got["neighbours_kept"] > (0.3 if method == "tsne" else 0.1)


def test_the_same_twice(vecna, file, tmp_path):
    for name in ("a.svg", "b.svg"):
        vecna("plot", file, "-o", tmp_path / name, "--title", "x")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_page_holds_its_data_safely(vecna, file, tmp_path):
    out = tmp_path / "p.html"
    vecna("plot", file, "-o", out, "--texts", tmp_path / "texts.jsonl", "--labels", tmp_path / "texts.jsonl", "--method", "pca")
    page = out.read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
    assert len(data["x"]) == len(data["y"]) == 120
    assert data["names"][7] == "row 7 </script><b>"
    assert [c["rows"] for c in data["classes"]] == [30] * 4
    assert [data["classes"][k]["name"] for k in data["of"]] == [str(g) for g in GROUPS]
    assert not re.search(r"https?://", page)


def test_components_are_those_of_numpy(vecna, file, tmp_path):
    got = vecna("plot", file, "-o", tmp_path / "p.svg", "--method", "pca", "--metric", "l2", "--json").json()
    values = numpy.linalg.svd(ROWS.astype("f8") - ROWS.mean(0, dtype="f8"), compute_uv=False) ** 2
    assert numpy.allclose([got["share_1"], got["share_2"]], values[:2] / values.sum(), atol=1e-9)
    got = vecna("plot", file, "-o", tmp_path / "s.svg", "--kind", "spectrum", "--json").json()
    sums = numpy.cumsum(values) / values.sum()
    assert got["directions_50"] == numpy.argmax(sums >= 0.5) + 1
    assert got["directions_90"] == numpy.argmax(sums >= 0.9) + 1


def test_lengths(vecna, file, tmp_path):
    got = vecna("plot", file, "-o", tmp_path / "n.png", "--kind", "norms", "--json").json()
    lengths = numpy.linalg.norm(ROWS.astype("f8"), axis=1)
    assert got["mean_length"] == pytest.approx(lengths.mean(), abs=1e-9)
    assert got["length_deviation"] == pytest.approx(lengths.std(), abs=1e-6)


def test_analogy(vecna, tmp_path):
    words = tmp_path / "w.txt"
    words.write_text("man 1 0 0\nwoman 1 1 0\nking 3 0 1\nqueen 3 1 1\nfish 0 0 9\n")
    got = vecna("plot", words, "-o", tmp_path / "a.svg", "--kind", "analogy", "--words", "man,woman,king,queen", "--json").json()
    assert got["rows"] == 4 and got["share_1"] + got["share_2"] == pytest.approx(1)
    for asked, said in (("man,woman,king", "pairs"), ("man,woman,king,duke", 'no word "duke"'), ("man,,king,queen", "commas")):
        answer = vecna("plot", words, "-o", tmp_path / "b.svg", "--kind", "analogy", "--words", asked, status=1)
        assert said in answer.err
        assert not (tmp_path / "b.svg").exists()


def test_words_beside_the_vectors(vecna, tmp_path):
    numpy.save(tmp_path / "w.npy", numpy.array([[1, 0, 0], [1, 1, 0], [3, 0, 1], [3, 1, 1], [0, 0, 9]], "f4"))
    options = tmp_path / "w.npy", "-o", tmp_path / "a.svg", "--kind", "analogy", "--words", "man,woman,king,queen"
    assert "with --vocab" in vecna("plot", *options, status=1).err
    (tmp_path / "words").write_text("man\nwoman\nking\nqueen\nfish\n")
    assert vecna("plot", *options, "--vocab", tmp_path / "words", "--json").json()["rows"] == 4
    assert vecna("plot", *options, "--texts", tmp_path / "words", "--json").json()["rows"] == 4
    (tmp_path / "words").rename(tmp_path / "w.vocab.txt")  # found by its name, as by eval analogy
    assert vecna("plot", *options, "--json").json()["rows"] == 4
    assert "--vocab" in vecna("plot", tmp_path / "w.npy", "-o", tmp_path / "a.svg", "--vocab", "w", status=2).err


def test_few_lengths_are_few_bars(vecna, tmp_path):
    def corners(rows):  # of the longest path: all bars are one
        numpy.save(tmp_path / "v.npy", numpy.linspace(1, 2, rows, dtype="f4")[:, None] * numpy.ones((1, 4), "f4"))
        vecna("plot", tmp_path / "v.npy", "-o", tmp_path / "n.svg", "--kind", "norms")
        return max(part.split("/>")[0].count(" L ") for part in (tmp_path / "n.svg").read_text().split("<path")[1:])
    assert corners(1000) == 3 * 40 and corners(9) == 3 * 6


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["-o", "x.gif"], "must end in"),
        ([], "-o"),
        (["-o", "x.html", "--kind", "norms"], "drawn as"),
        (["-o", "x.svg", "--kind", "analogy"], "go together"),
        (["-o", "x.svg", "--method", "pca", "--perplexity", "5"], "belong to t-SNE"),
        (["-o", "x.svg", "--kind", "spectrum", "--labels", "l"], "colours"),
    ],
)
def test_wrong_usage(vecna, file, arguments, said):
    assert said in vecna("plot", file, *arguments, status=2).err


def test_what_does_not_fit(vecna, file, tmp_path):
    (tmp_path / "few.txt").write_text("a\nb\n")
    assert "fewer lines" in vecna("plot", file, "-o", tmp_path / "x.svg", "--labels", tmp_path / "few.txt", status=1).err
    (tmp_path / "no.jsonl").write_text('{"id": 1}\n' * 120)
    answer = vecna("plot", file, "-o", tmp_path / "x.svg", "--labels", tmp_path / "no.jsonl", status=1)
    assert "line 1" in answer.err and '"label"' in answer.err
    assert "perplexity" in vecna("plot", file, "-o", tmp_path / "x.svg", "--perplexity", 60, status=1).err
    assert not (tmp_path / "x.svg").exists()
