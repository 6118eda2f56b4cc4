"""vecna fit --unpaired --anchors: alignments of rows that are no pairs, by row number and by id."""

import json

import numpy
import pytest

from test_fit import put, spaces

SOURCE, TARGET = spaces(rows=600, seed=5)
ANCHORS = list(range(0, 180, 6))  # of the first half: rows of SOURCE whose text is in TARGET too


@pytest.fixture
def files(tmp_path):
    numpy.save(tmp_path / "s.npy", SOURCE[:300])
    numpy.save(tmp_path / "t.npy", numpy.concatenate([TARGET[300:], TARGET[ANCHORS]]))
    (tmp_path / "anchors.tsv").write_text("# source target\n" + "".join(f"{a}\t{300 + k}\n" for k, a in enumerate(ANCHORS)))
    return tmp_path


def fit(vecna, files, *more, **options):
    return vecna("fit", files / "s.npy", files / "t.npy", "--unpaired", "--anchors", files / "anchors.tsv", "-o",
                 files / "m.vecna", "--resamples", 60, "--min-retention", 0.3, *more, **options)  # 16 dimensions are crowded


def test_aligned_from_anchors(vecna, files):
    done = fit(vecna, files)
    assert "300 and 330 rows that are no pairs, aligned from 30 anchors" in done.out
    assert "verdict: WARN" in done.out and "control: shuffled anchors" in done.out
    vecna("translate", files / "s.npy", files / "o.npy", "--map", files / "m.vecna")
    got = numpy.load(files / "o.npy")
    assert (got * TARGET[:300]).sum(1).mean() > 0.8
    report = fit(vecna, files, "--json").fitted()
    assert (report["unpaired_source"], report["unpaired_target"], report["method"]) == (300, 330, "procrustes-radius")
    assert report["truth"]["ground_truth"] == "held-out anchors" and report["truth"]["queries"] == 30


def test_anchors_by_id(vecna, files):
    put(files / "s.jsonl", SOURCE[:300], ids=[f"s{i}" for i in range(300)])
    put(files / "t.jsonl", numpy.load(files / "t.npy"), ids=[f"t{i}" for i in range(330)])
    (files / "ids.txt").write_text("".join(f"s{a} t{300 + k}\n" for k, a in enumerate(ANCHORS)))
    fit(vecna, files)
    by_row = (files / "m.vecna").read_bytes()
    vecna("fit", files / "s.jsonl", files / "t.jsonl", "--unpaired", "--anchors", files / "ids.txt", "-o", files / "i.vecna",
          "--resamples", 60, "--min-retention", 0.3)
    assert len((files / "i.vecna").read_bytes()) == len(by_row)


def test_wrong_anchors_and_foreign_rows_fail(vecna, files):
    good = (files / "anchors.tsv").read_text()
    (files / "anchors.tsv").write_text("".join(f"{a} {300 + (k * 7 + 4) % 30}\n" for k, a in enumerate(ANCHORS)))
    assert "verdict: FAIL" in fit(vecna, files, status=3).out
    (files / "anchors.tsv").write_text(good)
    numpy.save(files / "t.npy", numpy.random.default_rng(1).standard_normal((330, 10)).astype("f4"))
    assert "verdict: FAIL" in fit(vecna, files, status=3).out


def test_mistakes(vecna, files):
    for text, words in (("1 2\n" * 5, "5 anchors"), ("1 2 3\n", "two words"), ("1\n", "two words"), ("1 330\n", 'no row "330"'),
                        ("x 3\n", 'no row "x"'), ("1 -3\n", 'no row "-3"')):
        (files / "anchors.tsv").write_text(text)
        assert words in fit(vecna, files, status=1).err, text
    out = "-o", files / "m.vecna"
    pair = files / "s.npy", files / "t.npy"
    for arguments, words in (((*pair, "--unpaired", "--method", "ridge"), "rotation"), ((*pair, "--anchors", "x"), "--unpaired"),
                             ((*pair, "--unpaired", "--update", "m"), "no"),
                             ((*pair, "--unpaired", "--anchors", "x", "--method", "ridge"), "rotation"),
                             ((*pair, "--unpaired", "--anchors", "x", "--prior", "p"), "--unpaired")):
        assert words in vecna("fit", *arguments, *out, status=2).err
    assert "absent" in vecna("fit", *pair, "--unpaired", "--anchors", files / "absent", *out, status=1).err


def clouds(rows, dims=(24, 20), seed=8):
    """Two halves of one mixture, the second turned: no text is in both."""
    rng = numpy.random.default_rng(seed)
    centres = rng.standard_normal((60, dims[1])) * numpy.linspace(2, 0.6, dims[1])
    texts = centres[rng.choice(60, 2 * rows, p=rng.dirichlet(numpy.ones(60) * 3))] + 0.5 * rng.standard_normal((2 * rows, dims[1]))
    texts /= numpy.linalg.norm(texts, axis=1, keepdims=True)
    turn = numpy.linalg.qr(rng.standard_normal((dims[0], dims[0])))[0][: dims[1]]
    return (texts @ turn).astype("f4"), texts.astype("f4")


def test_aligned_without_anchors(vecna, tmp_path):
    source, target = clouds(1500)
    numpy.save(tmp_path / "s.npy", source[:1500])
    numpy.save(tmp_path / "t.npy", target[1500:])
    words = "fit", tmp_path / "s.npy", tmp_path / "t.npy", "--unpaired", "-o", tmp_path / "m.vecna", "--resamples", 60
    done = vecna(*words)
    assert "aligned without an anchor" in done.out and "verdict: WARN  no pair was seen" in done.out
    report = vecna(*words, "--json").fitted()
    assert report["truth"]["ground_truth"] == "agreement of two halves" and report["truth"]["queries"] == 500
    vecna("translate", tmp_path / "s.npy", tmp_path / "o.npy", "--map", tmp_path / "m.vecna")
    assert (numpy.load(tmp_path / "o.npy") * target[:1500]).sum(1).mean() > 0.9  # of rows whose partner nobody saw


def test_without_anchors_what_cannot_be_known_fails(vecna, tmp_path):
    source, _ = clouds(600)
    words = "fit", tmp_path / "s.npy", tmp_path / "t.npy", "--unpaired", "-o", tmp_path / "m.vecna", "--resamples", 60
    numpy.save(tmp_path / "s.npy", source[:600])
    numpy.save(tmp_path / "t.npy", numpy.random.default_rng(2).standard_normal((600, 20)).astype("f4"))
    assert "verdict: FAIL" in vecna(*words, status=3).out
    numpy.save(tmp_path / "t.npy", numpy.random.default_rng(2).standard_normal((399, 20)).astype("f4"))
    assert "at least 400" in vecna(*words, status=1).err
