"""Every trainer of words and documents on real text, with floors that a trainer fails which does not learn. Numbers
are alike in any text: what is measured is the share of the five nearest words of a number that are numbers (by
chance 0.9 %), and the share of the nearest stretch of text that lies beside a stretch (by chance 1.5 %)."""

import lzma
import struct

import numpy
import pytest

from conftest import ROOT

TEXT = ROOT / "tests" / "data" / "kjv-8000-verses.txt.xz"
NUMBERS = ("two three four five six seven eight nine ten twelve twenty thirty forty fifty sixty seventy eighty ninety "
           "hundred thousand").split()


def share_of_numbers(path):
    words = path.with_suffix(".vocab.txt").read_text().split("\n")[:-1]
    vectors = numpy.load(path)
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [words.index(word) for word in NUMBERS if word in words]
    near = unit[rows] @ unit.T
    near[numpy.arange(len(rows)), rows] = -2
    return numpy.isin(numpy.argsort(-near, axis=1)[:, :5], rows).mean()


@pytest.mark.parametrize("options, measured", [
    (("word2vec", "--epochs", 3), 0.41),
    (("word2vec", "--epochs", 3, "--threads", 4), 0.41),
    (("word2vec", "--epochs", 3, "--arch", "cbow"), 0.69),
    (("word2vec", "--epochs", 3, "--loss", "hierarchical"), 0.40),
    (("glove", "--epochs", 8), 0.67),
])
def test_numbers_are_alike(vecna, tmp_path, options, measured):
    got = vecna("train", options[0], TEXT, "-o", tmp_path / "v.npy", "--dim", 32, "--threads", 1, *options[1:], "--json").json()
    assert got["words_read"] == 222524
    assert share_of_numbers(tmp_path / "v.npy") > 0.7 * measured


def test_neighbouring_text_is_alike(vecna, tmp_path):
    lines = lzma.open(TEXT, "rt").read().split("\n")[:-1]
    stretches = [" ".join(lines[i:i + 20]) for i in range(0, len(lines), 20)]
    (tmp_path / "t.txt").write_text("\n".join(stretches) + "\n")
    got = vecna("train", "doc2vec", tmp_path / "t.txt", "-o", tmp_path / "d.npy", "--dim", 32, "--epochs", 8, "--lr", 0.05,
                "--sample", 1e-3, "--threads", 1, "--json").json()
    assert got["documents"] == 400
    vectors = numpy.load(tmp_path / "d.npy")
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    numpy.fill_diagonal(near, -2)
    assert numpy.mean(abs(near.argmax(1) - numpy.arange(400)) <= 3) > 0.25, numpy.mean(abs(near.argmax(1) - numpy.arange(400)) <= 3)


def test_all_epochs_really_run(vecna, tmp_path):
    """Words trained are epochs times the words of the text, and one more epoch changes the vectors."""
    files = []
    for epochs in (1, 2):
        path = tmp_path / f"{epochs}.bin"
        got = vecna("train", "word2vec", TEXT, "-o", path, "--dim", 16, "--epochs", epochs, "--threads", 3, "--json").json()
        assert got["words_trained"] == epochs * got["words_of_an_epoch"] > epochs * 200000
        files.append(path.read_bytes())
    rows, dim = map(int, files[0].split(b"\n")[0].split())
    assert files[0] != files[1] and struct.calcsize(f"{dim}f") * rows < len(files[0])
