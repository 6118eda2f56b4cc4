"""vecna train node2vec: the clubs of Zachary's karate club, graphs as they come, mistakes."""

import numpy
import pytest

from conftest import ROOT

KARATE = ROOT / "tests" / "data" / "karate.edgelist"


def club_of(path):
    return dict(line.split() for line in path.read_text().splitlines())


def same_label(names, vectors, labels, k=3):
    """Share of the k nearest neighbours that have a node's label."""
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    numpy.fill_diagonal(near, -2)
    near = numpy.argsort(-near, axis=1)[:, :k]
    return numpy.mean([[labels[names[i]] == labels[names[j]] for j in row] for i, row in enumerate(near)])


def test_clubs_are_found(vecna, tmp_path):
    labels = club_of(ROOT / "tests" / "data" / "karate.labels.txt")
    got = vecna("train", "node2vec", KARATE, "-o", tmp_path / "v.npy", "--dim", 32, "--lr", 0.1, "--epochs", 3,
                "--threads", 2, "--json").json()
    assert (got["nodes"], got["edges"], got["weighted"]) == (34, 77, False)
    assert got["nodes_of_an_epoch"] == 34 * 10 * 80 and got["nodes_trained"] == 3 * 27200
    names = (tmp_path / "v.vocab.txt").read_text().split()
    vectors = numpy.load(tmp_path / "v.npy")
    # 0.86 with a seed or another; by chance 0.5
    assert same_label(names, vectors, labels) > 0.78
    vecna("train", "node2vec", KARATE, "-o", tmp_path / "again.npy", "--dim", 32, "--lr", 0.1, "--epochs", 3, "--threads", 2)
    assert (tmp_path / "v.npy").read_bytes() == (tmp_path / "again.npy").read_bytes()


def test_subjects_of_citations(vecna, shared, tmp_path):
    labels = club_of(shared / "graphs" / "cora_labels.txt")
    vecna("train", "node2vec", shared / "graphs" / "cora_edgelist.txt", "-o", tmp_path / "v.npy", "--dim", 64, "--walks", 5,
          "--length", 40)
    names = (tmp_path / "v.vocab.txt").read_text().split()
    assert same_label(names, numpy.load(tmp_path / "v.npy"), labels) > 0.7  # by chance 0.18


def test_graphs_as_they_come(vecna, tmp_path):
    (tmp_path / "list.txt").write_text("a b c\nb c\nd a\n")
    result = vecna("train", "node2vec", tmp_path / "list.txt", "-o", tmp_path / "v.bin", "--graph", "adjacency", "--dim", 4)
    assert "4 nodes x 4 dimensions" in result.out and "4 edges" in result.out
    (tmp_path / "weights.csv").write_text("a,b,0.5\nb,c,2\nc,a,1\n")
    result = vecna("train", "node2vec", tmp_path / "weights.csv", "-o", tmp_path / "v.bin", "--directed", "--dim", 4)
    assert "3 directed edges" in result.out and "weighted" in result.out


@pytest.mark.parametrize("arguments, status, words", [
    ((), 2, "usage"),
    (("graph.txt",), 2, "-o VECTORS"),
    (("absent.txt", "-o", "v.bin"), 1, "absent.txt"),
    (("list.txt", "-o", "v.bin"), 1, "--graph adjacency"),
    (("graph.txt", "-o", "v.bin", "--p", "0"), 2, "above 0"),
    (("graph.txt", "-o", "v.bin", "--q", "1e9"), 1, "1e6"),
    (("graph.txt", "-o", "v.bin", "--length", "5000"), 1, "4096"),
    (("empty.txt", "-o", "v.bin"), 1, "no edge"),
])
def test_mistakes(vecna, tmp_path, arguments, status, words):
    (tmp_path / "graph.txt").write_text("a b\nb c\n")
    (tmp_path / "list.txt").write_text("a b c d\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    result = vecna("train", "node2vec", *arguments, status=status, cwd=tmp_path)
    assert words in result.err, result.err
