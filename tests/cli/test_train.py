"""vecna train: what it prints and writes, that every word of every epoch is trained, that a run that is
interrupted goes on to the same bytes, and its mistakes."""

import gzip
import lzma
import random
import signal
import struct
import subprocess
import time

import numpy
import pytest

from conftest import VECNA

TOPICS, WORDS = 6, 10


def language(sentences=1500, seed=1):
    """Sentences of one topic each: words of a topic are alike."""
    rng = random.Random(seed)
    lines = []
    for _ in range(sentences):
        topic = rng.randrange(TOPICS)
        lines.append(" ".join(f"t{topic}w{rng.randrange(WORDS)}" for _ in range(10)))
    return "\n".join(lines) + "\n"


def read_word2vec(path):
    data = path.read_bytes()
    head, at = data.split(b"\n", 1)[0], data.index(b"\n") + 1
    rows, dim = map(int, head.split())
    words, vectors = [], []
    for _ in range(rows):
        end = data.index(b" ", at)
        words.append(data[at:end].decode())
        vectors.append(struct.unpack(f"<{dim}f", data[end + 1:end + 1 + 4 * dim]))
        at = end + 2 + 4 * dim
    return words, numpy.array(vectors, "f4")


def same_topic(words, vectors):
    unit = vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    numpy.fill_diagonal(near, -2)
    return numpy.mean([words[i][1] == words[j][1] for i, j in enumerate(near.argmax(1))])


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(language())
    return path


SMALL = ("--dim", 20, "--epochs", 4, "--sample", 0, "--threads", 2)


def test_words_of_a_topic_are_neighbours(vecna, text, tmp_path):
    result = vecna("train", "word2vec", text, "-o", tmp_path / "v.bin", *SMALL)
    assert "60 words x 20 dimensions, skip-gram by negative sampling" in result.out
    assert "15,000 words" in result.out and "trained   60,000 words in 4 epochs" in result.out
    words, vectors = read_word2vec(tmp_path / "v.bin")
    assert len(words) == TOPICS * WORDS and vectors.shape == (60, 20)
    assert same_topic(words, vectors) > 0.95
    assert not (tmp_path / "v.bin.checkpoint").exists()


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 8])
def test_every_word_of_every_epoch(vecna, text, tmp_path, threads):
    got = vecna("train", "word2vec", text, "-o", tmp_path / "v.bin", *SMALL[:-1], threads, "--json").json()
    assert got["words_trained"] == got["epochs"] * got["words_of_an_epoch"] == 60000
    first = (tmp_path / "v.bin").read_bytes()
    vecna("train", "word2vec", text, "-o", tmp_path / "again.bin", *SMALL[:-1], threads)
    assert first == (tmp_path / "again.bin").read_bytes()


def test_instructions_can_be_held_to_a_limit(vecna, text, tmp_path):
    kernels = {}
    for limit in ("portable", "avx2", "avx512", "all", ""):
        got = vecna("train", "word2vec", text, "-o", tmp_path / f"{limit}.bin", *SMALL, "--json", env={"VECNA_CPU": limit}).json()
        kernels[limit] = got["kernels"]
        words, vectors = read_word2vec(tmp_path / f"{limit}.bin")
        assert same_topic(words, vectors) > 0.95
    assert kernels["portable"] == "portable" and kernels[""] == kernels["all"]
    assert kernels["avx2"] in ("portable", "avx2") and kernels["avx512"] in ("portable", "avx2", "avx512")
    refused = vecna("version", env={"VECNA_CPU": "sse9"}, status=1)
    assert 'VECNA_CPU: instructions "sse9" are not known: say portable, avx2, avx512 or all' in refused.err


def test_formats_hold_the_same(vecna, text, tmp_path):
    for name in ("v.bin", "v.txt", "v.npy", "v.safetensors"):
        vecna("train", "word2vec", text, "-o", tmp_path / name, *SMALL)
    words, vectors = read_word2vec(tmp_path / "v.bin")
    assert numpy.array_equal(numpy.load(tmp_path / "v.npy"), vectors)
    assert (tmp_path / "v.vocab.txt").read_text().split("\n")[:-1] == words
    lines = (tmp_path / "v.txt").read_text().split("\n")
    assert lines[0] == "60 20" and lines[1].split()[0] == words[0]
    assert numpy.allclose([float(x) for x in lines[1].split()[1:]], vectors[0], rtol=1e-6)
    from safetensors.numpy import load_file
    assert numpy.array_equal(load_file(tmp_path / "v.safetensors")["embeddings"], vectors)


def test_sources_of_text(vecna, text, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    half = len(text.read_text()) // 2
    half = text.read_text().index("\n", half) + 1
    (folder / "a.txt").write_text(text.read_text()[:half])
    (folder / "b.gz").write_bytes(gzip.compress(text.read_bytes()[half:]))
    (tmp_path / "t.xz").write_bytes(lzma.compress(text.read_bytes()))
    vecna("train", "word2vec", text, "-o", tmp_path / "plain.bin", *SMALL)
    plain = (tmp_path / "plain.bin").read_bytes()
    vecna("train", "word2vec", folder, "-o", tmp_path / "folder.bin", *SMALL)
    vecna("train", "word2vec", tmp_path / "t.xz", "-o", tmp_path / "xz.bin", *SMALL)
    vecna("train", "word2vec", "-", "-o", tmp_path / "stdin.bin", *SMALL, stdin=text.read_bytes())
    for name in ("folder.bin", "xz.bin", "stdin.bin"):
        assert (tmp_path / name).read_bytes() == plain


@pytest.mark.parametrize("options", [("--arch", "cbow", "--lr", 0.2), ("--loss", "hierarchical"),
                                     ("--arch", "cbow", "--gradient", "mean", "--lr", 0.5, "--epochs", 8),
                                     ("--subwords", "--buckets", 1000, "--max-n", 4)])
def test_ways_to_train(vecna, text, tmp_path, options):
    vecna("train", "word2vec", text, "-o", tmp_path / "v.bin", *SMALL, *options)
    assert same_topic(*read_word2vec(tmp_path / "v.bin")) > 0.9


@pytest.mark.parametrize("rate, options", [(0.05, ()), (0.075, ("--arch", "cbow")), (0.05, ("--arch", "cbow", "--loss", "hierarchical")),
                                           (0.15, ("--arch", "cbow", "--gradient", "mean"))])
def test_each_way_has_a_rate_of_its_own(vecna, text, tmp_path, rate, options):
    vecna("train", "word2vec", text, "-o", tmp_path / "usual.bin", *SMALL, *options)
    vecna("train", "word2vec", text, "-o", tmp_path / "told.bin", *SMALL, *options, "--lr", rate)
    assert (tmp_path / "usual.bin").read_bytes() == (tmp_path / "told.bin").read_bytes()


def test_phrases(vecna, tmp_path):
    (tmp_path / "t.txt").write_text("new york is a city of towers\nthe new york of old has towers\n" * 40 + "new towers\n" * 9)
    got = vecna("train", "word2vec", tmp_path / "t.txt", "-o", tmp_path / "v.txt", "--phrases", 1,
                "--phrase-threshold", 3, "--dim", 4, "--json").json()
    words = [line.split()[0] for line in (tmp_path / "v.txt").read_text().split("\n")[1:-1]]
    assert "new_york" in words and got["phrases"] == sum("_" in word for word in words)


def test_earlier_vectors_and_new_words(vecna, text, tmp_path):
    vecna("train", "word2vec", text, "-o", tmp_path / "first.bin", *SMALL)
    (tmp_path / "new.txt").write_text("t0w1 t0w2 fresh t0w3 t0w4\n" * 30)
    got = vecna("train", "word2vec", tmp_path / "new.txt", "-o", tmp_path / "second.bin", *SMALL,
                "--from", tmp_path / "first.bin", "--json").json()
    words, vectors = read_word2vec(tmp_path / "second.bin")
    before_words, before = read_word2vec(tmp_path / "first.bin")
    assert set(words) == set(before_words) | {"fresh"} and got["started_from_earlier"] == 60
    untouched = words.index("t5w5")
    assert numpy.array_equal(vectors[untouched], before[before_words.index("t5w5")])
    result = vecna("train", "word2vec", tmp_path / "new.txt", "-o", tmp_path / "x.bin", "--from",
                   tmp_path / "first.bin", status=1)
    assert "--dim 20" in result.err


def test_an_interrupted_run_goes_on(vecna, tmp_path):
    """Killed in the middle, resumed: the bytes of a run that was never interrupted."""
    text = tmp_path / "text.txt"
    text.write_text(language(30000))
    options = ["--dim", "64", "--epochs", "6", "--sample", "0", "--threads", "2", "--checkpoint", "1"]
    vecna("train", "word2vec", text, "-o", tmp_path / "whole.bin", *options)
    start = [VECNA, "train", "word2vec", str(text), "-o", str(tmp_path / "part.bin"), *options]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    checkpoint = tmp_path / "part.bin.checkpoint"
    for _ in range(600):
        if checkpoint.exists() or process.poll() is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.wait()
    if process.returncode == 0:
        pytest.skip("the machine was too fast to be interrupted")
    assert process.returncode == -signal.SIGINT and not (tmp_path / "part.bin").exists()
    result = vecna("train", "word2vec", text, "-o", tmp_path / "part.bin", *options[:4], "--sample", 0, "--threads",
                   1, "--resume", status=1)
    assert "threads=2" in result.err and "threads=1" in result.err
    vecna("train", "word2vec", text, "-o", tmp_path / "part.bin", *options, "--resume")
    assert (tmp_path / "part.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()
    assert not checkpoint.exists()


@pytest.mark.parametrize("arguments, status, words", [
    ((), 2, "METHOD"),
    (("word2vex",), 2, "did you mean word2vec"),
    (("word2vec",), 2, "usage"),
    (("word2vec", "text.txt"), 2, "-o VECTORS"),
    (("word2vec", "text.txt", "-o", "v.xyz"), 1, "tells no format"),
    (("word2vec", "absent.txt", "-o", "v.bin"), 1, "absent.txt"),
    (("word2vec", "text.txt", "-o", "absent/v.bin"), 1, "absent"),
    (("word2vec", "text.txt", "-o", "v.bin", "--dim", "0"), 2, "--dim"),
    (("word2vec", "text.txt", "-o", "v.bin", "--dim", "70000"), 1, "65536"),
    (("word2vec", "text.txt", "-o", "v.bin", "--lr", "-1"), 2, "--lr is above 0, not -1"),
    (("word2vec", "text.txt", "-o", "v.bin", "--lr", "0"), 2, "--lr is above 0, not 0"),
    (("doc2vec", "text.txt", "-o", "v.bin", "--lr", "0"), 2, "--lr is above 0, not 0"),
    (("node2vec", "text.txt", "-o", "v.bin", "--lr", "0"), 2, "--lr is above 0, not 0"),
    (("word2vec", "text.txt", "-o", "v.bin", "--min-count", "100000"), 1, "--min-count"),
    (("word2vec", "text.txt", "-o", "v.bin", "--subwords", "--min-n", "7"), 1, "n-gram"),
    (("word2vec", "text.txt", "-o", "v.bin", "--resume"), 1, "no v.bin.checkpoint to go on from"),
    (("word2vec", "text.txt", "-o", "v.bin", "--dim", "60000", "--threads", "1000", "--max-words", "60",
      "--subwords", "--buckets", "1000000"), 1, "GB"),
])
def test_mistakes(vecna, text, arguments, status, words):
    result = vecna("train", *arguments, status=status, cwd=text.parent)
    assert words in result.err, result.err
    assert not (text.parent / "v.bin").exists()


def test_what_was_not_learned_is_said(vecna, tmp_path):
    done = vecna("train", "word2vec", "-", "-o", tmp_path / "v.txt", "--min-count", 1, "--dim", 3, stdin=b"hello\nworld\n")
    assert "nothing was learned" in done.err and "nan" not in done.out and "loss" not in done.out


def test_help(vecna):
    assert "word2vec" in vecna("train", "--help").out
    assert "--checkpoint" in vecna("train", "word2vec", "--help").out
