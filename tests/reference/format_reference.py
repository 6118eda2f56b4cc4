"""Makes the binary files of tests/golden and the corpora of their fuzzers with NumPy and safetensors.

    build/venv/bin/python tests/reference/format_reference.py

Every good file holds the same 5 x 6 matrix, exact in each type: quarters of the whole numbers
n(row, column) = (31 * row + 17 * column) % 97 - 48; integer types hold n itself, unsigned ones n + 48.
tests/unit/format/golden_test.c knows the formula and the list. The result is the same on every run.
"""

import io
import json
import pathlib
import struct

import numpy as np
from safetensors.numpy import save

ROWS, DIM = 5, 6
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
GOOD, BAD = GOLDEN / "good", GOLDEN / "bad"
FUZZ = GOLDEN.parent / "fuzz" / "corpus"
CORPUS = {
    "npy": ".npy",
    "fvecs": ("vecs",),
    "word2vec": ".bin",
    "format": ("f4.npy", "fortran.npy", "vecs", ".bin", ".safetensors"),
}

whole = (31 * np.arange(ROWS)[:, None] + 17 * np.arange(DIM)[None, :]) % 97 - 48
quarters = whole / 4.0


def matrix(dtype):
    kind = np.dtype(dtype).kind
    return (quarters if kind == "f" else whole + 48 if kind == "u" else whole).astype(dtype)


def npy(array, version=None):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asanyarray(array), version)
    return out.getvalue()


def npy_raw(header, body=b"", version=1, pad=True):
    """A .npy file whose header is any text."""
    text = header.encode("latin1")
    start = 10 if version == 1 else 12
    if pad:
        text += b" " * (-(start + len(text) + 1) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


def header(descr="'<f4'", order="False", shape="(5, 6)"):
    return "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)


def vecs(array, dims=None):
    dims = dims or [len(row) for row in array]
    return b"".join(struct.pack("<i", d) + row.tobytes() for d, row in zip(dims, array))


def word2vec(rows, dim, words, array, newline=b"\n"):
    body = b"".join(w.encode() + b" " + row.tobytes() + newline for w, row in zip(words, array))
    return b"%d %d\n" % (rows, dim) + body


def safetensors_raw(header_text, body=b""):
    text = header_text.encode()
    return struct.pack("<Q", len(text)) + text + body


def bf16(array):
    return (np.ascontiguousarray(array, "<f4").view("<u4") >> 16).astype("<u2")


WORDS = ["</s>", "the", "naïve", "new_york", "東京"]
f4 = matrix("<f4")
full = f4.tobytes()

good = {}
for dtype in ("<f4", "<f2", "<f8", ">f4", ">f2", ">f8", "|i1", "|u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"):
    name = dtype.replace("<", "").replace("|", "").replace(">", "be-")
    good[f"{name}.npy"] = npy(matrix(dtype))
good["bool.npy"] = npy(matrix("<f4") > 0)
good["f4-fortran.npy"] = npy(np.asfortranarray(f4))
good["f2-fortran.npy"] = npy(np.asfortranarray(matrix("<f2")))
good["be-f8-fortran.npy"] = npy(np.asfortranarray(matrix(">f8")))
good["f4-version2.npy"] = npy(f4, (2, 0))
good["f4-version3.npy"] = npy(f4, (3, 0))
good["f4-one-axis.npy"] = npy(f4[2])
good["f4-no-rows.npy"] = npy(f4[:0])
good["f4-python2.npy"] = npy_raw("{'shape': (5L, 6L), 'fortran_order': False, 'descr': '<f4'}", full)
good["f4-unaligned.npy"] = npy_raw('{"descr":"<f4","fortran_order":False,"shape":(5,6)}  ', full, pad=False)
good["f4.fvecs"] = vecs(f4)
good["u1.bvecs"] = vecs(matrix("|u1"))
good["i4.ivecs"] = vecs(matrix("<i4"))
good["f4.raw"] = full
good["newline.bin"] = word2vec(ROWS, DIM, WORDS, f4)
good["gensim.bin"] = word2vec(ROWS, DIM, WORDS, f4, b"")
good["f4.safetensors"] = save({"embeddings": f4})
good["f2.safetensors"] = save({"embeddings": matrix("<f2"), "bias": np.zeros(3, "<f4")})
good["bf16.safetensors"] = safetensors_raw(
    json.dumps({"embeddings": {"dtype": "BF16", "shape": [ROWS, DIM], "data_offsets": [0, 60]}}), bf16(f4).tobytes()
)
good["two.safetensors"] = save({"first": np.zeros((2, 3), "<f4"), "second": f4})

bad = {
    "empty.npy": b"",
    "magic.npy": b"\x93NUMPX" + npy(f4)[6:],
    "short.npy": npy(f4)[:9],
    "version9.npy": b"\x93NUMPY\x09" + npy(f4)[7:],
    "header-cut.npy": npy(f4)[:60],
    "header-huge.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 64,
    "header-empty.npy": npy_raw("", full),
    "header-no-brace.npy": npy_raw("'descr': '<f4'", full),
    "header-after.npy": npy_raw(header() + "x", full),
    "header-no-shape.npy": npy_raw("{'descr': '<f4', 'fortran_order': False, }", full),
    "header-twice.npy": npy_raw("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (5, 6), }", full),
    "header-unknown.npy": npy_raw("{'descr': '<f4', 'other': 1, 'fortran_order': False, 'shape': (5, 6), }", full),
    "order.npy": npy_raw(header(order="Maybe"), full),
    "descr-object.npy": npy_raw(header("'|O'"), full),
    "descr-complex.npy": npy_raw(header("'<c8'"), full),
    "descr-record.npy": npy_raw(header("[('x', '<f4')]"), full),
    "descr-long.npy": npy_raw(header("'<f4444444444444444444'"), full),
    "shape-list.npy": npy_raw(header(shape="[5, 6]"), full),
    "shape-negative.npy": npy_raw(header(shape="(5, -6)"), full),
    "shape-word.npy": npy_raw(header(shape="(5, six)"), full),
    "shape-huge.npy": npy_raw(header(shape="(99999999999999999999, 6)"), full),
    "shape-overflow.npy": npy_raw(header(shape="(4611686018427387904, 4)"), full),
    "shape-max.npy": npy_raw(header(shape="(18446744073709551600, 6)"), full),
    "shape-beyond.npy": npy_raw(header(shape="(6, 6)"), full),
    "shape-less.npy": npy_raw(header(shape="(4, 6)"), full),
    "shape-no-dim.npy": npy_raw(header(shape="(5, 0)"), b""),
    "shape-wide.npy": npy_raw(header(shape="(1, 2000000)"), b"\0" * 64),
    "shape-scalar.npy": npy_raw(header(shape="()"), b"\0" * 4),
    "shape-cube.npy": npy(np.zeros((2, 2, 2), "<f4")),
    "shape-nine.npy": npy_raw(header(shape="(1,1,1,1,1,1,1,1,1)"), b"\0" * 4),
    "cut.npy": npy(f4)[:-1],
    "fortran-cut.npy": npy(np.asfortranarray(f4))[:-1],
    "dim-negative.fvecs": vecs(f4, [-6] * 5),
    "dim-zero.fvecs": vecs(f4, [0] * 5),
    "dim-absurd.fvecs": vecs(f4, [2000000] * 5),
    "dim-changes.fvecs": vecs(f4, [6, 6, 6, 7, 6]),
    "cut.fvecs": vecs(f4)[:-2],
    "head-cut.fvecs": vecs(f4)[:3],
    "cut.bvecs": vecs(matrix("|u1"))[:-1],
    "dim-changes.ivecs": vecs(matrix("<i4"), [6, -1, 6, 6, 6]),
    "cut.raw": full[:-1],
    "cut.bin": word2vec(ROWS, DIM, WORDS, f4)[:-3],
    "more.bin": word2vec(ROWS, DIM, WORDS, f4) + b"more",
    "rows-lie.bin": word2vec(10**15, DIM, WORDS, f4),
    "dim-lie.bin": word2vec(ROWS, 2 * DIM, WORDS, f4),
    "dim-absurd.bin": word2vec(ROWS, 10**9, WORDS, f4),
    "dim-zero.bin": word2vec(ROWS, 0, WORDS, f4),
    "header.bin": b"five six\n" + word2vec(ROWS, DIM, WORDS, f4)[4:],
    "word-endless.bin": b"2 6\n" + b"a" * 70000,
    "cut.safetensors": save({"embeddings": f4})[:-1],
    "head-cut.safetensors": save({"embeddings": f4})[:40],
    "header-huge.safetensors": struct.pack("<Q", 2**62) + b"{}",
    "header-no-json.safetensors": safetensors_raw("{embeddings}", full),
    "none.safetensors": save({"bias": np.zeros(3, "<f4")}),
    "cube.safetensors": save({"embeddings": np.zeros((2, 2, 2), "<f4")}),
    "fp8.safetensors": safetensors_raw(
        json.dumps({"embeddings": {"dtype": "F8_E4M3", "shape": [2, 2], "data_offsets": [0, 4]}}), b"\0" * 4
    ),
    "gzip.jsonl": b"\x1f\x8b\x08\0" + b"\0" * 32,
    "archive.npz": b"PK\x03\x04" + b"\0" * 32,
    "parquet": b"PAR1" + b"\0" * 32,
    "nothing-known": b"\xde\xad\xbe\xef" * 20,
}

if __name__ == "__main__":
    for folder, files in ((GOOD, good), (BAD, bad)):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    for folder, endings in CORPUS.items():
        (FUZZ / folder).mkdir(parents=True, exist_ok=True)
        for kind, files in (("good", good), ("bad", bad)):
            for name, content in files.items():
                if name.endswith(endings) and 0 < len(content) < 1000:
                    (FUZZ / folder / f"{kind}-{name}").write_bytes(content)
    print(f"{len(good)} good and {len(bad)} bad files below {GOLDEN}")
