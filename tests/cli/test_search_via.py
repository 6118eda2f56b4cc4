"""vecna search --via: queries of a new model ask an index of the old one, on the real glosses of examples/, against
the same two stages in NumPy float64."""

import json

import numpy
import pytest

from conftest import ROOT, run

HOME = str(ROOT / "examples/glosses") + "/"
OLD, NEW = HOME + "corpus.minilm.384.npy", HOME + "queries.mpnet.768.npy"


def unit(rows):
    rows = rows.astype("f8")
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def via_map(tmp_path_factory):
    path = tmp_path_factory.mktemp("via") / "old-new.map"
    run("fit", HOME + "pairs.minilm.384.npy", HOME + "pairs.mpnet.768.npy", "-o", path, "--method", "blend",
        "--lambda", 0.1, "--share", 0.6)
    return path


def test_two_stages_as_numpy_has_them(vecna, via_map, tmp_path):
    got = vecna("search", OLD, NEW, "--via", via_map, "-k", 10, "--candidates", 40, "--rows", "0-99", "--json").json()
    vecna("translate", OLD, tmp_path / "t.npy", "--map", via_map)
    translated, old, queries = unit(numpy.load(tmp_path / "t.npy")), unit(numpy.load(OLD)), unit(numpy.load(NEW))[:100]
    weights = tensors(via_map)["weight"].astype("f8")
    left, _, right = numpy.linalg.svd(weights, full_matrices=False)
    first = unit(queries @ (left @ right).T) @ old.T
    second = queries @ translated.T
    different = 0
    for query, one in enumerate(got["queries"]):
        candidates = numpy.argsort(-first[query])[:40]
        wanted = candidates[numpy.argsort(-second[query, candidates])][:10]
        rows = [hit["row"] for hit in one["hits"]]
        different += rows != list(wanted)
        assert numpy.allclose([hit["score"] for hit in one["hits"]], second[query, rows], atol=1e-5)
    assert different <= 2  # a float32 rounding at the edge of the candidates


def tensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    out = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            out[name] = numpy.frombuffer(data[8 + size + begin:8 + size + end], "<f4").reshape(entry["shape"])
    return out


def test_keeps_what_the_translated_corpus_keeps(vecna, via_map, tmp_path):
    """nDCG@10 of the two stages against a corpus translated whole: nothing is lost (0.01 is a few queries)."""
    vecna("translate", OLD, tmp_path / "t.npy", "--map", via_map)
    whole = vecna("search", tmp_path / "t.npy", NEW, "--json").json()
    staged = vecna("search", OLD, NEW, "--via", via_map, "--candidates", 50, "--json").json()
    relevant = [json.loads(line)["relevant"] for line in open(HOME + "queries.jsonl", encoding="utf-8")]

    def ndcg(result):
        sums = 0
        for wanted, one in zip(relevant, result["queries"]):
            gains = [1 / numpy.log2(1 + hit["rank"]) for hit in one["hits"] if hit["row"] in wanted]
            sums += sum(gains) / sum(1 / numpy.log2(2 + numpy.arange(min(10, len(wanted)))))
        return sums / len(relevant)

    assert ndcg(staged) > ndcg(whole) - 0.01
    assert ndcg(staged) > 0.1


def test_mistakes(vecna, via_map, tmp_path):
    assert "--via goes with a QUERY" in vecna("search", OLD, "--rows", 1, "--via", via_map, status=2).err
    assert "cosine" in vecna("search", OLD, NEW, "--via", via_map, "-m", "dot", status=2).err
    assert "--candidates" in vecna("search", OLD, NEW, "--candidates", 5, status=2).err
    err = vecna("search", NEW, NEW, "--via", via_map, status=1).err
    assert "384 to 768" in err and "(768)" in err
    rng = numpy.random.default_rng(0)
    numpy.save(tmp_path / "other.npy", rng.normal(size=(500, 384)).astype("f4"))
    err = vecna("search", tmp_path / "other.npy", NEW, "--via", via_map, status=1).err
    assert "other.npy" in err and "--force" in err
    vecna("search", tmp_path / "other.npy", NEW, "--via", via_map, "--force", "--rows", 1)
    assert "no-such" in vecna("search", OLD, NEW, "--via", tmp_path / "no-such.map", status=1).err
