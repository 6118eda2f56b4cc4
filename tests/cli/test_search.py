"""vecna search against NumPy. Vectors of small integers: products and sums are exact, so ties are
ties and the lower row comes first."""

import json
import os
import pty
import subprocess

import numpy
import pytest

from conftest import VECNA

RNG = numpy.random.default_rng(5)
CORPUS = RNG.integers(-3, 4, (300, 7)).astype("f4")
QUERIES = RNG.integers(-3, 4, (9, 7)).astype("f4")


def score(metric, corpus, query):
    difference = (corpus - query).astype("f8")
    if metric == "dot":
        return corpus.astype("f8") @ query
    if metric == "cosine":
        lengths = numpy.linalg.norm(corpus, axis=1) * numpy.linalg.norm(query)
        return numpy.divide(corpus @ query, lengths, out=numpy.zeros(len(corpus)), where=lengths > 0)
    if metric == "l1":
        return numpy.abs(difference).sum(1)
    squares = (difference**2).sum(1)
    return squares if metric == "l2sq" else numpy.sqrt(squares)


@pytest.fixture
def files(tmp_path):
    numpy.save(tmp_path / "c.npy", CORPUS)
    numpy.save(tmp_path / "q.npy", QUERIES)
    return tmp_path / "c.npy", tmp_path / "q.npy"


def test_style_ends_before_its_line_does(files):
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([VECNA, "search", *files, "-k", "2", "--rows", "0"], stdout=theirs, check=True, env=environment, timeout=60)
    os.close(theirs)
    text = b""
    try:
        while more := os.read(ours, 65536):
            text += more
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    lines = text.split(b"\r\n")
    assert lines[0] == b"\x1b[1mquery row 0\x1b[0m" and len(lines) == 4 and b"\x1b" not in b"".join(lines[1:])


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2", "l2sq", "l1"])
def test_agrees_with_numpy(vecna, files, metric):
    got = vecna("search", *files, "-k", 12, "--metric", metric, "--json").json()
    assert (got["metric"], got["k"], got["rows"], got["dim"]) == (metric, 12, 300, 7)
    for query, answer in zip(QUERIES, got["queries"]):
        wanted = score(metric, CORPUS, query)
        best = wanted if metric in ("l1", "l2", "l2sq") else -wanted
        rows = [hit["row"] for hit in answer["hits"]]
        assert len(set(rows)) == 12
        # float32 cosines of equal float64 ones may differ in the last bit, so compare what was found
        assert numpy.allclose(wanted[rows], numpy.sort(best)[:12] * (1 if best is wanted else -1), atol=1e-6)
        assert numpy.allclose([hit["score"] for hit in answer["hits"]], wanted[rows], atol=2e-6)
        if metric != "cosine":
            assert rows == list(numpy.argsort(best, kind="stable")[:12])


def test_rows_of_the_corpus_ask(vecna, files):
    got = vecna("search", files[0], "--rows", "4,10-11", "-k", 2, "--metric", "l2", "--json").json()
    assert [one["row"] for one in got["queries"]] == [4, 10, 11]
    for one in got["queries"]:
        assert one["row"] not in [hit["row"] for hit in one["hits"]]
    kept = vecna("search", files[0], "--rows", "4", "-k", 1, "--metric", "l2", "--keep-self", "--json").json()
    assert kept["queries"][0]["hits"][0]["score"] == 0


def test_rows_of_the_queries_ask(vecna, files):
    got = vecna("search", *files, "--rows", "8,0", "--json").json()
    whole = vecna("search", *files, "--json").json()
    assert got["queries"] == [whole["queries"][8], whole["queries"][0]]


def test_texts_are_printed(vecna, tmp_path):
    rows = [{"id": "a", "text": "first\x1b[31m\nline"}, {"id": "b", "text": "é" * 200}]
    numpy.save(tmp_path / "c.npy", numpy.eye(2, dtype="f4"))
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    start = ("search", tmp_path / "c.npy", tmp_path / "c.npy", "-k", 1)
    texts = ("--corpus-texts", tmp_path / "c.jsonl", "--query-texts", tmp_path / "c.jsonl")
    result = vecna(*start, *texts)
    assert "\x1b" not in result.out and "first [31m line" in result.out
    assert "é" * 100 + "..." in result.out and "é" * 101 not in result.out
    assert "   1    1.0000  row 0  a  first" in result.out
    hit = vecna(*start, *texts, "--json").json()["queries"][0]["hits"][0]
    assert hit == {"rank": 1, "row": 0, "id": "a", "text": rows[0]["text"], "score": 1}


def test_texts_beside_the_vectors(vecna, tmp_path):
    numpy.save(tmp_path / "c.npy", numpy.eye(3, dtype="f4"))
    (tmp_path / "c.txt").write_text("one\ntwo\nthree\n")
    out = vecna("search", tmp_path / "c.npy", "--corpus-texts", tmp_path / "c.txt", "-r", 1).out
    assert out.startswith("query row 1  two\n") and "row 0  one" in out and "row 2  three" in out


def test_texts_in_the_same_file(vecna, tmp_path):
    rows = [{"id": f"doc {i}", "text": f"text {i}", "embedding": vector.tolist()} for i, vector in enumerate(CORPUS)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "c.jsonl").write_text(lines)
    numpy.save(tmp_path / "q.npy", QUERIES)
    arguments = (tmp_path / "q.npy", "-k", 3, "--metric", "dot", "--json")
    got = vecna("search", tmp_path / "c.jsonl", *arguments).json()
    for query, one in zip(QUERIES, got["queries"]):
        best = numpy.argsort(-(CORPUS @ query), kind="stable")[:3]
        assert [(hit["row"], hit["id"], hit["text"]) for hit in one["hits"]] == [
            (row, f"doc {row}", f"text {row}") for row in best]
    assert vecna("search", "-", *arguments, stdin=lines.encode()).json()["queries"] == got["queries"]


def test_corpus_smaller_than_k(vecna, tmp_path):
    numpy.save(tmp_path / "c.npy", numpy.eye(3, dtype="f4"))
    got = vecna("search", tmp_path / "c.npy", tmp_path / "c.npy", "-k", 50, "--json").json()
    assert [len(one["hits"]) for one in got["queries"]] == [3, 3, 3]


def test_standard_input(vecna, files):
    assert vecna("search", "-", files[1], stdin=files[0].read_bytes()).out == vecna("search", *files).out


@pytest.mark.parametrize("rows", ["", "x", "1,", "5-3", "-1", "1 2", "1-"])
def test_bad_row_lists(vecna, files, rows):
    assert "3,17,20-25" in vecna("search", files[0], f"--rows={rows}", status=1).err


def test_mistakes(vecna, files, tmp_path):
    assert "row 300 of 300" in vecna("search", files[0], "--rows", "299-300", status=1).err
    assert "--rows" in vecna("search", files[0], status=2).err
    assert "--query-texts" in vecna("search", files[0], "--rows", "1", "--query-texts", "x", status=2).err
    numpy.save(tmp_path / "other.npy", numpy.ones((2, 5), "f4"))
    err = vecna("search", files[0], tmp_path / "other.npy", status=1).err
    assert "7 dimensions" in err and "has 5" in err and "translate" in err
    bad = CORPUS.copy()
    bad[17, 3] = numpy.nan
    numpy.save(tmp_path / "bad.npy", bad)
    assert "row 17" in vecna("search", tmp_path / "bad.npy", files[1], status=1).err
    assert "hamming" in vecna("search", *files, "--metric", "hamming", status=2).err


WORDS = ["the", "King", "king", "ärger", "queen", "Queens", "quern"] + [f"w{i}" for i in range(7, 300)]


def nearest(row, k):
    rows = CORPUS / numpy.maximum(numpy.linalg.norm(CORPUS, axis=1), 1e-9)[:, None]
    scores = rows @ rows[row]
    scores[row] = -9
    return numpy.sort(scores)[::-1][:k]


@pytest.fixture
def words(tmp_path):
    numpy.save(tmp_path / "v.npy", CORPUS)
    (tmp_path / "v.vocab.txt").write_text("\n".join(WORDS) + "\n")
    lines = [f"{word} " + " ".join(map(str, row)) for word, row in zip(WORDS, CORPUS.astype(int))]
    (tmp_path / "v.txt").write_text(f"{len(WORDS)} 7\n" + "\n".join(lines) + "\n")
    return tmp_path / "v.npy", tmp_path / "v.txt"


def test_words_ask(vecna, words):
    for file in words:
        got = vecna("search", file, "--words", "king,ÄRGER,KING", "-k", 4, "--json").json()
        # letter by letter first; in any case after that, the first row of the file
        assert [(one["row"], one["id"]) for one in got["queries"]] == [(2, "king"), (3, "ärger"), (1, "King")]
        for one in got["queries"]:
            assert one["row"] not in [hit["row"] for hit in one["hits"]]
            assert [hit["id"] for hit in one["hits"]] == [WORDS[hit["row"]] for hit in one["hits"]]
            assert numpy.allclose([hit["score"] for hit in one["hits"]], nearest(one["row"], 4), atol=1e-6)
    by_row = vecna("search", words[1], "--rows", "2,3,1", "-k", 4, "--json").json()
    assert by_row["queries"] == got["queries"]
    kept = vecna("search", words[0], "-w", "king", "-k", 1, "--keep-self", "--metric", "l2", "--json").json()
    assert kept["queries"][0]["hits"][0]["id"] == "king"


def test_words_are_printed(vecna, words):
    out = vecna("search", words[1], "--words", "queen,the", "-k", 2).out.split("\n")
    assert out[0] == "queen" and out[3:5] == ["", "the"]
    assert out[1] == f"   1  {nearest(4, 1)[0]:8.4f}  " + out[1].split()[2]
    assert out[1].split()[2] in WORDS


def test_words_of_a_file_that_is_named(vecna, words, tmp_path):
    (tmp_path / "other.txt").write_text("\n".join(reversed(WORDS)) + "\n")
    got = vecna("search", words[0], "-w", "king", "--vocab", tmp_path / "other.txt", "--json").json()
    assert got["queries"][0]["row"] == 297


def test_mistakes_in_words(vecna, words, files, tmp_path):
    err = vecna("search", words[1], "-w", "king,quen", status=1).err
    assert 'no word "quen"; near it: "queen", "quern"' in err
    assert vecna("search", words[1], "-w", "xylophone", status=1).err.endswith('has no word "xylophone"\n')
    for bad in ("", "king,", ",king", "king,,the"):
        assert "such as king,queen" in vecna("search", words[1], f"--words={bad}", status=1).err
    assert "--vocab" in vecna("search", files[0], "-w", "king", status=1).err
    (tmp_path / "short.txt").write_text("king\n")
    assert "go together by line" in vecna(
        "search", files[0], "-w", "king", "--vocab", tmp_path / "short.txt", status=1).err
    assert "--words goes without" in vecna("search", words[1], words[1], "-w", "king", status=2).err
    assert "--words goes without" in vecna("search", words[1], "-r", "1", "-w", "king", status=2).err
    assert "--vocab goes with" in vecna("search", words[1], "-r", "1", "--vocab", "x", status=2).err


def test_a_text_against_another_models_file(vecna, examples):
    err = vecna("search", examples / "glosses" / "corpus.minilm.384.npy", "--text", "hello", status=1).err
    assert "is not of 256 dimensions, as texts are by the built-in model" in err and "--model" in err
