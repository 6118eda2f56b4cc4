"""vecna train glove: what it prints and writes; bounded memory gives the same counts; mistakes."""

import random

import numpy
import pytest

TOPICS, WORDS = 6, 10


def language(sentences):
    rng = random.Random(5)
    lines = []
    for _ in range(sentences):
        topic = rng.randrange(TOPICS)
        lines.append(" ".join(f"t{rng.randrange(TOPICS) if rng.random() < 0.2 else topic}w{rng.randrange(WORDS)}"
                              for _ in range(10)))
    return "\n".join(lines) + "\n"


def same_topic(words, vectors):
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    numpy.fill_diagonal(near, -2)
    return numpy.mean([words[i][1] == words[j][1] for i, j in enumerate(near.argmax(1))])


@pytest.mark.parametrize("model, dim", [("sum", 12), ("word", 12), ("both", 24), ("all", 26)])
def test_words_of_a_topic_are_neighbours(vecna, tmp_path, model, dim):
    (tmp_path / "t.txt").write_text(language(2000))
    got = vecna("train", "glove", tmp_path / "t.txt", "-o", tmp_path / "v.npy", "--dim", 12, "--epochs", 15, "--threads", 2,
                "--model", model, "--json").json()
    vectors, words = numpy.load(tmp_path / "v.npy"), (tmp_path / "v.vocab.txt").read_text().split()
    assert vectors.shape == (60, dim) and got["dim"] == dim
    assert got["pairs_trained"] == 15 * got["pairs"] and got["pairs"] <= 3600
    assert same_topic(words, vectors) > 0.85 and got["loss"] < 0.1


def test_little_memory_and_summary(vecna, tmp_path):
    rng = random.Random(1)
    words = [f"w{i}" for i in range(2000)]
    (tmp_path / "t.txt").write_text("".join(" ".join(rng.choices(words, k=40)) + "\n" for _ in range(3000)))
    args = ("train", "glove", tmp_path / "t.txt", "--dim", 8, "--epochs", 2, "--threads", 1)
    large = vecna(*args, "-o", tmp_path / "a.bin", "--json").json()
    small = vecna(*args, "-o", tmp_path / "b.bin", "--json", "--memory", 0.01).json()
    assert large["spills"] == 0 and small["spills"] > 1 and small["pairs"] == large["pairs"]
    assert abs(small["loss"] / large["loss"] - 1) < 0.05  # pairs come in another order
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "b.bin", "t.txt"]
    result = vecna(*args, "-o", tmp_path / "c.bin", "--memory", 0.01)
    assert "2,000 words x 8 dimensions, GloVe" in result.out and "pairs in" in result.out
    assert (tmp_path / "b.bin").read_bytes() == (tmp_path / "c.bin").read_bytes()


@pytest.mark.parametrize("arguments, status, words", [
    ((), 2, "usage"),
    (("t.txt",), 2, "-o VECTORS"),
    (("t.txt", "-o", "v.bin", "--memory", "0"), 2, "--memory"),
    (("t.txt", "-o", "v.bin", "--x-max", "-1"), 2, "above 0"),
    (("t.txt", "-o", "v.bin", "--threads", "65"), 1, "64"),
    (("alone.txt", "-o", "v.bin", "--min-count", "1"), 1, "no two words"),
    (("t.txt", "-o", "v.bin", "--resume"), 1, "v.bin.checkpoint"),
])
def test_mistakes(vecna, tmp_path, arguments, status, words):
    (tmp_path / "t.txt").write_text("a b a b a b a b a b a b\n")
    (tmp_path / "alone.txt").write_text("a\nb\n")
    result = vecna("train", "glove", *arguments, status=status, cwd=tmp_path)
    assert words in result.err, result.err
