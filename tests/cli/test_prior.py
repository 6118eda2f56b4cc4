"""vecna fit --prior and --update: few pairs and none, by file and by name, on real vectors and on made-up ones."""

import json
import os
import shutil

import numpy
import pytest

from conftest import ROOT
from test_fit import DOCS, GLOSSES, SOURCE, TARGET, tensors, unit

QUICK = "--method", "procrustes", "--resamples", 60


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior")
    for name, rows in (("a", slice(0, 180)), ("b", slice(180, 240)), ("few", slice(180, 190)), ("all", slice(0, 240))):
        numpy.save(folder / f"{name}.s.npy", SOURCE[rows])
        numpy.save(folder / f"{name}.t.npy", TARGET[rows])
    return folder


def pair(files, name):
    return files / f"{name}.s.npy", files / f"{name}.t.npy"


@pytest.fixture(scope="module")
def prior(files):
    from conftest import run
    path = files / "prior.vecna"
    run("fit", *pair(files, "a"), "-o", path, *QUICK, "--source-name", "old", "--target-name", "new")
    return path


def test_few_pairs_lean_on_a_prior(vecna, files, prior, tmp_path):
    done = vecna("fit", *pair(files, "few"), "--prior", prior, "-o", tmp_path / "m.vecna", *QUICK)
    assert "10 pairs" in done.out and "leans on 180 pairs of a prior" in done.out
    assert "verdict: WARN" in done.out and "10 own rows to judge by are too few" in done.out
    values, about = tensors(tmp_path / "m.vecna")
    assert (about["source_name"], about["target_name"], about["verdict"]) == ("old", "new", "WARN")
    assert values["statistics.cross"].shape == (16, 10) and values["statistics.square"].shape == (136,)
    report = vecna("fit", *pair(files, "b"), "--prior", prior, "-o", tmp_path / "m.vecna", *QUICK, "--json").fitted()
    weights = report["prior"]["weights"]
    assert report["prior"]["rows"] == 180 and sum(one["chosen"] for one in weights) == 1
    assert [one["weight"] for one in weights] == [1, 0.25, 0.0625, 0.015625, "prior alone", 0]
    given = vecna("fit", *pair(files, "b"), "--prior", prior, "--prior-weight", 0.5, "-o", tmp_path / "m.vecna", *QUICK,
                  "--json").fitted()["prior"]
    assert given["weight"] == 0.5 and given["weights"] == []
    assert float(tensors(tmp_path / "m.vecna")[1]["statistics_count"]) == 60 + 0.5 * 180


def test_no_pairs(vecna, files, prior, tmp_path):
    done = vecna("fit", "--prior", prior, "-o", tmp_path / "m.vecna")
    assert "no pairs" in done.out and "none of yours" in done.out and "verdict: WARN" in done.out
    assert numpy.allclose(tensors(tmp_path / "m.vecna")[0]["weight"], tensors(prior)[0]["weight"], atol=1e-5)
    report = vecna("fit", "--prior", prior, "-o", tmp_path / "q.vecna", "--role", "query", "--json").fitted()
    assert (report["rows"], report["role"], report["method"]) == (0, "query", "procrustes") and "truth" not in report
    # rows of both sides that are no pairs give their means
    some = numpy.argsort(SOURCE[:, 0])[:120]  # of another kind: their means lie elsewhere
    numpy.save(tmp_path / "s.npy", SOURCE[some])
    numpy.save(tmp_path / "t.npy", TARGET[some[::-1]][:100])
    done = vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "--prior", prior, "--unpaired", "-o", tmp_path / "u.vecna")
    assert "% the prior's" in done.out
    got = tensors(tmp_path / "u.vecna")[0]
    assert abs(got["statistics.source_mean"] - SOURCE[some].mean(0)).max() < 0.05
    vecna("translate", tmp_path / "s.npy", tmp_path / "o.npy", "--map", tmp_path / "u.vecna")


def test_update_is_a_fit_on_all(vecna, files, tmp_path):
    m, again, every = (tmp_path / f"{name}.vecna" for name in ("m", "again", "every"))
    ridge = "--method", "ridge", "--lambda", 0.2, "--resamples", 60
    vecna("fit", *pair(files, "a"), "-o", m, *ridge)
    done = vecna("fit", *pair(files, "b"), "--update", m, "-o", again, "--resamples", 60)
    assert "added to 180 pairs" in done.out and "of the new pairs alone" in done.out
    vecna("fit", *pair(files, "all"), "-o", every, *ridge)
    one, other = tensors(again), tensors(every)
    assert numpy.allclose(one[0]["weight"], other[0]["weight"], atol=1e-5)
    assert numpy.allclose(one[0]["bias"], other[0]["bias"], atol=1e-5)
    assert (one[1]["rows_fit"], one[1]["lambda"]) == ("240", "0.2")
    report = vecna("fit", *pair(files, "b"), "--update", m, "-o", m, "--json", "--resamples", 60).fitted()  # in place
    assert report["update"]["rows"] == 180 and report["rows"] == 60


def known_files(folder, rows, dims=(80, 60)):
    """Pairs with much in the target that the source does not say: a map learns some of it by heart."""
    rng = numpy.random.default_rng(8)
    centres = rng.standard_normal((12, dims[0]))
    source = unit(centres[rng.integers(0, 12, 1200)] + 0.6 * rng.standard_normal((1200, dims[0])))
    target = unit(source @ rng.standard_normal(dims) + 0.5 * rng.standard_normal((1200, dims[1])) + 0.3)
    numpy.save(folder / "k.s.npy", source[rows])
    numpy.save(folder / "k.t.npy", target[rows])
    return folder / "k.s.npy", folder / "k.t.npy"


@pytest.mark.parametrize("how", [(), ("--method", "memory"), ("--no-confidence",)])
def test_an_update_by_pairs_that_are_known(vecna, tmp_path, how):
    method = how if "memory" in how else ("--method", "ridge", "--lambda", 1, *how)
    old, new = tmp_path / "old.vecna", tmp_path / "new.vecna"
    vecna("fit", *known_files(tmp_path, slice(0, 200)), "-o", old, *method, "--resamples", 60, status=None)

    def update(rows, update=old):
        return vecna("fit", *known_files(tmp_path, rows), "--update", update, "-o", new, "--resamples", 60, "--json", "--min-retention", 0.05).fitted()

    unseen = update(slice(200, 400))
    assert (unseen["update"]["known_rows"], unseen["verdict"]) == (0, "PASS")
    same = update(slice(0, 200))
    assert (same["update"]["known_rows"], same["verdict"]) == (200, "WARN")
    assert "about 200 of the 200 new pairs" in same["reason"] and same["advice"] == "re-embed rows first"
    assert same["truth"]["retention"][0] > unseen["truth"]["retention"][0]  # which is why
    if "--no-confidence" not in how:  # sums alone cannot tell a half
        assert update(slice(100, 300))["update"]["known_rows"] == pytest.approx(100, abs=1)
        assert update(slice(195, 395))["verdict"] == "PASS"
    text = vecna("fit", *known_files(tmp_path, slice(0, 200)), "--update", old, "-o", new, "--resamples", 60, "--min-retention", 0.05).out
    assert "about 200 of the new pairs are among those" in text and "not shown" in text and "retention" not in text.split("verdict")[0]
    update(slice(200, 400))
    again = update(slice(0, 200), new)  # pairs of an update before the last: by the memory, or by the sums
    assert (again["update"]["known_rows"], again["verdict"]) == (200, "WARN")


def test_statistics_are_optional(vecna, files, tmp_path):
    sizes = {}
    for name, options in (("f32", ()), ("f16", ("--small-statistics",)), ("none", ("--no-statistics",))):
        vecna("fit", *pair(files, "a"), "-o", tmp_path / f"{name}.vecna", *QUICK, *options)
        sizes[name] = (tmp_path / f"{name}.vecna").stat().st_size
    assert sizes["f32"] > sizes["f16"] > sizes["none"]
    values = tensors(tmp_path / "f16.vecna")[0]
    assert values["statistics.cross"].dtype == numpy.float16
    vecna("fit", "--prior", tmp_path / "f16.vecna", "-o", tmp_path / "m.vecna")
    near = tensors(tmp_path / "m.vecna")[0]["weight"] - tensors(tmp_path / "f32.vecna")[0]["weight"]
    assert abs(near).max() < 0.01
    for option in ("--prior", "--update"):
        err = vecna("fit", *pair(files, "b"), option, tmp_path / "none.vecna", "-o", tmp_path / "x.vecna", status=1).err
        assert "keeps no statistics" in err


def test_maps_by_name(vecna, files, prior, tmp_path):
    shutil.copy(prior, tmp_path / "mine.vecna")
    env = {"VECNA_MAPS": f"/nowhere:{tmp_path}"}
    done = vecna("fit", *pair(files, "few"), "--prior", "mine", "-o", tmp_path / "m.vecna", *QUICK, env=env)
    assert "leans on 180 pairs" in done.out
    vecna("translate", pair(files, "few")[0], tmp_path / "o.npy", "--map", "mine", env=env)
    err = vecna("fit", *pair(files, "few"), "--prior", "absent", "-o", tmp_path / "m.vecna", status=1, env=env).err
    assert "no installed map" in err and "vecna maps" in err


def test_fifty_real_pairs(vecna, tmp_path):
    """Glosses lean on documents' pairs of other models: refused; on other glosses: as good as they."""
    source, target = (numpy.load(GLOSSES / f"pairs.{n}.npy") for n in ("minilm.384", "mpnet.768"))
    for name, rows in (("prior", slice(0, 600)), ("few", slice(600, 650))):
        numpy.save(tmp_path / f"{name}.s.npy", source[rows])
        numpy.save(tmp_path / f"{name}.t.npy", target[rows])
    vecna("fit", tmp_path / "prior.s.npy", tmp_path / "prior.t.npy", "-o", tmp_path / "p.vecna", *QUICK)
    few = tmp_path / "few.s.npy", tmp_path / "few.t.npy"
    alone = vecna("fit", *few, "-o", tmp_path / "a.vecna", *QUICK, "--json", status=None).fitted()
    leaning = vecna("fit", *few, "--prior", tmp_path / "p.vecna", "--prior-weight", 1, "-o", tmp_path / "l.vecna", *QUICK,
                    "--json").fitted()
    assert leaning["truth"]["translated"]["mrr@10"][0] > alone["truth"]["translated"]["mrr@10"][0] + 0.1
    assert alone["verdict"] == "FAIL" and leaning["verdict"] != "FAIL"
    swapped = numpy.load(few[1])[numpy.random.default_rng(0).permutation(50)]
    numpy.save(tmp_path / "swapped.npy", swapped)
    done = vecna("fit", few[0], tmp_path / "swapped.npy", "--prior", tmp_path / "p.vecna", "--prior-weight", 1,
                 "-o", tmp_path / "x.vecna", *QUICK, status=3)
    assert "verdict: FAIL" in done.out  # a good prior does not cover bad pairs
    ada = numpy.load(DOCS / "pairs.ada-002.1536.npy")[:50]
    numpy.save(tmp_path / "ada.npy", ada)
    err = vecna("fit", tmp_path / "ada.npy", few[1], "--prior", tmp_path / "p.vecna", "-o", tmp_path / "x.vecna", status=1).err
    assert "384" in err and "1536" in err


def test_mistakes(vecna, files, prior, tmp_path):
    out = "-o", tmp_path / "m.vecna"
    for arguments, words in (
            (("fit", *out), "missing"),
            (("fit", pair(files, "a")[0], *out), "missing"),
            (("fit", pair(files, "a")[0], "--prior", prior, *out), "SOURCE and TARGET"),
            (("fit", *pair(files, "a"), "--prior", prior, "--update", prior, *out), "--update"),
            (("fit", *pair(files, "a"), "--update", prior, "--role", "query", *out), "role"),
            (("fit", *pair(files, "a"), "--prior-weight", 1, *out), "--prior"),
            (("fit", *pair(files, "a"), "--prior", prior, "--prior-weight", 0, *out), "above 0"),
            (("fit", *pair(files, "a"), "--no-statistics", "--small-statistics", *out), "--small-statistics"),
            (("fit", "--prior", prior, "--min-retention", 0.5, *out), "nothing is judged")):
        assert words in vecna(*arguments, status=2).err, arguments
