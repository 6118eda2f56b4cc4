"""The frame of the command: overview, help of every command, and mistakes in how it is called."""

import pytest


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
    assert "an argument is missing" in vecna("translate", "x", status=2).err
    assert "--k takes a number from 1" in vecna("search", "a", "b", "--k", "0", status=2).err


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
