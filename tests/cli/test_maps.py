"""vecna maps: what is installed, its cards, and folders that hold nothing useful."""

import json

import numpy
import pytest

from test_fit import SOURCE, TARGET


@pytest.fixture
def folder(vecna, tmp_path):
    numpy.save(tmp_path / "s.npy", SOURCE)
    numpy.save(tmp_path / "t.npy", TARGET)
    (tmp_path / "own").mkdir()
    (tmp_path / "other").mkdir()
    for path in ("own/zeta", "own/alpha", "other/alpha"):
        vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / f"{path}.vecna", "--method", "procrustes",
              "--resamples", 60, "--source-name", path)
    (tmp_path / "own" / "alpha.json").write_text(json.dumps(
        {"name": "alpha", "summary": "old to “new”, of made-up rows", "texts": [{"set": "none", "rows": 240}], "list": [1, "two"]}))
    return tmp_path


def maps(got):
    """Of ours; a source tree has its own beside them."""
    return {one["name"]: one for one in got["maps"] if one["name"] in ("alpha", "zeta")}


def test_lists_what_is_installed(vecna, folder):
    env = {"VECNA_MAPS": f"{folder}/own:{folder}/other:/nowhere"}
    got = maps(vecna("maps", "--json", env=env).json())
    assert list(got) == ["alpha", "zeta"]
    assert got["alpha"]["source"] == "own/alpha" and got["alpha"]["path"] == f"{folder}/own/alpha.vecna"
    assert (got["alpha"]["source_dim"], got["alpha"]["target_dim"], got["alpha"]["rows_fit"]) == (16, 10, 240)
    assert got["alpha"]["card"]["texts"] == [{"set": "none", "rows": 240}] and got["zeta"]["card"] is None
    out = vecna("maps", env=env).out
    assert "16 -> 10" in out and "alpha: old to “new”, of made-up rows" in out and "zeta: no card" in out
    assert vecna("maps", "alpha", "--json", env=env).json() == got["alpha"]["card"]
    card = vecna("maps", "alpha", env=env).out
    assert "summary: old to “new”, of made-up rows\n" in card and "rows: 240\n" in card and "- two\n" in card


def test_a_name_does_where_a_path_does(vecna, folder):
    env = {"VECNA_MAPS": f"{folder}/own"}
    numpy.save(folder / "q.npy", TARGET[:5])
    by_path = folder / "own" / "alpha.vecna"
    for words in (("search", folder / "s.npy", folder / "q.npy", "--json", "--force", "--via"),
                  ("plan", folder / "s.npy", "--budget", 10, "--json", "--force", "--map"),
                  ("search", folder / "t.npy", folder / "q.npy", "--also", folder / "t.npy", "--json", "--force", "--calibrated"),
                  ("inspect",)):
        named, pathed = vecna(*words, "alpha", env=env).out, vecna(*words, by_path).out
        assert named.splitlines()[words[0] == "inspect":] == pathed.splitlines()[words[0] == "inspect":], words
    serving = ("serve", "--check", "--upstream", "http://127.0.0.1:9", "--model", "m", "--map")
    assert "16 to 10" in "".join(vars(vecna(*serving, "alpha", env=env)).get(part, "") for part in ("out", "err"))
    vecna(*serving, "omega", env=env, status=1)


def test_broken_files_are_named_and_left_out(vecna, folder):
    env = {"VECNA_MAPS": f"{folder}/own"}
    (folder / "own" / "broken.vecna").write_bytes(b"nothing")
    (folder / "own" / "alpha.json").write_text('{"summary": ')
    done = vecna("maps", env=env)
    assert "broken.vecna" in done.err and "alpha.json is no card" in done.err and "broken" not in done.out
    assert "no card beside it" in vecna("maps", "zeta", env=env, status=1).err
    assert "no installed map is called nothing" in vecna("maps", "nothing", env=env, status=1).err
    assert "no card" in vecna("maps", "alpha", "--json", env=env, status=1).err
