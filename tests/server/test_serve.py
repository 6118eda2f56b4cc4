"""`vecna serve` in front of a scripted upstream: vectors right, in order, or an error with a sentence."""

import base64

import numpy
import pytest

from serving import Served, serving, upstream, vector_of


def test_pads_cuts_and_keeps_order():
    with upstream(dim=384) as up:
        with serving("--upstream", up.url, "--model", "m", "--dim", 1536) as vecna:
            texts = [f"text {i}" for i in range(50)]
            vectors, headers = vecna.embed(texts)
            assert vectors.shape == (50, 1536)
            for text, vector in zip(texts, vectors):
                assert numpy.array_equal(vector[:384].astype(numpy.float32), vector_of(text, 384))
                assert not vector[384:].any()
            assert headers["x-vecna-map"] == "default"
            assert headers["x-vecna-source-dim"] == "384"
            assert headers["x-vecna-change"] == "pad 384 to 1536, same space"
            assert headers["x-vecna-cache"] == "miss"
            assert int(headers["x-vecna-overhead-us"]) >= 0
        with serving("--upstream", up.url, "--model", "m", "--dim", 100) as vecna:
            vectors, headers = vecna.embed("one")
            cut = vector_of("one", 384)[:100].astype(numpy.float64)
            assert vectors[0] == pytest.approx(cut / numpy.linalg.norm(cut), abs=1e-6)
            assert headers["x-vecna-change"] == "truncate 384 to 100, same space"


def test_base64_is_float32_to_the_letter():
    with upstream() as up, serving("--upstream", up.url, "--model", "m") as vecna:
        status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x", "encoding_format": "base64"})
        assert status == 200
        assert base64.b64decode(body["data"][0]["embedding"]) == vector_of("x", 384).tobytes()
        assert up.bodies[-1]["encoding_format"] == "base64"


def test_the_cache_answers_again():
    with upstream() as up, serving("--upstream", up.url, "--model", "m") as vecna:
        first, headers = vecna.embed(["a", "b"])
        assert headers["x-vecna-cache"] == "miss"
        again, headers = vecna.embed(["b", "c", "a"])
        assert headers["x-vecna-cache"] == "partial; hits=2; misses=1"
        assert numpy.array_equal(again[0], first[1]) and numpy.array_equal(again[2], first[0])
        assert vecna.embed(["a"])[1]["x-vecna-cache"] == "hit"
        assert up.inputs() == [["a", "b"], ["c"]]


def test_no_upstream_says_what_to_do(tmp_path):
    vecna = Served(ready=False, cwd=tmp_path)
    text = vecna.stop(status=1)
    assert "vecna onboard" in text and "--upstream" in text
