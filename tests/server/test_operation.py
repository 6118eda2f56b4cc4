"""Keys, limits, maps by name, reloads, drift and the end of `vecna serve`."""

import concurrent.futures
import hashlib
import json
import os
import signal
import threading
import time

import numpy
import pytest

from serving import Served, serving, upstream, vector_of


def write(path, text):
    path.write_text(text)
    return path


def config(up, more="", target=""):
    return f"forward: {{targets: [{{name: local, url: {up.url}, model: m, {target}}}]}}\n{more}"


def test_maps_by_path_and_by_model(tmp_path):
    with upstream(dim=64) as up:
        path = write(tmp_path / "v.yaml", config(up, """
adapter: {type: truncate, target_dim: 128}
extra_maps:
  small: {target_dim: 16, truncate_mode: from_start}
  turned: {type: projection, target_dim: 32, seed: 3}
  random: {type: random, target_dim: 32, seed: 3}
  raw: {type: none, target_dim: 0}
"""))
        with serving("--config", path) as vecna:
            assert vecna.embed("x")[0].shape == (1, 128)
            assert vecna.embed("x", "/map/small/v1/embeddings")[0].shape == (1, 16)
            last = vector_of("x", 64)[48:].astype(numpy.float64)
            assert vecna.embed("x", "/map/small/v1/embeddings")[0][0] == pytest.approx(last / numpy.linalg.norm(last), abs=1e-6)
            turned = vecna.embed("x", "/map/turned/v1/embeddings")[0]
            assert numpy.array_equal(turned, vecna.embed("x", "/map/random/v1/embeddings")[0])
            assert vecna.embed("x", "/map/raw/v1/embeddings")[0].shape == (1, 64)
            status, headers, body = vecna.ask("/v1/embeddings", {"model": "small", "input": "x"})
            assert len(body["data"][0]["embedding"]) == 16 and headers["x-vecna-map"] == "small"
            status, _, body = vecna.ask("/map/none/v1/embeddings", {"model": "m", "input": "x"})
            assert status == 404 and 'no map "none"' in body["error"]["message"]
            assert vecna.ask("/map/none/v1/models")[0] == 404
            status, _, body = vecna.ask("/map/small/api/embed", {"model": "m", "input": ["x"]})
            assert status == 200 and len(body["embeddings"][0]) == 16
            status, _, body = vecna.ask("/map/small/v1beta/models/g:embedContent", {"content": {"parts": [{"text": "x"}]}})
            assert status == 200 and len(body["embedding"]["values"]) == 16
            assert [m["id"] for m in vecna.ask("/v1/models")[2]["data"]] == ["m", "small", "turned", "random", "raw"]
            assert len(up.inputs()) == 1 # one cached vector serves all maps


def test_dimensions_of_a_matryoshka_model(tmp_path):
    with upstream(dim=64) as up:
        path = write(tmp_path / "v.yaml", config(up, target="matryoshka: true"))
        with serving("--config", path) as vecna:
            vectors, headers = vecna.embed("x", dimensions=16)
            cut = vector_of("x", 64)[:16].astype(numpy.float64)
            assert vectors[0] == pytest.approx(cut / numpy.linalg.norm(cut), abs=1e-6)
            assert headers["x-vecna-change"] == "none; cut 64 to 16"
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x", "dimensions": 65})[0] == 400
            for asked, given in ((16, 16), (64, 64), (65, 64), (0, 64)):  # Ollama gives what it has
                status, _, body = vecna.ask("/api/embed", {"model": "m", "input": "x", "dimensions": asked})
                assert status == 200 and len(body["embeddings"][0]) == given
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x", "dimensions": 0})
            assert status == 400 and body["error"]["param"] == "dimensions"


def test_each_providers_rule_of_length(tmp_path):
    with upstream(dim=8, scale=7) as up:
        with serving("--upstream", up.url, "--model", "m") as vecna:
            assert numpy.linalg.norm(vecna.embed("x")[0]) == pytest.approx(1, abs=1e-6)
            new = vecna.ask("/api/embed", {"model": "m", "input": "x"})[2]["embeddings"][0]
            old = vecna.ask("/api/embeddings", {"model": "m", "prompt": "x"})[2]["embedding"]
            assert numpy.linalg.norm(new) == pytest.approx(1, abs=1e-6)
            assert numpy.linalg.norm(old) == pytest.approx(7, abs=1e-5)
            assert vecna.ask("/api/embeddings", {"model": "m", "prompt": ""})[2] == {"embedding": []}
            assert vecna.ask("/api/embed", {"model": "m"})[2]["embeddings"] == []
        path = write(tmp_path / "v.yaml", config(up, "adapter: {normalize: false}\n"))
        with serving("--config", path) as vecna:
            assert numpy.linalg.norm(vecna.embed("x")[0]) == pytest.approx(7, abs=1e-5)


def test_prefixes_by_task(tmp_path):
    with upstream() as up:
        path = write(tmp_path / "v.yaml", config(up, "extra_maps: {own: {query_prefix: 'ask: '}}\n",
                                                 "query_prefix: 'query: ', document_prefix: 'passage: '"))
        with serving("--config", path) as vecna:
            vecna.embed("a")
            vecna.ask("/v2/embed", {"model": "m", "texts": ["b"], "input_type": "search_query", "embedding_types": ["float"]})
            vecna.ask("/v1beta/models/g:embedContent", {"content": {"parts": [{"text": "c"}]}, "taskType": "RETRIEVAL_QUERY"})
            vecna.ask("/map/own/v1beta/models/g:embedContent", {"content": {"parts": [{"text": "d"}]}, "task_type": "QUESTION_ANSWERING"})
            assert up.inputs() == [["passage: a"], ["query: b"], ["query: c"], ["ask: d"]]


KEYS = """
keys:
  - {name: one, key: secret-1}
  - {name: two, sha256: %s, requests_per_minute: 2, maps: [small]}
extra_maps: {small: {type: truncate, target_dim: 16}}
""" % hashlib.sha256(b"secret-2").hexdigest()


def test_keys_in_four_places_with_limits(tmp_path):
    log = tmp_path / "access.log"
    with upstream() as up:
        path = write(tmp_path / "v.yaml", config(up, KEYS + f"log: {{access: {log}}}\n"))
        os.chmod(path, 0o644)
        with serving("--config", path) as vecna:
            body = {"model": "m", "input": "a confidential sentence"}
            status, headers, answer = vecna.ask("/v1/embeddings", body)
            assert status == 401 and answer["error"]["code"] == "invalid_api_key" and "www-authenticate" in headers
            assert vecna.ask("/v1/embeddings", body, headers={"Authorization": "Bearer secret-3"})[0] == 401
            assert vecna.ask("/v1/embeddings", body, headers={"Authorization": "Bearer secret-1"})[0] == 200
            assert vecna.ask("/v1/embeddings", body, headers={"api-key": "secret-1"})[0] == 200
            assert vecna.ask("/v1/embeddings", body, headers={"x-goog-api-key": "secret-1"})[0] == 200
            assert vecna.ask("/v1/embeddings?key=secret-1", body)[0] == 200
            assert vecna.ask("/metrics")[0] == 401 and vecna.ask("/healthz")[0] == 200
            assert len(up.inputs()) == 1 # of four, for one key
            two = {"Authorization": "Bearer secret-2"}
            assert vecna.ask("/v1/embeddings", body, headers=two)[0] == 403
            assert vecna.ask("/map/small/v1/embeddings", body, headers=two)[0] == 200
            assert len(up.inputs()) == 2 # one client learns nothing of what another has asked
            assert vecna.ask("/map/small/v1/embeddings", body, headers=two)[0] == 200
            status, headers, _ = vecna.ask("/map/small/v1/embeddings", body, headers=two)
            assert status == 429 and 1 <= int(headers["retry-after"]) <= 60
            status, _, answer = vecna.ask("/v1beta/models/g:embedContent", {}, headers={"x-goog-api-key": "no"})
            assert status == 401 and answer["error"]["status"] == "UNAUTHENTICATED"
        assert "chmod 600" in "".join(vecna.errors)
        text = log.read_text() + "".join(vecna.errors)
        assert "secret" not in text and "confidential" not in text
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert {"one", "two"} <= {line.get("key") for line in lines}
        served = [line for line in lines if line["status"] == 200 and line.get("key") == "one"][0]
        assert served["inputs"] == 1 and served["dim"] == 384 and served["map"] == "default" and served["duration_us"] > 0


def test_tokens_a_minute_and_a_key_in_a_file(tmp_path):
    (tmp_path / "key").write_text("secret-4\n")
    with upstream() as up:
        path = write(tmp_path / "v.yaml", config(up, f"keys: [{{name: four, key_file: {tmp_path}/key, tokens_per_minute: 100}}]\n"))
        with serving("--config", path) as vecna:
            four = {"Authorization": "Bearer secret-4"}
            status, _, answer = vecna.ask("/v1/embeddings", {"model": "m", "input": "word " * 60}, headers=four)
            assert status == 200, answer
            status, headers, answer = vecna.ask("/v1/embeddings", {"model": "m", "input": "word " * 60}, headers=four)
            assert status == 429 and int(headers["retry-after"]) >= 1 and "token" in answer["error"]["message"]
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x"}, headers=four)[0] == 200
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": ""}, headers=four)[0] == 400
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})[0] == 401
            page = vecna.ask("/metrics", headers=four)[2]
            for kind, count in (("rate_limit", 1), ("invalid", 1), ("unauthorized", 1), ("upstream", 0)):
                assert f'vecna_errors_total{{class="{kind}"}} {count}\n' in page, page


def test_refuses_to_be_open(tmp_path):
    with upstream() as up:
        vecna = Served("--listen", "0.0.0.0:0", "--upstream", up.url, ready=False)
        text = vecna.stop(status=1)
        assert "no API key" in text and "--insecure" in text
        vecna = Served("--listen", "0.0.0.0:0", "--upstream", up.url, "--insecure")
        assert vecna.ask("/healthz")[0] == 200
        vecna.stop()


def test_request_ids_and_wrong_requests():
    with upstream() as up, serving("--upstream", up.url, "--model", "m") as vecna:
        assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x"}, headers={"X-Request-Id": "a.b-c_1"})[1]["x-request-id"] == "a.b-c_1"
        assert vecna.ask("/v1/embeddings", {"model": "m", "input": "x"}, headers={"X-Request-Id": "a b"})[1]["x-request-id"] != "a b"
        for body, param in [(b"", None), (b"{", None), (b"[]", None), (b'{"model":"m"}', "input"), ({"model": "m", "input": ""}, "input"),
                            ({"model": "m", "input": []}, "input"), ({"model": "m", "input": ["x"] * 2049}, "input"),
                            ({"model": "m", "input": "x", "encoding_format": "hex"}, "encoding_format"),
                            ({"model": "m", "input": "x", "api_base": "http://evil"}, "api_base"),
                            ({"model": "m", "input": [1, 2, 3]}, "input")]:
            status, headers, answer = vecna.ask("/v1/embeddings", body, method="POST")
            assert status == 400, (body, answer)
            assert set(answer["error"]) == {"message", "type", "param", "code"}
            if param:
                assert answer["error"]["param"] == param, answer
        assert vecna.ask("/v1/embeddings")[0] == 405
        assert up.inputs() == [["x"]] # once for both of the good ones


def test_a_reload_takes_over_or_changes_nothing(tmp_path):
    with upstream(dim=64) as up:
        path = write(tmp_path / "v.yaml", config(up, "adapter: {type: truncate, target_dim: 32}\n"))
        with serving("--config", path) as vecna:
            assert vecna.embed("x")[0].shape == (1, 32)
            write(path, config(up, "adapter: {type: truncate, target_dim: 16}\n"))
            vecna.signal(signal.SIGHUP)
            assert vecna.said("the new configuration is served")
            assert vecna.embed("x")[0].shape == (1, 16)
            write(path, config(up, "adaptr: {type: truncate, target_dim: 16}\n"))
            vecna.signal(signal.SIGHUP)
            assert vecna.said("did you mean adapter?; the old configuration stays")
            assert vecna.embed("x")[0].shape == (1, 16)


def test_reloads_under_load_lose_nothing(tmp_path):
    with upstream(dim=64, delay=0.002) as up:
        texts = [config(up, f"adapter: {{type: truncate, target_dim: {n}}}\ncache: {{memory: 0}}\nlog: {{level: error}}\n") for n in (16, 32)]
        path = write(tmp_path / "v.yaml", texts[0])
        with serving("--config", path) as vecna:
            stop, failures, served = threading.Event(), [], []

            def client(k):
                i = 0
                while not stop.is_set():
                    text = f"{k} {i}"
                    status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": text})
                    vector = numpy.array(body["data"][0]["embedding"]) if status == 200 else None
                    right = None if vector is None else vector_of(text, 64)[: len(vector)].astype(numpy.float64)
                    if vector is None or len(vector) not in (16, 32) or abs(right @ vector / numpy.linalg.norm(right) - 1) > 1e-5:
                        failures.append(body)
                    served.append(text)
                    i += 1
            threads = [threading.Thread(target=client, args=(k,)) for k in range(4)]
            for thread in threads:
                thread.start()
            for i in range(200):
                os.replace(write(tmp_path / "new.yaml", texts[i % 2]), path)
                vecna.signal(signal.SIGHUP)
                time.sleep(0.01)
            stop.set()
            for thread in threads:
                thread.join()
            assert not failures, failures[:3]
            assert len(served) > 100


def test_the_end_answers_what_is_in_flight():
    with upstream(delay=0.7) as up:
        vecna = Served("--listen", "127.0.0.1:0", "--upstream", up.url, "--model", "m")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(vecna.embed, [f"t{i}"]) for i in range(4)]
            time.sleep(0.3)
            vecna.signal(signal.SIGTERM)
            for i, one in enumerate(waiting):
                assert numpy.array_equal(one.result()[0][0].astype(numpy.float32), vector_of(f"t{i}", 384))
        vecna.stop()


def test_drift_raises_an_alarm(tmp_path):
    with upstream(dim=64) as up:
        path = write(tmp_path / "v.yaml", config(up, "canary: {interval: 200ms, refuse: true}\n"))
        with serving("--config", path) as vecna:
            first = vecna.embed("x")[0]
            assert vecna.metric("vecna_drift") == 0
            answer = up.answer
            up.answer = lambda body: answer(dict(body, input=["another model: " + t for t in (
                [body["input"]] if isinstance(body["input"], str) else body["input"])]))
            assert vecna.said("is another one")
            assert vecna.metric("vecna_drift") == 1 and vecna.metric("vecna_canary_cosine") < 0.9
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
            assert status == 502 and "is another one" in body["error"]["message"]
            up.answer = answer
            assert vecna.said("is the first one again")
            assert numpy.array_equal(vecna.embed("x")[0], first)


def test_the_disk_keeps_vectors(tmp_path):
    with upstream() as up:
        path = write(tmp_path / "v.yaml", config(up, f"cache: {{disk: {tmp_path}/cache.db}}\n"))
        with serving("--config", path) as vecna:
            first = vecna.embed(["a", "b"])[0]
        with serving("--config", path) as vecna:
            again, headers = vecna.embed(["a", "b"])
            assert headers["x-vecna-cache"] == "hit" and numpy.array_equal(first, again)
            assert vecna.metric("vecna_cache_disk_hits_total") == 2
        assert b"confidential" not in (tmp_path / "cache.db").read_bytes()
        bad = write(tmp_path / "w.yaml", config(up, f"cache: {{disk: {tmp_path}/no/such/folder/cache.db}}\n"))
        with serving("--config", bad) as vecna:
            assert vecna.embed(["a"])[0].shape == (1, 384)
            assert "vectors are kept in memory only" in "".join(vecna.errors)


def test_check_says_what_would_be_served(tmp_path, vecna):
    path = write(tmp_path / "v.yaml", "forward: {targets: [{url: 'http://127.0.0.1:1', model: m}]}\nadapter: {type: truncate, target_dim: 5}\n")
    done = vecna("serve", "--config", path, "--check")
    assert "target target-1: http://127.0.0.1:1 m" in done.out and "map default: truncate to 5" in done.out
    assert "line 1" in vecna("serve", "--config", write(path, "listn: x\n"), "--check", status=1).err
    assert "map" in vecna("serve", "--upstream", "http://127.0.0.1:1", "--map", "/no/map", "--check", status=1).err
    assert "exclude" in vecna("serve", "--upstream", "u", "--config", "c", status=2).err
    err = vecna("serve", "--upstream", "http://127.0.0.1:1", "--map", "minilm-to-mpne", "--check", status=1).err
    assert "map default: there is no file minilm-to-mpne, and no installed map of that name" in err
    # what only a start would find: the address, the certificate, places that cannot be written
    for text, words in (("listen: 127.0.0.1:99999\n", "cannot listen on '127.0.0.1:99999'"),
                        ("tls: {cert: /no/such.pem, key: /no/such.key}\n", "/no/such.pem"),
                        (f"forward: {{targets: [{{provider: static, model: {path}}}]}}\n", "is no static model")):
        assert words in vecna("serve", "--config", write(path, text), "--check", status=1).err
    done = vecna("serve", "--config", write(path, f"cache: {{disk: {tmp_path}/no/c.db}}\nlog: {{access: {tmp_path}/no/a.log}}\n"), "--check")
    assert "access log" in done.err and "disk cache" in done.err and "built-in model" in done.out
    write(path, f"cache: {{disk: {tmp_path}/c.db}}\nlog: {{access: {tmp_path}/a.log}}\n")
    assert "cannot be written" not in vecna("serve", "--config", path, "--check").err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["v.yaml"]


def test_the_reference_is_the_table(vecna):
    page = (__import__("pathlib").Path(__file__).resolve().parent.parent.parent / "docs" / "config.md").read_text()
    assert vecna("serve", "--keys").out == page
