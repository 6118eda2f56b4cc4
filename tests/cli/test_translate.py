"""vecna translate end to end: every format in and out, what passes through, maps and adapters against NumPy,
what is refused, and what is left behind when the work is broken off."""

import base64
import csv
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

import numpy
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from conftest import VECNA

DIM = 6
RNG = numpy.random.default_rng(11)
ROWS = RNG.integers(-8, 9, (5, DIM)).astype("f4")
ROWS[:, 0] = 3  # no row is zero
UNIT = ROWS / numpy.linalg.norm(ROWS, axis=1, keepdims=True)
WORDS = ["the", "of", "Zürich", "日本", "x_y"]


def unit(rows):
    lengths = numpy.linalg.norm(rows.astype("f8"), axis=1, keepdims=True)
    return numpy.divide(rows, lengths, out=numpy.zeros(rows.shape), where=lengths > 0)


def b64(row):
    return base64.b64encode(numpy.asarray(row, "<f4").tobytes()).decode()


def lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()]


# ---- formats: written by hand, as other tools write them --------------------------------------------------

def put_npy(path):
    numpy.save(path, ROWS)


def put_fvecs(path):
    path.write_bytes(b"".join(struct.pack("<i", DIM) + row.astype("<f4").tobytes() for row in ROWS))


def put_ivecs(path):
    path.write_bytes(b"".join(struct.pack("<i", DIM) + row.astype("<i4").tobytes() for row in ROWS))


def put_bvecs(path):
    path.write_bytes(b"".join(struct.pack("<i", DIM) + (row + 8).astype("u1").tobytes() for row in ROWS))


def put_raw(path):
    path.write_bytes(ROWS.astype("<f4").tobytes())


def put_jsonl(path):
    path.write_text("".join(json.dumps({"id": word, "text": f"t {word}", "embedding": row.tolist()}) + "\n"
                            for word, row in zip(WORDS, ROWS)), encoding="utf-8")


def put_base64(path):
    path.write_text("".join(json.dumps({"id": word, "embedding": b64(row)}) + "\n"
                            for word, row in zip(WORDS, ROWS)), encoding="utf-8")


def put_openai(path):
    path.write_text(json.dumps({"object": "list", "model": "m", "data": [
        {"object": "embedding", "index": i, "embedding": row.tolist()} for i, row in enumerate(ROWS)],
        "usage": {"prompt_tokens": 5, "total_tokens": 5}}, indent=1))


def put_openai64(path):
    path.write_text(json.dumps({"object": "list", "data": [
        {"object": "embedding", "index": i, "embedding": b64(row)} for i, row in enumerate(ROWS)]}))


def put_table(delimiter, quoted):
    def put(path):
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter)
            if quoted:
                writer.writerow(["id", "embedding", "note"])
                writer.writerows([w, json.dumps(r.tolist()), "a \"b\"\nc"] for w, r in zip(WORDS, ROWS))
            else:
                writer.writerow(["id"] + [f"dim_{i}" for i in range(DIM)])
                writer.writerows([w, *r.tolist()] for w, r in zip(WORDS, ROWS))
    return put


def put_safetensors(path):
    save_file({"vectors": ROWS}, path)


def put_words(header):
    def put(path):
        body = "".join(f"{w} {' '.join(map(str, r.tolist()))}\n" for w, r in zip(WORDS, ROWS))
        path.write_text((f"{len(ROWS)} {DIM}\n" if header else "") + body, encoding="utf-8")
    return put


def put_word2vec(path):
    path.write_bytes(f"{len(ROWS)} {DIM}\n".encode() + b"".join(
        w.encode() + b" " + r.astype("<f4").tobytes() + b"\n" for w, r in zip(WORDS, ROWS)))


INPUTS = {
    "npy": ("in.npy", put_npy), "fvecs": ("in.fvecs", put_fvecs), "ivecs": ("in.ivecs", put_ivecs),
    "bvecs": ("in.bvecs", put_bvecs), "raw": ("in.f32", put_raw), "jsonl": ("in.jsonl", put_jsonl),
    "base64": ("in.jsonl", put_base64), "openai": ("in.json", put_openai),
    "openai-base64": ("in.json", put_openai64), "csv-columns": ("in.csv", put_table(",", False)),
    "csv-list": ("in.csv", put_table(",", True)), "tsv-columns": ("in.tsv", put_table("\t", False)),
    "tsv-list": ("in.tsv", put_table("\t", True)), "safetensors": ("in.safetensors", put_safetensors),
    "word2vec": ("in.bin", put_word2vec), "word2vec-text": ("in.emb", put_words(True)),
    "glove": ("in.txt", put_words(False)), "fasttext": ("in.vec", put_words(True)),
}


def get_npy(path):
    return numpy.load(path), None


def get_vecs(kind):
    def get(path):
        data, at, rows = path.read_bytes(), 0, []
        while at < len(data):
            (dim,) = struct.unpack_from("<i", data, at)
            rows.append(numpy.frombuffer(data, kind, dim, at + 4))
            at += 4 + dim * numpy.dtype(kind).itemsize
        return numpy.array(rows), None
    return get


def get_raw(path):
    return numpy.fromfile(path, "<f4").reshape(len(ROWS), -1), None


def get_jsonl(path):
    records = lines(path)
    rows = [numpy.frombuffer(base64.b64decode(r["embedding"]), "<f4") if isinstance(r["embedding"], str)
            else r["embedding"] for r in records]
    return numpy.array(rows, "f8"), [r.get("id") for r in records]


def get_table(delimiter):
    def get(path):
        with open(path, encoding="utf-8", newline="") as file:
            header, *records = csv.reader(file, delimiter=delimiter)
        if "embedding" in header:
            rows = [json.loads(r[header.index("embedding")]) for r in records]
        else:
            columns = [i for i, name in enumerate(header) if name.startswith("dim_")]
            rows = [[float(r[i]) for i in columns] for r in records]
        return numpy.array(rows, "f8"), [r[header.index("id")] if "id" in header else None for r in records]
    return get


def get_safetensors(path):
    (tensor,) = load_file(path).values()
    return tensor, None


def get_words(header):
    def get(path):
        body = path.read_text(encoding="utf-8").splitlines()
        if header:
            assert body.pop(0).split()[0] == str(len(ROWS))
        cells = [line.split() for line in body]
        return numpy.array([[float(x) for x in c[1:]] for c in cells]), [c[0] for c in cells]
    return get


def get_word2vec(path):
    data = io.BytesIO(path.read_bytes())
    count, dim = map(int, data.readline().split())
    words, rows = [], []
    for _ in range(count):
        word = b""
        while (byte := data.read(1)) != b" ":
            word += byte
        words.append(word.strip().decode())
        rows.append(numpy.frombuffer(data.read(4 * dim), "<f4"))
    return numpy.array(rows), words


OUTPUTS = {
    "npy": ("out.npy", get_npy), "fvecs": ("out.fvecs", get_vecs("<f4")), "raw": ("out.raw", get_raw),
    "jsonl": ("out.jsonl", get_jsonl), "csv": ("out.csv", get_table(",")), "tsv": ("out.tsv", get_table("\t")),
    "safetensors": ("out.safetensors", get_safetensors), "word2vec": ("out.bin", get_word2vec),
    "word2vec-text": ("out.emb", get_words(True)), "glove": ("out.glove", get_words(False)),
    "fasttext": ("out.vec", get_words(True)),
}


@pytest.mark.parametrize("source", INPUTS)
def test_every_format_into_every_format(vecna, tmp_path, source):
    name, put = INPUTS[source]
    path = tmp_path / name
    put(path)
    wanted = unit((ROWS + 8 if source == "bvecs" else ROWS)[:, :4])
    has_words = source not in ("npy", "fvecs", "ivecs", "bvecs", "raw", "safetensors", "openai", "openai-base64")
    for out_name, get in OUTPUTS.values():
        out = tmp_path / out_name
        raw = ["--raw-dim", DIM] if source == "raw" else []
        fmt = ["--format", "word2vec"] if out_name == "out.bin" else []
        vecna("translate", path, out, "--dim", 4, *raw, *fmt)
        rows, ids = get(out)
        assert rows.shape == wanted.shape, out_name
        assert numpy.abs(rows - wanted).max() < 1e-6, out_name
        if has_words and ids:
            assert ids == WORDS, out_name
    if source in ("bvecs", "ivecs"):  # numbers that are whole before and after stay so
        for kind, dtype in (("bvecs", "u1"), ("ivecs", "<i4")):
            if (source, kind) == ("ivecs", "bvecs"):
                continue
            out = tmp_path / f"whole.{kind}"
            vecna("translate", path, out, "--dim", 4, "--no-normalize")
            assert (get_vecs(dtype)(out)[0] == (ROWS + (8 if source == "bvecs" else 0))[:, :4]).all()


def test_fractions_do_not_go_into_whole_numbers(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    for kind in ("bvecs", "ivecs"):
        err = vecna("translate", tmp_path / "in.npy", tmp_path / f"o.{kind}", "--dim", 4, status=1).err
        assert "row 0" in err
        assert os.listdir(tmp_path) == ["in.npy"]


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8", ">f2", "i1", "<i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_types_and_orders(vecna, tmp_path, dtype, order):
    numpy.save(tmp_path / "in.npy", numpy.asarray(ROWS, dtype, order=order))
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", DIM, "--no-normalize")
    got = numpy.load(tmp_path / "out.npy")
    assert got.dtype == numpy.float32 and (got == ROWS).all()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions(vecna, tmp_path, version):
    with open(tmp_path / "in.npy", "wb") as file:
        numpy.lib.format.write_array(file, ROWS, version=version)
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 3, "--adapter", "truncate")
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), unit(ROWS[:, :3]), atol=1e-6)


# ---- what passes through -----------------------------------------------------------------------------------

NESTED = ('{"z":1e400,"id":"Ünï-1","meta":{"a":[1,2,{"b":null}],"big":123456789012345678901234567890,"f":2.50},'
          '"embedding":[3,4,0,0,0,0],"text":"line\\nbreak \\u00e9 \\ud83d\\ude00","tags":["x","\u65e5\u672c"],"t":true}')


def test_other_fields_stay_as_they_were_and_in_their_place(vecna, tmp_path):
    (tmp_path / "in.jsonl").write_text(NESTED + "\n" + NESTED.replace("Ünï-1", "2") + "\n", encoding="utf-8")
    vecna("translate", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--dim", 2)
    got = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    head, tail = NESTED.split("[3,4,0,0,0,0]")
    for line, original in zip(got, (head, head.replace("Ünï-1", "2"))):
        before, _, after = line.partition('"embedding":')
        vector, _, rest = after.partition("]")
        assert before == original.replace('"embedding":', "")
        assert json.loads(vector + "]") == pytest.approx([0.6, 0.8])
        assert rest == tail.replace("\\u00e9 \\ud83d\\ude00", "\\u00e9 \\ud83d\\ude00")


def test_base64_stays_base64(vecna, tmp_path):
    put_base64(tmp_path / "in.jsonl")
    vecna("translate", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--dim", 3)
    for record, row in zip(lines(tmp_path / "out.jsonl"), unit(ROWS[:, :3])):
        assert isinstance(record["embedding"], str)
        assert numpy.allclose(numpy.frombuffer(base64.b64decode(record["embedding"]), "<f4"), row, atol=1e-6)


def test_table_keeps_its_cells_header_and_delimiter(vecna, tmp_path):
    put_table("\t", True)(tmp_path / "in.tsv")
    vecna("translate", tmp_path / "in.tsv", tmp_path / "out.tsv", "--dim", 3)
    with open(tmp_path / "out.tsv", encoding="utf-8", newline="") as file:
        header, *records = csv.reader(file, delimiter="\t")
    assert header == ["id", "embedding", "note"]
    assert [(r[0], r[2]) for r in records] == [(w, 'a "b"\nc') for w in WORDS]


def test_named_fields_and_tensor(vecna, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"key":"k","v":[3,4],"w":[1,0,0]}\n')
    vecna("translate", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--dim", 1, "--vector-field", "w")
    (record,) = lines(tmp_path / "out.jsonl")
    assert record == {"key": "k", "v": [3, 4], "w": [1]}
    vecna("translate", tmp_path / "in.jsonl", tmp_path / "out.vec", "--dim", 2, "--vector-field", "v",
          "--id-field", "key")
    assert (tmp_path / "out.vec").read_text().split() == ["1", "2", "k", "0.6", "0.8"]
    save_file({"a": ROWS, "b": ROWS[:, ::-1].copy()}, tmp_path / "two.safetensors")
    assert "--tensor" in vecna("translate", tmp_path / "two.safetensors", tmp_path / "o.npy", "--dim", 2, status=1).err
    vecna("translate", tmp_path / "two.safetensors", tmp_path / "o.safetensors", "--dim", 2, "--tensor", "b",
          "--out-tensor", "c")
    got = load_file(tmp_path / "o.safetensors")
    assert list(got) == ["c"] and numpy.allclose(got["c"], unit(ROWS[:, :-3:-1]), atol=1e-6)


def test_streams_both_ways(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    data = (tmp_path / "in.npy").read_bytes()
    done = vecna("translate", "-", "-", "--dim", 3, stdin=data)
    assert numpy.allclose(numpy.load(io.BytesIO(done.out_bytes)), unit(ROWS[:, :3]), atol=1e-6)
    assert "standard output: 5 rows" in done.err  # the summary does not mix with the vectors
    done = vecna("translate", "-", "-", "--dim", 3, "--json", stdin=data)
    assert numpy.load(io.BytesIO(done.out_bytes)).shape == (5, 3)
    assert json.loads(done.err.splitlines()[-1])["rows"] == 5
    put_jsonl(tmp_path / "in.jsonl")
    done = vecna("translate", "-", "-", "--dim", 3, stdin=(tmp_path / "in.jsonl").read_bytes())
    assert [json.loads(line)["id"] for line in done.out.splitlines()] == WORDS
    done = vecna("translate", "-", "-", "--dim", 3, "--format", "npy", stdin=(tmp_path / "in.jsonl").read_bytes())
    assert numpy.load(io.BytesIO(done.out_bytes)).shape == (5, 3)


def test_dimensions_beyond_all_measure(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    for dim in (2**20 + 1, 2**62, 2**63 - 1):
        for adapter in ("pad", "project"):
            err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", dim, "--adapter", adapter,
                        status=1).err
            assert f"--dim {dim}" in err and "1048576" in err
    assert not (tmp_path / "out.npy").exists()


# ---- adapters ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments, wanted", [
    ((4,), ROWS[:, :4]),
    ((4, "--adapter", "truncate", "--truncate-mode", "from_start"), ROWS[:, -4:]),
    ((4, "--truncate-mode", "from_end"), ROWS[:, :4]),
    ((9,), numpy.pad(ROWS, ((0, 0), (0, 3)))),
    ((9, "--adapter", "pad", "--pad-mode", "at_start"), numpy.pad(ROWS, ((0, 0), (3, 0)))),
    ((6,), ROWS),
])
def test_adapters_agree_with_numpy(vecna, tmp_path, arguments, wanted):
    put_npy(tmp_path / "in.npy")
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", *arguments)
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), unit(wanted), atol=1e-6)
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", *arguments, "--no-normalize")
    assert (numpy.load(tmp_path / "out.npy") == wanted).all()


def test_projection_is_orthonormal_and_seeded(vecna, tmp_path):
    numpy.save(tmp_path / "in.npy", numpy.eye(12, dtype="f4"))
    matrices = {}
    for dim in (5, 20):
        for seed in (0, 1):
            vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", dim, "--adapter", "project",
                  "--seed", seed, "--no-normalize")
            matrices[dim, seed] = m = numpy.load(tmp_path / "out.npy").astype("f8")
            product = m.T @ m if dim < 12 else m @ m.T
            assert numpy.allclose(product, numpy.eye(len(product)), atol=1e-6)
        assert not numpy.allclose(matrices[dim, 0], matrices[dim, 1])
    numpy.save(tmp_path / "x.npy", (x := RNG.standard_normal((7, 12)).astype("f4")))
    vecna("translate", tmp_path / "x.npy", tmp_path / "out.npy", "--dim", 5, "--adapter", "project")
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), unit(x @ matrices[5, 0]), atol=1e-6)


def test_impossible_adapters_are_refused(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    for arguments in ((9, "--adapter", "truncate"), (3, "--adapter", "pad")):
        err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", *arguments, status=1).err
        assert "6" in err and str(arguments[0]) in err
        assert not (tmp_path / "out.npy").exists()


def test_half_precision_out(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    vecna("translate", tmp_path / "in.npy", tmp_path / "f32.npy", "--dim", 4)
    for name in ("f16.npy", "f16.safetensors", "f16.raw"):
        vecna("translate", tmp_path / "in.npy", tmp_path / name, "--dim", 4, "--dtype", "f16")
    wanted = numpy.load(tmp_path / "f32.npy").astype("f2")
    assert numpy.load(tmp_path / "f16.npy").dtype == numpy.float16
    assert (numpy.load(tmp_path / "f16.npy") == wanted).all()
    assert (get_safetensors(tmp_path / "f16.safetensors")[0] == wanted).all()
    assert (numpy.fromfile(tmp_path / "f16.raw", "<f2").reshape(5, 4) == wanted).all()
    for name in ("f16.fvecs", "f16.jsonl", "f16.csv", "f16.vec"):  # they cannot hold it, and do not pretend to
        assert "f16" in vecna("translate", tmp_path / "in.npy", tmp_path / name, "--dim", 4, "--dtype", "f16",
                              status=1).err
        assert not (tmp_path / name).exists()


# ---- rows that are wrong -----------------------------------------------------------------------------------

def test_nan_rows_are_refused_with_their_row_or_skipped(vecna, tmp_path):
    rows = numpy.tile(ROWS, (40, 1))
    rows[[57, 123], 2] = numpy.nan, -numpy.inf
    numpy.save(tmp_path / "in.npy", rows)
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 4, status=1).err
    assert "row 57" in err and "--bad-rows skip" in err and not (tmp_path / "out.npy").exists()
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 4, "--bad-rows", "skip", "--json")
    assert "2 rows" in done.err and "row 57" in done.err
    assert (done.json()["rows"], done.json()["rows_left_out"]) == (198, 2)
    wanted = unit(numpy.delete(rows, [57, 123], axis=0)[:, :4])
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), wanted, atol=1e-6)


def test_skipped_rows_take_their_fields_along(vecna, tmp_path):
    with open(tmp_path / "in.csv", "w", encoding="utf-8") as file:
        file.write("id,text,d0,d1\na,A,1,0\nb,B,nan,0\nc,C,0,2\n")
    vecna("translate", tmp_path / "in.csv", tmp_path / "out.jsonl", "--dim", 2, "--bad-rows", "skip")
    assert [(r["id"], r["text"], r["embedding"]) for r in lines(tmp_path / "out.jsonl")] == [
        ("a", "A", [1, 0]), ("c", "C", [0, 1])]


def test_zero_rows_stay_zero_and_are_reported(vecna, tmp_path, small_map):
    rows = numpy.concatenate([small_map.source[:30], numpy.zeros((2, 16), "f4"), small_map.source[30:40]])
    numpy.save(tmp_path / "in.npy", rows)
    for how in (("--map", small_map.path), ("--dim", 20, "--adapter", "project")):
        done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", *how, "--json")
        assert "2 zero rows" in done.err and "row 30" in done.err
        assert done.json()["rows_zero"] == 2
        got = numpy.load(tmp_path / "out.npy")
        assert (numpy.linalg.norm(got, axis=1) == 0).nonzero()[0].tolist() == [30, 31]


def test_huge_and_tiny_values(vecna, tmp_path):
    rows = numpy.array([[3e38, 0, 3e38], [1e-38, 1e-38, 0], [1e-44, 0, 0]], "f4")
    numpy.save(tmp_path / "in.npy", rows)
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 4)
    wanted = [[0.5**0.5, 0, 0.5**0.5, 0], [0.5**0.5, 0.5**0.5, 0, 0], [1, 0, 0, 0]]
    assert numpy.allclose(numpy.load(tmp_path / "out.npy"), wanted, atol=1e-6)


# ---- maps --------------------------------------------------------------------------------------------------

class Map:
    def __init__(self, path, source, target):
        self.path, self.source, self.target = path, source, target

    def apply(self, rows, normalize=True):
        with safe_open(self.path, "numpy") as file:
            about = file.metadata()
            weight, bias = file.get_tensor("weight").astype("f8"), file.get_tensor("bias").astype("f8")
        rows = unit(rows) if about["source_normalized"] == "1" else rows.astype("f8")
        out = rows @ weight + bias
        return unit(out) if normalize and about["normalized"] == "1" else out


def spaces(rows, seed, dims=(16, 10)):
    """Rows of clustered unit vectors in one space, and the same in another that a linear map nearly makes of it."""
    rng = numpy.random.default_rng(seed)
    centres = rng.standard_normal((12, dims[0]))
    source = unit(centres[rng.integers(0, 12, rows)] + 0.6 * rng.standard_normal((rows, dims[0])))
    target = unit(source @ rng.standard_normal(dims) + 0.02 * rng.standard_normal((rows, dims[1])) + 0.3)
    return source.astype("f4"), target.astype("f4")


def fit(vecna, folder, source, target, *options, status=0):
    for name, rows in (("s.npy", source), ("t.npy", target)):
        numpy.save(folder / name, rows)
    path = folder / "m.vecna"
    vecna("fit", folder / "s.npy", folder / "t.npy", "-o", path, "--resamples", 100, *options, status=status)
    return Map(path, source, target)


@pytest.fixture(scope="module")
def small_map(tmp_path_factory):
    from conftest import run
    return fit(run, tmp_path_factory.mktemp("map"), *spaces(240, 3), "--method", "ridge", "--source-name", "old",
               "--target-name", "new")


@pytest.fixture(scope="module")
def failed_map(tmp_path_factory):
    from conftest import run
    rng = numpy.random.default_rng(0)
    return fit(run, tmp_path_factory.mktemp("failed"), rng.standard_normal((120, 8)).astype("f4"),
               rng.standard_normal((120, 8)).astype("f4"), "--method", "ridge", status=3)


@pytest.fixture(scope="module")
def ada_map(tmp_path_factory):
    """ada-002 to mpnet from a slice of the examples."""
    from conftest import ROOT, run
    docs = ROOT / "examples" / "docs"
    return fit(run, tmp_path_factory.mktemp("ada"), numpy.load(docs / "pairs.ada-002.1536.npy")[::6],
               numpy.load(docs / "pairs.mpnet.768.npy")[::6], "--method", "procrustes-ls",
               "--source-name", "ada-002", "--target-name", "mpnet")


@pytest.mark.parametrize("extra", [(), ("--normalize",), ("--no-normalize",), ("--threads", 1), ("--threads", 3)])
def test_map_agrees_with_numpy(vecna, tmp_path, small_map, extra):
    numpy.save(tmp_path / "in.npy", small_map.source)
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--json", *extra)
    wanted = small_map.apply(small_map.source, normalize="--no-normalize" not in extra)
    assert numpy.abs(numpy.load(tmp_path / "out.npy") - wanted).max() < 1e-5
    summary = done.json()
    assert (summary["rows"], summary["source_dim"], summary["target_dim"]) == (240, 16, 10)


def test_map_of_real_models_agrees_with_numpy(vecna, tmp_path, ada_map, examples):
    new = examples / "docs" / "new.ada-002.1536.npy"
    vecna("translate", new, tmp_path / "out.npy", "--map", ada_map.path)
    got = numpy.load(tmp_path / "out.npy")
    assert numpy.abs(got - ada_map.apply(numpy.load(new))).max() < 1e-5
    truth = numpy.load(examples / "docs" / "new.mpnet.768.npy").astype("f8")
    assert (got * truth).sum(1).mean() > 0.5


def test_rows_of_other_lengths_are_scaled_and_reported(vecna, tmp_path, small_map):
    numpy.save(tmp_path / "in.npy", 3 * small_map.source)
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--json")
    assert done.json()["rows_scaled"] == 240 and "240 rows" in done.err
    assert numpy.abs(numpy.load(tmp_path / "out.npy") - small_map.apply(small_map.source)).max() < 1e-5


def test_jsonl_through_a_map(vecna, tmp_path, small_map):
    rows = small_map.source[:50]
    (tmp_path / "in.jsonl").write_text("".join(
        json.dumps({"id": i, "embedding": row.tolist(), "m": {"k": [i]}}) + "\n" for i, row in enumerate(rows)))
    vecna("translate", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--map", small_map.path)
    got = lines(tmp_path / "out.jsonl")
    assert [(list(r), r["id"], r["m"]) for r in got] == [(["id", "embedding", "m"], i, {"k": [i]}) for i in range(50)]
    assert numpy.abs(numpy.array([r["embedding"] for r in got]) - small_map.apply(rows)).max() < 1e-5


def test_many_blocks_keep_their_order(vecna, tmp_path, small_map):
    rows = numpy.tile(small_map.source, (700, 1))
    rows *= numpy.linspace(1, 2, len(rows), dtype="f4")[:, None]
    rows[150000] = 0
    numpy.save(tmp_path / "in.npy", rows)
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--threads", 3)
    assert "row 150000" in done.err
    wanted = small_map.apply(rows)
    wanted[150000] = 0
    assert numpy.abs(numpy.load(tmp_path / "out.npy") - wanted).max() < 1e-5


class Bytes:
    """The float64 twin of translate --int8: rows about the mean of the source space in 127 steps, weights by column."""

    def __init__(self, map_path):
        with safe_open(map_path, "numpy") as file:
            self.weight, self.bias = (file.get_tensor(n).astype("f8") for n in ("weight", "bias"))
            self.centre = file.get_tensor("source_space.mean").astype("f8")
        self.step = numpy.abs(self.weight).max(0) / 127
        self.bytes = numpy.rint(self.weight / numpy.where(self.step > 0, self.step, 1))

    def apply(self, rows):
        rows = unit(rows) - self.centre
        step = numpy.abs(rows).max(1, keepdims=True) / 127
        return unit(numpy.rint(rows / step) @ self.bytes * step * self.step + self.centre @ self.weight + self.bias)


def test_int8_agrees_with_its_twin_and_says_what_it_costs(vecna, tmp_path, ada_map, examples):
    new = examples / "docs" / "new.ada-002.1536.npy"
    twin = Bytes(ada_map.path).apply(numpy.load(new))
    exact = ada_map.apply(numpy.load(new))
    done = vecna("translate", new, tmp_path / "out.npy", "--map", ada_map.path, "--int8", "--json")
    got = numpy.load(tmp_path / "out.npy").astype("f8")
    # a value at the edge of two steps may be rounded the other way: one step of 1536 in some rows
    assert numpy.abs(got - twin).max() < 1e-4 and numpy.median(numpy.abs(got - twin)) < 1e-6
    cosines = (unit(got) * exact).sum(1)
    loss = done.json()["int8"]
    assert abs(loss["cosine_mean"] - cosines.mean()) < 1e-6 and abs(loss["cosine_least"] - cosines.min()) < 1e-6
    assert loss["cosine_mean"] > 0.9999 and loss["rows"] == 150 and loss["overlap"] > 0.98
    near = [numpy.argsort(-(x @ x.T - 9 * numpy.eye(len(x))), 1, "stable")[:, :10] for x in (exact, unit(got))]
    kept = numpy.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near)])
    assert abs(loss["overlap"] - kept) < 0.002
    err = vecna("translate", new, tmp_path / "out.npy", "--map", ada_map.path, "--int8").err
    assert f"{cosines.mean():.5f}" in err and "10 nearest rows stay (first 150 rows)" in err


def test_int8_of_odd_rows(vecna, tmp_path, small_map):
    rows = small_map.source[:3].copy()
    rows[1] = 0
    numpy.save(tmp_path / "in.npy", rows)
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--int8")
    got = numpy.load(tmp_path / "out.npy")
    assert (got[1] == 0).all() and numpy.abs(got[::2] - small_map.apply(rows[::2])).max() < 0.02
    numpy.save(tmp_path / "in.npy", 0 * rows)
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--int8", "--json")
    assert done.json()["int8"] == {"rows": 0} and (numpy.load(tmp_path / "out.npy") == 0).all()
    numpy.save(tmp_path / "in.npy", rows[:1])
    assert "one row" in vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path,
                              "--int8").err


def test_failed_map_needs_force(vecna, tmp_path, failed_map):
    numpy.save(tmp_path / "in.npy", failed_map.source)
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", failed_map.path, status=1).err
    assert "FAIL" in err and "--force" in err and not (tmp_path / "out.npy").exists()
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", failed_map.path, "--force")
    assert numpy.abs(numpy.load(tmp_path / "out.npy") - failed_map.apply(failed_map.source)).max() < 1e-4


def test_foreign_vectors_of_equal_dimension_are_refused(vecna, tmp_path, ada_map, examples):
    foreign = examples / "docs" / "foreign.3-small.1536.npy"
    err = vecna("translate", foreign, tmp_path / "out.npy", "--map", ada_map.path, status=1).err
    assert "ada-002" in err and "--force" in err and os.listdir(tmp_path) == []
    err = vecna("translate", foreign, tmp_path / "out.npy", "--map", ada_map.path, "--force").err
    assert "--force" in err and numpy.load(tmp_path / "out.npy").shape == (50, 768)


def test_gecko_and_its_successor_are_told_apart(vecna, tmp_path, shared):
    gecko = shared / "vectors" / "airport-amenities.vertex-textembedding-gecko-001.768.npy"
    successor = shared / "vectors" / "airport-amenities.vertex-text-embedding-005.768.npy"
    path = tmp_path / "m.vecna"
    vecna("fit", gecko, successor, "-o", path, "--method", "procrustes", "--resamples", 100)
    vecna("translate", gecko, tmp_path / "out.npy", "--map", path)
    assert "--force" in vecna("translate", successor, tmp_path / "no.npy", "--map", path, status=1).err
    assert not (tmp_path / "no.npy").exists()


def test_wrong_dimension_and_broken_maps(vecna, tmp_path, small_map):
    put_npy(tmp_path / "in.npy")
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, status=1).err
    assert "6 dimensions" in err and "16" in err
    data = bytearray(small_map.path.read_bytes())
    (tmp_path / "cut.vecna").write_bytes(data[:-100])
    data[-50] ^= 4
    (tmp_path / "flip.vecna").write_bytes(data)
    numpy.save(tmp_path / "s.npy", small_map.source)
    for name in ("cut.vecna", "flip.vecna", "in.npy", "absent.vecna"):
        err = vecna("translate", tmp_path / "s.npy", tmp_path / "out.npy", "--map", tmp_path / name, "--force", status=1).err
        assert name in err and not (tmp_path / "out.npy").exists()


def test_chains_are_refused_unless_asked_for_and_matching(vecna, tmp_path, small_map):
    back = tmp_path / "back"
    back.mkdir()
    second = fit(vecna, back, small_map.target, small_map.source, "--method", "ridge", "--source-name", "new",
                 "--target-name", "old")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other = fit(vecna, stranger, small_map.target, small_map.source, "--method", "ridge", "--source-name", "another")
    numpy.save(tmp_path / "in.npy", small_map.source)
    files = tmp_path / "in.npy", tmp_path / "out.npy"
    maps = "--map", small_map.path, "--map", second.path
    assert "--chain" in vecna("translate", *files, *maps, status=2).err
    err = vecna("translate", *files, "--map", small_map.path, "--map", other.path, "--chain", status=1).err
    assert "another" in err and "new" in err
    err = vecna("translate", *files, "--map", small_map.path, "--map", small_map.path, "--chain", status=1).err
    assert "10" in err and "16" in err and not files[1].exists()
    vecna("translate", *files, *maps, "--chain")
    assert numpy.abs(numpy.load(files[1]) - second.apply(small_map.apply(small_map.source))).max() < 1e-5


def spread(x):
    return x - x.mean(0)


def test_what_is_explained_is_said_before_going_up(vecna, tmp_path, small_map):
    numpy.save(tmp_path / "down.npy", small_map.target)
    up = fit(vecna, tmp_path, small_map.target, small_map.source, "--method", "ridge", "--lambda", 0.01)
    done = vecna("translate", tmp_path / "down.npy", tmp_path / "up.npy", "--map", up.path)
    share = vecna("translate", tmp_path / "down.npy", tmp_path / "up.npy", "--map", up.path, "--json").json()["explained"]
    assert f"the source explains {100 * share:.0f} % of the target's variance" in done.err
    # held out when it was fitted: near to the same of all rows, a little below
    a, b = spread(unit(small_map.source)), spread(up.apply(small_map.target))
    of_all = (a * b).sum() ** 2 / (a * a).sum() / (b * b).sum()
    assert of_all - 0.1 < share <= of_all
    numpy.save(tmp_path / "in.npy", small_map.source)
    done = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path)
    assert "explains" not in done.err  # downwards nothing is made up


def test_what_a_chain_loses_is_measured_on_native_rows(vecna, tmp_path, small_map):
    back = tmp_path / "back"
    back.mkdir()
    second = fit(vecna, back, small_map.target, small_map.source, "--method", "ridge", "--source-name", "new",
                 "--target-name", "old")
    numpy.save(tmp_path / "in.npy", small_map.source)
    native = small_map.source.copy()
    native[3] = 0  # has no direction: not compared
    numpy.save(tmp_path / "native.npy", native)
    files = tmp_path / "in.npy", tmp_path / "out.npy"
    maps = "--map", small_map.path, "--map", second.path, "--chain"
    done = vecna("translate", *files, *maps)
    assert "a chain of 2 maps" in done.err and "--native" in done.err
    done = vecna("translate", *files, *maps, "--native", tmp_path / "native.npy", "--json")
    kept, rows = done.json()["native"], numpy.arange(240) != 3
    got = second.apply(small_map.apply(small_map.source))[rows]
    truth = unit(native)[rows]
    cosines = (got * truth).sum(1)
    assert kept["rows"] == 239 and abs(kept["cosine_mean"] - cosines.mean()) < 1e-5
    assert abs(kept["cosine_least"] - cosines.min()) < 1e-5
    near = [numpy.argsort(-(x @ x.T - 9 * numpy.eye(len(x))), 1, "stable")[:, :10] for x in (truth, got)]
    assert abs(kept["overlap"] - numpy.mean([len(set(a) & set(b)) / 10 for a, b in zip(*near)])) < 0.002
    shares = [vecna("inspect", m.path, "--json").json()["report"]["explained"] for m in (small_map, second)]
    assert abs(done.json()["explained"] - shares[0] * shares[1]) < 1e-9
    text = vecna("translate", *files, *maps, "--native", tmp_path / "native.npy").err
    assert f"the chain: cosine to the native vectors {cosines.mean():.3f}" in text


def test_native_rows_must_fit(vecna, tmp_path, small_map):
    numpy.save(tmp_path / "in.npy", small_map.source)
    numpy.save(tmp_path / "wide.npy", small_map.source)
    numpy.save(tmp_path / "empty.npy", numpy.zeros((3, 10), "f4"))
    files = tmp_path / "in.npy", tmp_path / "out.npy", "--map", small_map.path, "--native"
    assert "16" in vecna("translate", *files, tmp_path / "wide.npy", status=1).err
    assert "no row to compare" in vecna("translate", *files, tmp_path / "empty.npy", status=1).err
    assert not files[1].exists()
    numpy.save(tmp_path / "one.npy", small_map.target[:1])
    assert "cosine to the native vector " in (err := vecna("translate", *files, tmp_path / "one.npy").err) and "nearest" not in err


# ---- options that exclude each other, and files that cannot be written -------------------------------------

@pytest.mark.parametrize("arguments", [
    (), ("--map", "m", "--dim", 3), ("--dim", 3, "--normalize", "--no-normalize"), ("--dim", 0),
    ("--dim", 3, "--dtype", "f12"), ("--map", "m", "--adapter", "pad"), ("--map", "m", "--seed", 3),
    ("--dim", 3, "--int8"), ("--dim", 3, "--native", "f"), ("--map", "m", "--truncate-mode", "from_start"), ("--map", "m", "--pad-mode", "at_start"),
])
def test_options_that_would_be_ignored_are_mistakes(vecna, tmp_path, arguments):
    put_npy(tmp_path / "in.npy")
    assert "usage:" in vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", *arguments, status=2).err


def test_a_tensor_name_is_for_safetensors(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 3, "--out-tensor", "x", status=1).err
    assert "npy" in err and "safetensors" in err and not (tmp_path / "out.npy").exists()


def test_unknown_output_name(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "out.xyz", "--dim", 3, status=1).err
    assert "out.xyz" in err and "--format" in err
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.xyz", "--dim", 3, "--format", "npy")
    assert numpy.load(tmp_path / "out.xyz").shape == (5, 3)
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "o.npy", "--dim", 3, "--format", "npz", status=1).err
    assert "npz" in err


def test_output_that_cannot_be_written(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "no" / "out.npy", "--dim", 3, status=1).err
    assert "no" in err and "No such file" in err
    (tmp_path / "file").write_text("")
    err = vecna("translate", tmp_path / "in.npy", tmp_path / "file" / "out.npy", "--dim", 3, status=1).err
    assert "Not a directory" in err
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        err = vecna("translate", tmp_path / "in.npy", tmp_path / "locked" / "out.npy", "--dim", 3, status=1).err
        assert "Permission denied" in err
    assert "directory" in vecna("translate", tmp_path / "in.npy", tmp_path, "--dim", 3, "--format", "npy", status=1).err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("fmt", ["npy", "jsonl", "csv"])
def test_full_disk(vecna, tmp_path, fmt):
    numpy.save(tmp_path / "in.npy", numpy.tile(ROWS, (2000, 1)))
    err = vecna("translate", tmp_path / "in.npy", "/dev/full", "--dim", 3, "--format", fmt, status=1).err
    assert "No space left" in err
    with open("/dev/full", "wb") as full:
        done = subprocess.run([VECNA, "translate", tmp_path / "in.npy", "-", "--dim", "3", "--format", fmt],
                              stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"No space left" in done.stderr


def test_an_output_that_exists_stays_when_the_work_fails(vecna, tmp_path):
    rows = ROWS.copy()
    rows[4, 1] = numpy.nan
    numpy.save(tmp_path / "in.npy", rows)
    (tmp_path / "out.npy").write_bytes(b"precious")
    vecna("translate", tmp_path / "in.npy", tmp_path / "out.npy", "--dim", 3, status=1)
    assert (tmp_path / "out.npy").read_bytes() == b"precious" and len(os.listdir(tmp_path)) == 2


def test_a_file_may_be_translated_onto_itself(vecna, tmp_path):
    put_npy(tmp_path / "in.npy")
    vecna("translate", tmp_path / "in.npy", tmp_path / "in.npy", "--dim", 3)
    assert numpy.allclose(numpy.load(tmp_path / "in.npy"), unit(ROWS[:, :3]), atol=1e-6)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(tmp_path, number):
    """Rows come through a pipe that is never closed, so the work is under way however slow the machine is."""
    child = subprocess.Popen([VECNA, "translate", "-", tmp_path / "out.fvecs", "--dim", "3", "--in-format", "fvecs",
                              "--threads", "2"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    row = struct.pack("<i", 64) + bytes(range(256))
    rows = struct.pack("<i", 64) + numpy.ones(64, "<f4").tobytes()
    assert len(row) == len(rows)
    try:
        child.stdin.write(rows * 80000)
        child.stdin.flush()
        deadline = time.monotonic() + 60
        while not os.listdir(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.listdir(tmp_path) and not (tmp_path / "out.fvecs").exists()
        child.send_signal(number)
        assert child.wait(60) == -number
    finally:
        child.kill()
        child.stdin.close()
        child.wait()
    assert os.listdir(tmp_path) == []


def test_memory_does_not_grow_with_the_file(tmp_path, small_map):
    if "asan" in VECNA:
        pytest.skip("a sanitizer's shadow is not vecna's memory")
    header = io.BytesIO()
    rows = numpy.tile(small_map.source[:200], (50, 1)).astype("f4").tobytes()
    count = 480
    numpy.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (count * 10000, 16)})
    with open(tmp_path / "in.npy", "wb") as file:
        file.write(header.getvalue())
        for _ in range(count):
            file.write(rows)
    # a program counts the memory of the one that starts it, up to then, as its own: a small one starts it
    measure = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
               "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    done = subprocess.run([sys.executable, "-c", measure, VECNA, "translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map",
                           small_map.path], capture_output=True, text=True, check=True)
    status, kilobytes = map(int, done.stdout.split())
    assert status == 0
    assert (tmp_path / "out.npy").stat().st_size == 128 + count * 10000 * 40
    assert kilobytes < 200 * 1024
