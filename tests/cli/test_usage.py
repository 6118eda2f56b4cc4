"""The frame of the command: overview, help of every command, and mistakes in how it is called."""

import subprocess

import numpy
import pytest

from conftest import VECNA


def test_overview_lists_commands(vecna):
    out = vecna("--help").out
    for name in ("fit", "translate", "eval", "inspect", "search", "reduce"):
        assert f"\n  {name} " in out
    assert vecna(status=2).err == out
    assert vecna("--version").out.startswith("vecna 0.")


@pytest.mark.parametrize("name", ["fit", "translate", "eval", "inspect", "search", "reduce"])
def test_every_command_has_help_with_an_example(vecna, name):
    out = vecna(name, "--help").out
    assert vecna("help", name).out == out
    assert out.startswith(f"usage: vecna {name}")
    assert f"\n  vecna {name} " in out[out.index("examples\n"):]
    for line in out.splitlines():
        assert len(line) <= 120, line


def test_mistakes_are_named(vecna):
    assert 'no command "fti"' in vecna("fti", status=2).err
    assert "did you mean fit?" in vecna("fti", status=2).err
    assert "did you mean translate?" in vecna("translat", status=2).err
    assert "did you mean" not in vecna("bogus", status=2).err
    assert 'no command "bogus"' in vecna("help", "bogus", status=2).err
    assert "did you mean --json?" in vecna("inspect", "--jsn", "x", status=2).err
    assert "IN and OUT are missing" in vecna("translate", status=2).err
    assert "vecna: OUT is missing" in vecna("translate", "x", status=2).err
    assert "vecna: QUESTIONS is missing" in vecna("eval", "analogy", "x", status=2).err
    assert "vecna: TEXTS is missing" in vecna("train", "tfidf", "-o", "x.npy", status=2).err
    for nothing_alike in (("search", "--foo", "x"), ("train", "foo")):
        assert "did you mean" not in vecna(*nothing_alike, status=2).err
    assert "--k takes a number from 1" in vecna("search", "a", "b", "--k", "0", status=2).err


def test_help_of_a_method(vecna):
    assert vecna("help", "train", "glove").out == vecna("train", "glove", "--help").out
    assert vecna("help", "--help").out == vecna("--help").out


def test_no_line_of_a_table_ends_in_blanks(vecna, examples, tmp_path):
    out = vecna("reduce", examples / "glosses" / "corpus.minilm.384.npy", tmp_path / "o.npy", "--dim", 64).out
    assert "<- used" in out and not [line for line in out.splitlines() if line != line.rstrip()]


def test_places_that_cannot_be_written(vecna, tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.ones((2, 4), "f4"))
    assert "make the folder first" in vecna("translate", tmp_path / "a.npy", tmp_path / "no" / "o.npy", "--dim", 2, status=1).err
    with open("/dev/full", "wb") as full:
        done = subprocess.run([VECNA, "translate", tmp_path / "a.npy", "-", "--dim", "2", "--format", "jsonl"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"cannot write standard output: No space left" in done.stderr


def test_missing_file_is_named(vecna):
    err = vecna("inspect", "/nonexistent/file.npy", status=1).err
    assert "/nonexistent/file.npy" in err and "No such file" in err


def test_adapter_options_that_do_not_apply_are_refused(vecna, examples, tmp_path):
    rows = examples / "docs" / "new.mpnet.768.npy"
    for words in (("--pad-mode", "at_start"), ("--seed", "3")):
        err = vecna("translate", rows, tmp_path / "o.npy", "--dim", 384, *words, status=1).err
        assert f"truncate, which has no {words[0]}" in err
    assert "pad, which has no --truncate-mode" in vecna(
        "translate", rows, tmp_path / "o.npy", "--dim", 1000, "--truncate-mode", "from_start", status=1).err
    assert not list(tmp_path.iterdir())
