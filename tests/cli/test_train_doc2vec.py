"""vecna train doc2vec: documents of a topic are neighbours, new ones are read into the same place."""

import random

import numpy
import pytest

TOPICS = 4


def documents(count, seed):
    rng = random.Random(seed)
    topics = sorted(rng.randrange(TOPICS) for _ in range(count))  # in the order of their topics
    return topics, "".join(" ".join(f"t{t}w{rng.randrange(12)}" for _ in range(30)) + "\n" for t in topics)


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


SMALL = ("--dim", 16, "--lr", 0.1, "--epochs", 15, "--threads", 2)


@pytest.mark.parametrize("method", ["dbow", "dm-mean", "dm-concat"])
def test_topics_and_new_documents(vecna, tmp_path, method):
    topics, text = documents(160, 1)
    (tmp_path / "docs.txt").write_text(text + "\nnothing known\n")
    got = vecna("train", "doc2vec", tmp_path / "docs.txt", "-o", tmp_path / "d.npy", "--method", method, *SMALL,
                "--keep", tmp_path / "d.model", "--json").json()
    assert got["documents"] == 162 and got["documents_without_words"] == 2
    assert got["words_trained"] == 15 * got["words_of_an_epoch"] == 15 * 160 * 30
    vectors = numpy.load(tmp_path / "d.npy")
    assert not vectors[160:].any()
    near = unit(vectors[:160]) @ unit(vectors[:160]).T
    numpy.fill_diagonal(near, -2)
    floor = 0.65 if method == "dm-concat" else 0.9  # it learns places too, and less of a small text; by chance 0.25
    assert numpy.mean([topics[i] == topics[j] for i, j in enumerate(near.argmax(1))]) > floor
    new_topics, new_text = documents(40, 2)
    (tmp_path / "new.txt").write_text(new_text)
    (tmp_path / "swapped.txt").write_text("\n".join(reversed(new_text.splitlines())) + "\nxyz\n")
    vecna("train", "doc2vec", tmp_path / "new.txt", "-o", tmp_path / "n.npy", "--infer", tmp_path / "d.model")
    result = vecna("train", "doc2vec", tmp_path / "swapped.txt", "-o", tmp_path / "s.npy", "--infer", tmp_path / "d.model")
    assert "1 of the 41 documents" in result.err
    new, swapped = numpy.load(tmp_path / "n.npy"), numpy.load(tmp_path / "s.npy")
    assert numpy.array_equal(new[::-1], swapped[:40]) and not swapped[40].any()
    found = (unit(new) @ unit(vectors[:160]).T).argmax(1)
    assert numpy.mean([t == topics[j] for t, j in zip(new_topics, found)]) > floor


@pytest.mark.parametrize("arguments, status, words", [
    ((), 2, "usage"),
    (("t.txt",), 2, "-o VECTORS"),
    (("t.txt", "-o", "v.npy", "--method", "dm"), 2, "dbow|dm-mean|dm-concat"),
    (("t.txt", "-o", "v.npy", "--method", "dm-mean", "--words-too"), 2, "--words-too"),
    (("t.txt", "-o", "v.npy", "--infer", "m", "--keep", "m"), 2, "--infer trains nothing"),
    (("t.txt", "-o", "v.npy", "--infer", "t.txt"), 1, "t.txt"),
    (("t.txt", "-o", "v.npy", "--keep", "absent/m"), 1, "absent"),
    (("t.txt", "-o", "v.npy", "--window", "101"), 1, "100"),
])
def test_mistakes(vecna, tmp_path, arguments, status, words):
    (tmp_path / "t.txt").write_text("a b a b\na b a\n")
    result = vecna("train", "doc2vec", *arguments, status=status, cwd=tmp_path)
    assert words in result.err, result.err
