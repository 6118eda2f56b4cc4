"""vecna inspect end to end: what a file is, what is wrong with which rows, which model it looks like, and maps."""

import json
import struct

import numpy
import pytest
from safetensors.numpy import save_file

from conftest import ROOT

EXAMPLES = ROOT / "examples"
RNG = numpy.random.default_rng(17)


def unit(rows):
    return (rows / numpy.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")


ROWS = unit(RNG.standard_normal((60, 8)))


def put_vecs(path, rows):
    path.write_bytes(b"".join(struct.pack("<i", rows.shape[1]) + row.tobytes() for row in rows))


def put_text(path, line, header=""):
    path.write_text(header + "".join(line(i, row.tolist()) + "\n" for i, row in enumerate(ROWS)), encoding="utf-8")


def words(i, row):
    return f"w{i} " + " ".join(map(str, row))


FILES = {
    "npy": ("a.npy", lambda p: numpy.save(p, ROWS), "f32"),
    "npy of f16": ("a.npy", lambda p: numpy.save(p, ROWS.astype("f2")), "f16"),
    "npy of f64": ("a.npy", lambda p: numpy.save(p, numpy.asfortranarray(ROWS.astype(">f8"))), "f64"),
    "safetensors": ("a.safetensors", lambda p: save_file({"x": ROWS}, p), "f32"),
    "fvecs": ("a.fvecs", lambda p: put_vecs(p, ROWS), "f32"),
    "bvecs": ("a.bvecs", lambda p: put_vecs(p, (ROWS * 50 + 60).astype("u1")), "u8"),
    "ivecs": ("a.ivecs", lambda p: put_vecs(p, (ROWS * 5000).astype("<i4")), "i32"),
    "jsonl": ("a.jsonl", lambda p: put_text(p, lambda i, r: json.dumps({"id": i, "embedding": r})), "text"),
    "csv": ("a.csv", lambda p: put_text(p, lambda i, r: f"{i}," + ",".join(map(str, r)),
                                        "id," + ",".join(f"d{i}" for i in range(8)) + "\n"), "text"),
    "tsv": ("a.tsv", lambda p: put_text(p, lambda i, r: f"{i}\t{r}", "id\tembedding\n"), "text"),
    "word2vec": ("a.bin", lambda p: p.write_bytes(b"60 8\n" + b"".join(
        f"w{i} ".encode() + row.tobytes() + b"\n" for i, row in enumerate(ROWS))), "f32"),
    "fasttext": ("a.vec", lambda p: put_text(p, words, "60 8\n"), "text"),
    "glove": ("a.txt", lambda p: put_text(p, words), "text"),
    "raw": ("a.f32", lambda p: p.write_bytes(ROWS.tobytes()), "f32"),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_format_is_told_and_counted(vecna, tmp_path, kind):
    name, put, stored = FILES[kind]
    put(tmp_path / name)
    extra = ["--raw-dim", 8] if kind == "raw" else []
    got = vecna("inspect", tmp_path / name, "--json", *extra).json()
    assert (got["format"], got["rows"], got["usable"], got["dim"]) == (kind.split()[0], 60, 60, 8)
    assert got["stored_as"].startswith(stored)
    assert got["length"]["unit"] == (kind not in ("bvecs", "ivecs"))
    text = vecna("inspect", tmp_path / name, *extra).out
    assert f"{kind.split()[0]}, 60 rows x 8 dimensions, {got['stored_as']}" in text
    if kind not in ("bvecs", "ivecs"):  # these are told by their name
        streamed = vecna("inspect", "-", "--json", *extra, *(["--in-format", "raw"] if extra else []),
                         stdin=(tmp_path / name).read_bytes(), status=1 if kind == "npy of f64" else 0)
        assert kind == "npy of f64" or streamed.json()["rows"] == 60


def test_figures_agree_with_numpy(vecna, tmp_path):
    rows = RNG.standard_normal((300, 20)).astype("f4") * numpy.linspace(3, 0.1, 20, dtype="f4") + 0.4
    numpy.save(tmp_path / "a.npy", rows)
    got = vecna("inspect", tmp_path / "a.npy", "--json").json()
    lengths = numpy.linalg.norm(rows.astype("f8"), axis=1)
    assert got["length"] == {"mean": pytest.approx(lengths.mean(), rel=1e-4),
                             "deviation": pytest.approx(lengths.std(), rel=1e-2),
                             "min": pytest.approx(lengths.min(), rel=1e-4),
                             "max": pytest.approx(lengths.max(), rel=1e-4), "unit": False}
    units = rows / lengths[:, None]
    n = len(rows)
    cosine = ((units.sum(0) ** 2).sum() - n) / (n * (n - 1))
    assert got["mean_pair_cosine"] == pytest.approx(cosine, abs=5e-3)
    assert 2 < got["effective_rank"] < 20
    text = vecna("inspect", tmp_path / "a.npy").out
    assert f"mean pair cosine  {got['mean_pair_cosine']:.3f}" in text and "not unit vectors" in text


def test_faults_are_listed_with_their_rows(vecna, tmp_path):
    rows = numpy.array(ROWS)
    rows[[3, 9]] = 0
    rows[5, 1] = numpy.nan
    rows[7, 0], rows[8, 7] = numpy.inf, -numpy.inf
    rows[[40, 59]] = rows[11]
    numpy.save(tmp_path / "a.npy", rows)
    got = vecna("inspect", tmp_path / "a.npy", "--json").json()
    assert got["zero_rows"] == {"count": 2, "rows": [3, 9]}
    assert got["nan_rows"] == {"count": 1, "rows": [5]}
    assert got["infinite_rows"] == {"count": 2, "rows": [7, 8]}
    assert got["duplicate_rows"] == {"count": 2, "rows": [40, 59], "same_as": [11, 11]}
    assert (got["rows"], got["usable"], got["length"]["unit"]) == (60, 55, True)
    text = vecna("inspect", tmp_path / "a.npy").out
    assert "zero" in text and " 3, 9" in text and "40 (= 11), 59 (= 11)" in text
    short = vecna("inspect", tmp_path / "a.npy", "--list", 1, "--json").json()
    assert short["zero_rows"] == {"count": 2, "rows": [3]}
    assert "..." in vecna("inspect", tmp_path / "a.npy", "--list", 1).out


def test_files_without_one_good_row(vecna, tmp_path):
    for rows in (numpy.zeros((4, 3), "f4"), numpy.full((4, 3), numpy.nan, "f4")):
        numpy.save(tmp_path / "a.npy", rows)
        got = vecna("inspect", tmp_path / "a.npy", "--json").json()
        assert (got["usable"], got["mean_pair_cosine"], got["effective_rank"]) == (0, None, None)
        out = vecna("inspect", tmp_path / "a.npy").out
        assert "4 rows:" in out and "nan" not in out.replace("NaN", "") and "-nan" not in out
    numpy.save(tmp_path / "a.npy", numpy.eye(1, 5, dtype="f4"))
    got = vecna("inspect", tmp_path / "a.npy", "--json").json()
    assert (got["rows"], got["usable"]) == (1, 1)
    assert "nan" not in vecna("inspect", tmp_path / "a.npy").out.replace("NaN", "")


def test_one_is_one(vecna, tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.ones((1, 1), "f4"))
    assert "1 row x 1 dimension, " in vecna("inspect", tmp_path / "a.npy").out
    numpy.save(tmp_path / "a.npy", numpy.concatenate([ROWS[:5], 0 * ROWS[:1]]))
    out = vecna("inspect", tmp_path / "a.npy").out
    assert "6 rows x " in out and "1 row: 5\n" in out


def test_an_empty_file_of_rows(vecna, tmp_path):
    numpy.save(tmp_path / "a.npy", numpy.zeros((0, 3), "f4"))
    assert vecna("inspect", tmp_path / "a.npy", "--json").json()["rows"] == 0
    assert "nan" not in vecna("inspect", tmp_path / "a.npy").out.replace("NaN", "")


def test_huge_numbers(vecna, tmp_path):
    numpy.save(tmp_path / "a.npy", ROWS * numpy.float32(1e38))
    got = vecna("inspect", tmp_path / "a.npy", "--json").json()
    assert got["usable"] == 60 and got["infinite_rows"]["count"] == 0
    assert got["length"]["mean"] == pytest.approx(1e38, rel=1e-4)


@pytest.mark.parametrize("path, name", [
    ("docs/new.ada-002.1536.npy", "ada-002"), ("docs/new.mpnet.768.npy", "mpnet"),
    ("glosses/queries.minilm.384.npy", "MiniLM"), ("docs/foreign.3-small.1536.npy", "3-small"),
])
def test_known_models_are_recognised(vecna, path, name):
    got = vecna("inspect", EXAMPLES / path, "--json").json()
    assert name in got["known_space"]["name"] and got["known_space"]["verdict"] == "same"
    assert name in vecna("inspect", EXAMPLES / path).out


def test_noise_is_no_known_model(vecna, tmp_path):
    numpy.save(tmp_path / "a.npy", RNG.standard_normal((80, 768)).astype("f4"))
    assert vecna("inspect", tmp_path / "a.npy", "--json").json()["known_space"]["verdict"] != "same"
    numpy.save(tmp_path / "a.npy", ROWS)
    assert vecna("inspect", tmp_path / "a.npy", "--json").json()["known_space"] is None
    assert "none of the" in vecna("inspect", tmp_path / "a.npy").out


def test_matryoshka(vecna, tmp_path):
    three = vecna("inspect", EXAMPLES / "docs" / "foreign.3-small.1536.npy", "--json").json()
    assert three["matryoshka"] is True and three["prefix_share"][0] > three["prefix_share"][2] > 1
    ada = vecna("inspect", EXAMPLES / "docs" / "new.ada-002.1536.npy")
    assert "no sign of it" in ada.out
    numpy.save(tmp_path / "a.npy", RNG.standard_normal((400, 64)).astype("f4"))
    assert vecna("inspect", tmp_path / "a.npy", "--json").json()["matryoshka"] is False


# ---- maps ----------------------------------------------------------------------------------------------------

@pytest.fixture
def a_map(vecna, tmp_path):
    source = unit(RNG.standard_normal((12, 16))[RNG.integers(0, 12, 200)] + 0.6 * RNG.standard_normal((200, 16)))
    numpy.save(tmp_path / "s.npy", source)
    numpy.save(tmp_path / "t.npy", unit(source @ RNG.standard_normal((16, 10))))
    path = tmp_path / "m.vecna"
    report = vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", path, "--method", "ridge", "--resamples", 60,
                   "--source-name", "old", "--role", "query", "--json", status=None).json()["report"]
    return path, report


def test_a_map(vecna, tmp_path, a_map):
    path, report = a_map
    text, got = vecna("inspect", path).out, vecna("inspect", path, "--json").json()
    assert (got["format"], got["source"], got["source_dim"], got["target_dim"]) == ("map", "old", 16, 10)
    assert (got["role"], got["verdict"], got["method"]) == ("query", report["verdict"], report["recipe"])
    assert got["report"] == report
    for words_ in ("a map, 16 -> 10", "old -> (not named)", report["recipe"], report["verdict"], "query", "200 pairs"):
        assert words_ in text
    for key in ("normalized", "source_normalized", "checksum", "rows_fit"):  # printed, so in --json too
        assert key in got
    assert got["checksum"] in text and report["reason"] in text
    (tmp_path / "other.safetensors").write_bytes(path.read_bytes())  # by content, not by name
    assert vecna("inspect", tmp_path / "other.safetensors", "--json").json()["format"] == "map"


def test_broken_maps_are_said_to_be_broken(vecna, tmp_path, a_map):
    data = a_map[0].read_bytes()
    flipped = bytearray(data)
    flipped[-30] ^= 8
    cases = {"cut": (data[:-40], "cut off"), "flip": (bytes(flipped), "damaged"),
             "later": (data.replace(b'"version":"1"', b'"version":"7"'), "version"), "few": (data[:5], "5 bytes")}
    for name, (content, wanted) in cases.items():
        for suffix in (".vecna", ".safetensors"):
            path = tmp_path / (name + suffix)
            path.write_bytes(content)
            done = vecna("inspect", path, status=1)
            assert done.out == "" and path.name in done.err, (name, suffix)
            assert suffix == ".safetensors" or wanted in done.err, done.err
    numpy.save(tmp_path / "x.npy", ROWS)
    (tmp_path / "vectors.vecna").write_bytes((tmp_path / "x.npy").read_bytes())
    assert "vectors.vecna" in vecna("inspect", tmp_path / "vectors.vecna", status=1).err


def test_what_is_no_file_of_vectors(vecna, tmp_path):
    (tmp_path / "a.txt").write_text("dear diary\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04" + bytes(60))
    for name in ("a.txt", "empty.npy", "a.npz", "missing.npy", "."):
        done = vecna("inspect", tmp_path / name, status=1)
        assert done.out == "" and done.err.startswith("vecna: ")
    assert "usage:" in vecna("inspect", status=2).err


def test_short_decimals_of_word2vec_text_are_text(vecna, tmp_path):
    """Decimals shorter than four bytes end before as many floats would: the next word is no float."""
    path = tmp_path / "vectors.txt"
    for rows in ("king 1 0\nking, 0 1\nqueen! 1 1\n", "a 1 0\r\nb# 0 1\r\nc 1 1\r\n", "a 1 0 \nb# 0 1 \nc 1 1 \n"):
        path.write_bytes(b"3 2\n" + rows.encode())
        assert ": word2vec-text," in vecna("inspect", path).out, rows


def test_what_cannot_be_told_is_not_said(vecna, tmp_path):
    for name, rows in (("none", ROWS[:0]), ("one", ROWS[:1]), ("zero", numpy.zeros((9, 8), "f4")), ("same", ROWS[[3] * 9]), ("narrow", ROWS[:, :3])):
        numpy.save(tmp_path / f"{name}.npy", rows)
        assert "Matryoshka" not in vecna("inspect", tmp_path / f"{name}.npy").out, name
        assert "narrow cone" not in vecna("inspect", tmp_path / f"{name}.npy").out, name
    numpy.save(tmp_path / "rows.npy", ROWS)
    assert "Matryoshka" in vecna("inspect", tmp_path / "rows.npy").out


def test_a_bare_matrix_is_no_glove(vecna, tmp_path):
    numpy.savetxt(tmp_path / "m.txt", ROWS)
    assert "bare matrix" in vecna("inspect", tmp_path / "m.txt", status=1).err
    assert vecna("inspect", tmp_path / "m.txt", "--in-format", "glove", "--json").json()["dim"] == 7
    numpy.savetxt(tmp_path / "m.tsv", ROWS, delimiter="\t")
    assert vecna("inspect", tmp_path / "m.tsv", "--json").json()["dim"] == 8
    (tmp_path / "w.txt").write_text("".join(f"{word} 0.5 {i}\n" for i, word in enumerate(["3.14", "pi", "2.71", "17"])))
    assert vecna("inspect", tmp_path / "w.txt", "--json").json()["dim"] == 2
