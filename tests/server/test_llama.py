"""Gemma, a language model that nobody trained to embed: 640 dimensions, vectors of length 80. Behind llama.cpp's Node
binding it is an upstream to be brought to length; behind llama-cpp-python as that starts it gives one vector for each
token, which must not become anybody's embedding. The latter compiles for twenty minutes: with VECNA_LONG=1."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy
import pytest

from serving import ROOT, VECNA, serving

MODELS = ROOT / "build" / "models"
TEXTS = ["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."]


def direct(url, texts):
    """What the model server says itself."""
    request = urllib.request.Request(url + "/v1/embeddings", json.dumps({"input": texts, "model": "gemma"}).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return numpy.array([entry["embedding"] for entry in json.load(answer)["data"]])


@pytest.fixture(scope="module")
def gemma():
    if shutil.which("node") is None or not (MODELS / "node").is_dir():
        pytest.skip("no node, or scripts/test_models.sh has not run")
    process = subprocess.Popen(["node", ROOT / "tests/server/models/gemma.mjs", MODELS / "gemma.gguf"], cwd=MODELS / "node",
                               stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    yield f"http://127.0.0.1:{re.search(r'ready on ([0-9]+)', line)[1]}"
    process.terminate()
    process.wait(20)


def test_vectors_that_are_not_of_unit_length_get_it(gemma):
    raw = direct(gemma, TEXTS)
    lengths = numpy.linalg.norm(raw, axis=1)
    assert raw.shape == (3, 640) and lengths.min() > 10  # what this test is about
    unit = raw / lengths[:, None]
    with serving("--upstream", gemma, "--model", "gemma") as vecna:
        got, headers = vecna.embed(TEXTS)
        assert headers["x-vecna-source-dim"] == "640" and headers["x-vecna-change"] == "none"
        assert got == pytest.approx(unit, abs=1e-6)
        _, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": TEXTS, "encoding_format": "base64"})
        packed = [numpy.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in body["data"]]
        assert numpy.array(packed) == pytest.approx(unit, abs=1e-6)
        assert vecna.ask("/api/embed", {"model": "m", "input": TEXTS})[2]["embeddings"][1] == pytest.approx(unit[1], abs=1e-6)
        # Ollama's older route gives what the model gives
        assert vecna.ask("/api/embeddings", {"model": "m", "prompt": TEXTS[1]})[2]["embedding"] == pytest.approx(raw[1], rel=1e-5)


def test_as_many_dimensions_as_the_tool_wants_and_the_same_cosines(gemma, tmp_path):
    config = tmp_path / "v.yaml"
    config.write_text(json.dumps({
        "forward": {"targets": [{"name": "gemma", "url": gemma, "model": "gemma"}]},
        "adapter": {"type": "truncate", "target_dim": 1536},
        "extra_maps": {"turned": {"type": "projection", "target_dim": 1536, "seed": 3},
                       "raw": {"type": "none", "target_dim": 0, "normalize": False}}}))
    raw = direct(gemma, TEXTS)
    unit = raw / numpy.linalg.norm(raw, axis=1, keepdims=True)
    with serving("--config", config) as vecna:
        for prefix in ("", "/map/turned"):
            got, _ = vecna.embed(TEXTS, prefix + "/v1/embeddings")
            assert got.shape == (3, 1536)
            assert got @ got.T == pytest.approx(unit @ unit.T, abs=1e-5)
        assert vecna.embed(TEXTS, "/map/raw/v1/embeddings")[0] == pytest.approx(raw, rel=1e-5, abs=1e-4)


def test_many_texts_are_as_one(gemma):
    """Several calls at once and in one: a text's vector is its own."""
    texts = [f"Text number {i}, about {word}." for i, word in enumerate(["rain", "bread", "ships", "kings", "moss"] * 3)]
    with serving("--upstream", gemma, "--model", "gemma", env={"VECNA_FORWARD_TARGETS_0_BATCH_INPUTS": "4"}) as vecna:
        got, headers = vecna.embed(texts)
        assert headers["x-vecna-cache"] == "miss"
        for i in (0, 7, 14):
            assert got[i] == pytest.approx(direct(vecna.url, [texts[i]])[0], abs=1e-5)


def test_the_commands_say_its_dimension_and_length(gemma, tmp_path):
    done = subprocess.run([VECNA, "models", gemma, "--json"], capture_output=True, text=True, check=True, timeout=120)
    (model,) = json.loads(done.stdout)["servers"][0]["models"]
    assert model["dim"] == 640 and model["norm"] > 10
    (tmp_path / "t.txt").write_text("\n".join(TEXTS) + "\n")
    subprocess.run([VECNA, "embed", tmp_path / "t.txt", "--upstream", gemma, "--model", "gemma", "-o", tmp_path / "v.npy"],
                   capture_output=True, check=True, timeout=120)
    assert numpy.load(tmp_path / "v.npy").shape == (3, 640)


@pytest.fixture(scope="module")
def per_token():
    """llama-cpp-python's server, as its documentation starts it."""
    if os.environ.get("VECNA_LONG") != "1":
        pytest.skip("VECNA_LONG=1 compiles and asks llama-cpp-python")
    if not (MODELS / ".python").exists():
        pytest.skip("VECNA_LONG=1 scripts/test_models.sh has not run")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([MODELS / "python/bin/python", "-m", "llama_cpp.server", "--model", MODELS / "gemma.gguf", "--embedding",
                                "true", "--host", "127.0.0.1", "--port", str(port), "--n_threads", "1", "--n_ctx", "512",
                                "--model_alias", "gemma"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def test_a_vector_for_each_token_is_refused(per_token):
    request = urllib.request.Request(per_token + "/v1/embeddings", json.dumps({"input": TEXTS[0], "model": "gemma"}).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        rows = numpy.array(json.load(answer)["data"][0]["embedding"])
    assert rows.ndim == 2 and len(rows) > 4  # what this test is about
    with serving("--upstream", per_token, "--model", "gemma") as vecna:
        for path, body in (("/v1/embeddings", {"model": "m", "input": TEXTS[0]}), ("/v1/embeddings", {"model": "m", "input": TEXTS}),
                           ("/api/embed", {"model": "m", "input": TEXTS[0]})):
            status, headers, answer = vecna.ask(path, body)
            said = json.dumps(answer)
            assert status == 502 and "upstream upstream answers one vector for each token" in said, said
            assert "data" not in answer and "embeddings" not in answer
