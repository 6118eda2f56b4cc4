"""vecna fit --kinds: kinds of pairs that a map keeps apart, and a fit that leans on the one that is most like its own pairs,
against a slow float64 twin."""

import json
import sys

import numpy
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "reference"))
import prior_reference  # noqa: E402
from translate_reference import ridge, unit  # noqa: E402

from test_fit import tensors

SOURCE, TARGET, ROWS = 14, 11, 500
LEAST = "--resamples", 20, "--min-retention", 0.05
RIDGE = "--method", "ridge", "--lambda", 1, *LEAST


def rows_of(kind, rows, seed):
    """Pairs of one kind: a place and a map of its own, and a part that all kinds share."""
    shared = numpy.random.default_rng(0).normal(size=(SOURCE, TARGET))
    made = numpy.random.default_rng([1, kind])
    where, own = made.normal(size=SOURCE), made.normal(size=(SOURCE, TARGET))
    x = unit(numpy.random.default_rng([2, kind, seed]).normal(size=(rows, SOURCE)) + where)
    noise = numpy.random.default_rng([3, kind, seed]).normal(size=(rows, TARGET))
    return x.astype("f4"), unit(x @ (shared + 0.5 * own) + 0.03 * noise).astype("f4")


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    from conftest import run
    folder = tmp_path_factory.mktemp("kinds")
    both = [rows_of(kind, ROWS, 0) for kind in (1, 2)]
    for side, rows in zip("st", zip(*both)):
        numpy.save(folder / f"{side}.npy", numpy.concatenate(rows))
    (folder / "kinds.txt").write_text("verses\n" * ROWS + "questions\n" * ROWS)
    run("fit", folder / "s.npy", folder / "t.npy", "-o", folder / "prior.vecna", "--kinds", folder / "kinds.txt", *RIDGE)
    return folder


def lean(vecna, prior, folder, own, *words):
    for side, rows in zip("st", own):
        numpy.save(folder / f"{side}.npy", rows)
    return vecna("fit", folder / "s.npy", folder / "t.npy", "-o", folder / "m.vecna", "--prior", prior / "prior.vecna", *words, "--json").fitted()


@pytest.mark.parametrize("role", ["document", "query"])
def test_the_kind_like_ones_own_counts_more(vecna, prior, tmp_path, role):
    own = rows_of(2, 120, 1)
    report = lean(vecna, prior, tmp_path, own, *RIDGE, "--role", role)
    assert report["prior"]["kind"] == "questions"
    # the twin: the own pairs, those of the kind, and a sixty-fourth of all, each about their own means
    kinds = [[unit(side.astype("f8")) for side in rows_of(kind, ROWS, 0)] for kind in (1, 2)]
    x, y, mean_x, mean_y, _ = prior_reference.stacked([unit(side.astype("f8")) for side in own], kinds[1], 1)
    every = [numpy.concatenate(side) for side in zip(*kinds)]
    x, y = (numpy.vstack([near, (one - one.mean(0)) / 8]) for near, one in zip((x, y), every))
    weights = ridge(x, y, 1)
    kept = tensors(tmp_path / "m.vecna")[0]
    # a kind is kept in 8 bits: half a 127th of the greatest number of a row, of which a sum has many
    assert numpy.abs(kept["weight"] - weights).max() < 0.01 * numpy.abs(weights).max()
    assert numpy.abs(kept["bias"] - (mean_y - mean_x @ weights)).max() < 0.01


def test_no_kind_is_taken_on_trust(vecna, prior, tmp_path):
    report = lean(vecna, prior, tmp_path, rows_of(3, 120, 1), *RIDGE)
    assert "kind" not in report["prior"] and [one for one in report["prior"]["weights"] if "kind" in one]
    # a weight that is given leaves nothing to choose
    given = lean(vecna, prior, tmp_path, rows_of(2, 120, 1), *RIDGE, "--prior-weight", 1)
    assert given["prior"]["weights"] == [] and "kind" not in given["prior"]


def test_beside_a_kind_rows_choose_no_regression(vecna, prior, tmp_path):
    report = lean(vecna, prior, tmp_path, rows_of(2, 120, 1), *LEAST)
    assert report["prior"]["kind"] == "questions" and report["method"] in ("blend", "procrustes")


def test_what_is_kept_is_told(vecna, prior):
    told = vecna("inspect", prior / "prior.vecna").out
    assert "kinds apart" in told and "verses (500)" in told and "questions (500)" in told
    about = json.loads(vecna("inspect", prior / "prior.vecna", "--json").out)
    assert about["kinds"] == {"verses": 500, "questions": 500}


def test_mistakes(vecna, prior, tmp_path):
    both, out = (prior / "s.npy", prior / "t.npy"), ("-o", tmp_path / "m.vecna")
    kinds = "--kinds", prior / "kinds.txt"
    for words in (("--prior", prior / "prior.vecna"), ("--update", prior / "prior.vecna"), ("--no-statistics",)):
        assert "--kinds tells pairs apart" in vecna("fit", *both, *out, *kinds, *words, status=2).err
    (tmp_path / "few.txt").write_text("verses\nquestions\n")
    assert "few.txt" in vecna("fit", *both, *out, "--kinds", tmp_path / "few.txt", status=1).err
    (tmp_path / "rare.txt").write_text("verses\n" * 990 + "rare\n" * 10)
    assert '"rare" has 10 pairs' in vecna("fit", *both, *out, "--kinds", tmp_path / "rare.txt", status=1).err


@pytest.mark.parametrize("was, now, words", [
    (b'"kinds_count":"2"', b'"kinds_count":"3"', "kinds"),
    (b'"kinds_count":"2"', b'"kinds_count":"0"', "kinds"),
    (b'"kinds_name_1"', b'"kinds_name_7"', "changed or damaged"),
    (b'"kinds.target"', b'"kinds.tarpet"', "changed or damaged")])
def test_a_map_whose_kinds_are_damaged_is_refused(vecna, prior, tmp_path, was, now, words):
    whole = (prior / "prior.vecna").read_bytes()
    assert was in whole
    (tmp_path / "bad.vecna").write_bytes(whole.replace(was, now, 1))
    assert words in vecna("inspect", tmp_path / "bad.vecna", status=1).err
