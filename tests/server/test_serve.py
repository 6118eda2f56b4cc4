"""`vecna serve` in front of a scripted upstream: vectors right, in order, or an error with a sentence."""

import base64

import numpy
import pytest

from serving import serving, upstream, vector_of


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


def test_without_an_upstream_the_built_in_model_answers(tmp_path):
    (tmp_path / "vecna.yaml").write_text("listen: 127.0.0.1:1\n")
    with serving("--dim", 300, cwd=tmp_path) as vecna:
        assert vecna.said("vecna.yaml of this folder is not read")
        assert "from the built-in model (256) -> padded -> 300" in vecna.line
        assert vecna.said("vecna onboard")
        vectors, headers = vecna.embed(["A man is eating food.", "A man eats bread.", "Interest rates rose."])
        assert vectors.shape == (3, 300) and numpy.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
        assert headers["x-vecna-cache"] == "none"
        assert vecna.ask("/readyz")[0] == 200
        assert [m["id"] for m in vecna.ask("/v1/models")[2]["data"]] == ["built-in"]
        status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": ["good", "\u2603"]})
        assert status == 400 and "input 1" in body["error"]["message"]
        assert vecna.metric("vecna_canary_cosine") == 1


def test_a_file_can_mix_static_models_and_servers(tmp_path):
    config = tmp_path / "v.yaml"
    with upstream(dim=64) as up:
        config.write_text(f"""
forward:
  target: server
  targets:
    - {{name: quick, provider: static}}
    - {{name: server, url: {up.url}, model: m}}
extra_maps:
  quick: {{forward_target: quick, type: projection, target_dim: 64}}
""")
        with serving("--config", config) as vecna:
            assert numpy.array_equal(vecna.embed("x")[0][0].astype(numpy.float32), vector_of("x", 64))
            assert vecna.embed("bread", "/map/quick/v1/embeddings")[0].shape == (1, 64)
