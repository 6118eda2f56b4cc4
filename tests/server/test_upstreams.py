"""What upstreams do wrong, and that no client gets a wrong vector, nor an error that could be avoided."""

import concurrent.futures
import gzip
import json
import socket
import threading
import time

import numpy
import pytest

from serving import Upstream, serving, upstream, vector_of

FAST = {"VECNA_FORWARD_TARGETS_0_COOLDOWN": "300ms"}


def good(texts, vectors, dim=384):
    assert vectors.shape == (len(texts), dim)
    for text, vector in zip(texts, vectors):
        assert numpy.array_equal(vector.astype(numpy.float32), vector_of(text, dim)), text


def once(wrong):
    """A script that does `wrong` to the first call that is no canary."""
    done = []

    def script(number, body):
        text = body["input"][0] if isinstance(body["input"], list) else body["input"]
        if "quick brown fox" in text or done:
            return None
        done.append(1)
        return wrong(body)
    return script


def changed(up, change):
    def wrong(body):
        answer = up[0].answer(dict(body, encoding_format="float"))
        change(answer)
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
    return wrong


def poison(value):
    def change(answer):
        answer["data"][0]["embedding"][3] = value
    return change


WRONG = {
    "short list": lambda a: a["data"].pop(),
    "long list": lambda a: a["data"].append(a["data"][0]),
    "empty list": lambda a: a["data"].clear(),
    "repeated index": lambda a: a["data"][1].update(index=0),
    "index too large": lambda a: a["data"][1].update(index=9),
    "shorter vector": lambda a: a["data"][1]["embedding"].pop(),
    "null in a vector": poison(None),
    "text in a vector": poison("0.5"),
    "zeros": lambda a: a["data"][0].update(embedding=[0.0] * 384),
    "nested": lambda a: a["data"][0].update(embedding=[a["data"][0]["embedding"]]),
    "no data": lambda a: a.pop("data"),
    "empty base64": lambda a: a["data"][0].update(embedding=""),
    "wrong base64": lambda a: a["data"][0].update(embedding="AAA"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_answer_is_asked_again(name):
    holder = []
    with upstream() as up:
        holder.append(up)
        up.script = once(changed(holder, WRONG[name]))
        with serving("--upstream", up.url, "--model", "m", env=FAST) as vecna:
            good(["a", "b", "c"], vecna.embed(["a", "b", "c"])[0])


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_for_ever_are_502(name):
    holder = []
    with upstream() as up:
        holder.append(up)
        wrong = changed(holder, WRONG[name])
        up.script = lambda number, body: None if "fox" in str(body["input"]) else wrong(body)
        with serving("--upstream", up.url, "--model", "m", env=FAST) as vecna:
            status, headers, body = vecna.ask("/v1/embeddings", {"model": "m", "input": ["a", "b", "c"]})
            assert status == 502, body
            assert body["error"]["message"].startswith("upstream upstream "), body
            assert headers["x-should-retry"] == "false"


def test_order_is_restored():
    holder = []
    with upstream() as up:
        holder.append(up)
        up.script = lambda number, body: changed(holder, lambda a: a["data"].reverse())(body)
        with serving("--upstream", up.url, "--model", "m") as vecna:
            texts = [f"t{i}" for i in range(20)]
            good(texts, vecna.embed(texts)[0])


@pytest.mark.parametrize("wrong", [
    (500, {}, b"oops"), (502, {}, b"<html>bad gateway</html>"), (503, {}, b""), (504, {}, b""), (429, {"Retry-After": "0"}, b"{}"),
    (429, {}, b'{"error":{"message":"slow down"}}'), (408, {}, b""), (424, {}, b'{"error":"backend","error_type":"backend"}'),
    (200, {}, b"{"), (200, {}, b""), (200, {}, b"not json"), (200, {"X-Half": "1"}, b'{"data":[' + b"0," * 50000),
    "close", (200, {}, b'{"data":[]}')],
    ids=lambda w: str(w)[:40])
def test_what_passes_is_tried_again(wrong):
    with upstream() as up:
        up.script = once(lambda body: (wrong[0], dict(wrong[1]), wrong[2]) if wrong != "close" else wrong)
        with serving("--upstream", up.url, "--model", "m", env=FAST) as vecna:
            good(["x"], vecna.embed(["x"])[0])


@pytest.mark.parametrize("status,expected", [(400, 400), (401, 502), (403, 502), (404, 502), (413, 413), (422, 422), (301, 502)])
def test_refusals_are_passed_on(status, expected):
    with upstream() as up:
        up.script = lambda number, body: None if "fox" in str(body["input"]) else (
            status, {"Location": "http://127.0.0.1:9/elsewhere"}, b'{"error":{"message":"no such thing","type":"t"}}')
        with serving("--upstream", up.url, "--model", "m") as vecna:
            got, headers, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
            assert got == expected
            assert "no such thing" in body["error"]["message"] and "upstream" in body["error"]["message"]
            assert headers["x-should-retry"] == "false"


def test_a_bomb_is_stopped():
    bomb = gzip.compress(b" " * 200_000_000)
    with upstream() as up:
        up.script = lambda number, body: None if "fox" in str(body["input"]) else (200, {"Content-Encoding": "gzip"}, bomb)
        with serving("--upstream", up.url, "--model", "m") as vecna:
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
            assert status == 502 and "larger than it may be" in body["error"]["message"]
            assert vecna.metric("process_resident_memory_bytes") < 400e6


def test_batches_are_split_and_merged(tmp_path):
    with upstream() as up:
        config = tmp_path / "v.yaml"
        config.write_text(f"forward: {{targets: [{{url: {up.url}, model: m, batch_inputs: 7}}]}}\n")
        with serving("--config", config) as vecna:
            texts = [f"text {i}" for i in range(100)]
            good(texts, vecna.embed(texts)[0])
            assert sorted(len(asked) for asked in up.inputs()) == [2] + [7] * 14


def test_a_batch_that_is_refused_for_its_size_is_halved():
    with upstream() as up:
        up.script = lambda number, body: (422, {}, b'{"error":"batch size 40 > maximum allowed batch size 8","error_type":"Validation"}') \
            if isinstance(body["input"], list) and len(body["input"]) > 8 else None
        with serving("--upstream", up.url, "--model", "m") as vecna:
            texts = [f"t{i}" for i in range(40)]
            good(texts, vecna.embed(texts)[0])
            asked = len(up.inputs())
            more = [f"u{i}" for i in range(40)]
            good(more, vecna.embed(more)[0])
            assert len(up.inputs()) - asked <= 10 # learnt


def test_identical_texts_in_flight_are_asked_once():
    with upstream(delay=0.5) as up, serving("--upstream", up.url, "--model", "m") as vecna:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for vectors, _ in pool.map(lambda i: vecna.embed(["same", "same", f"own {i % 2}"]), range(16)):
                assert numpy.array_equal(vectors[0].astype(numpy.float32), vector_of("same", 384))
        asked = [t for batch in up.inputs() for t in batch]
        assert sorted(asked) == ["own 0", "own 1", "same"]
        assert vecna.metric("vecna_coalesced_inputs_total") >= 16


def test_small_requests_share_a_call(tmp_path):
    with upstream() as up:
        config = tmp_path / "v.yaml"
        config.write_text(f"join_window: 200ms\nforward: {{targets: [{{url: {up.url}, model: m}}]}}\n")
        with serving("--config", config) as vecna, concurrent.futures.ThreadPoolExecutor(16) as pool:
            texts = [f"text {i}" for i in range(16)]
            for text, (vectors, _) in zip(texts, pool.map(lambda t: vecna.embed([t]), texts)):
                good([text], vectors)
            assert len(up.inputs()) <= 3
            assert vecna.metric("vecna_joined_calls_total") >= 1


def test_nobody_fails_by_anothers_text(tmp_path):
    with upstream() as up:
        up.script = lambda number, body: (400, {}, b'{"error":{"message":"too long"}}') if "poison" in body["input"] else None
        config = tmp_path / "v.yaml"
        config.write_text(f"join_window: 200ms\nforward: {{targets: [{{url: {up.url}, model: m, base64: no}}]}}\n")
        with serving("--config", config) as vecna, concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda t: vecna.ask("/v1/embeddings", {"model": "m", "input": [t]}),
                                    ["a", "b", "poison", "c", "d"]))
            assert [a[0] for a in answers] == [200, 200, 400, 200, 200]


def test_servers_that_only_know_numbers():
    with upstream(base64_too=False) as up, serving("--upstream", up.url, "--model", "m") as vecna:
        good(["a"], vecna.embed(["a"])[0])
        good(["b"], vecna.embed(["b"])[0])
        assert up.bodies[0]["encoding_format"] == "base64" and up.bodies[-1].get("encoding_format") != "base64"


def test_servers_that_refuse_base64():
    with upstream() as up:
        up.script = lambda number, body: (400, {}, b'{"error":{"message":"encoding_format"}}') \
            if body.get("encoding_format") == "base64" else None
        with serving("--upstream", up.url, "--model", "m") as vecna:
            good(["a"], vecna.embed(["a"])[0])


def two_servers(tmp_path, first, second, more=""):
    config = tmp_path / "v.yaml"
    config.write_text(f"""
forward:
  targets:
    - name: pair
      model: m
      cooldown: 500ms
      {more}
      endpoints:
        - {{url: {first}}}
        - {{url: {second}, priority: 1}}
""")
    return config


def test_another_server_takes_over(tmp_path):
    with upstream() as one, upstream() as two:
        one.script = lambda number, body: (500, {}, b"broken")
        with serving("--config", two_servers(tmp_path, one.url, two.url)) as vecna:
            for i in range(20):
                good([f"t{i}"], vecna.embed([f"t{i}"])[0])
            assert len(one.bodies) < 10 and len(two.inputs()) == 20
            one.script = None
            time.sleep(3)
            for i in range(5):
                good([f"u{i}"], vecna.embed([f"u{i}"])[0])
            assert one.inputs()[-1] == ["u4"] # half open, then first again


def test_killed_under_load(tmp_path):
    one, two = Upstream(delay=0.02), Upstream(delay=0.02)
    with serving("--config", two_servers(tmp_path, one.url, two.url)) as vecna:
        stop, failures, served = threading.Event(), [], []

        def client(k):
            i = 0
            while not stop.is_set():
                text = f"{k} {i}"
                status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": text})
                if status != 200:
                    failures.append(body)
                elif not numpy.array_equal(numpy.float32(body["data"][0]["embedding"]), vector_of(text, 384)):
                    failures.append("wrong vector")
                else:
                    served.append(text)
                i += 1
        threads = [threading.Thread(target=client, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        one.close()
        time.sleep(1.5)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failures and len(served) > 50
    two.close()


def test_all_down_is_said_and_ends_when_one_is_back():
    with upstream() as up:
        port = up.port
    with serving("--upstream", f"http://127.0.0.1:{port}", "--model", "m", env=FAST) as vecna:
        assert vecna.said("asked again with the first request")
        status, headers, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
        assert status in (502, 503) and "upstream" in body["error"]["message"]
        with upstream(port=port):
            deadline = time.time() + 20
            while vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})[0] != 200:
                assert time.time() < deadline
                time.sleep(0.1)
            assert vecna.ask("/readyz")[0] == 200


def test_a_slow_upstream_is_504(tmp_path):
    with upstream() as up:
        config = tmp_path / "v.yaml"
        config.write_text(f"limits: {{request_timeout: 1s}}\nforward: {{targets: [{{url: {up.url}, model: m}}]}}\n")
        with serving("--config", config) as vecna:
            up.delay = 3
            begun = time.time()
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
            assert status == 504 and 0.8 < time.time() - begun < 2.5, body


def test_a_client_that_leaves_takes_its_call_along():
    with upstream(delay=0.3) as up, serving("--upstream", up.url, "--model", "m") as vecna:
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", vecna.port))
            connection.sendall(b'POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n{"model":"m","input":["gone"]}'[:-1])
            time.sleep(0.05)
            connection.close()
        time.sleep(0.2)
        assert vecna.metric("vecna_in_flight") == 0
        good(["still"], vecna.embed(["still"])[0])


def test_the_clients_key_never_goes_upstream():
    with upstream() as up, serving("--upstream", up.url, "--model", "m", "--api-key", "up-key", "--client-key", "mine") as vecna:
        status, headers, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"}, headers={"Authorization": "Bearer mine", "Cookie": "c"})
        assert status == 200
        assert up.headers[-1]["authorization"] == "Bearer up-key" if "authorization" in up.headers[-1] else up.headers[-1]["Authorization"] == "Bearer up-key"
        assert "mine" not in json.dumps(up.headers) and "Cookie" not in up.headers[-1]


def test_a_server_that_is_not_well_is_passed_over(tmp_path):
    with upstream() as one, upstream() as two:
        config = tmp_path / "v.yaml"
        config.write_text(json.dumps({"forward": {"targets": [{
            "name": "t", "model": "m", "health_interval": "50ms", "health_path": "/health",
            "endpoints": [{"url": one.url}, {"url": two.url}]}]}, "canary": {"text": ""}}))

        def share(prefix):
            before = len(one.inputs()), len(two.inputs())
            for i in range(12):
                good([f"{prefix}{i}"], vecna.embed([f"{prefix}{i}"])[0])
            return len(one.inputs()) - before[0], len(two.inputs()) - before[1]

        with serving("--config", config) as vecna:
            assert share("both ") == (6, 6)
            one.well = False
            time.sleep(0.5)
            assert share("one ") == (0, 12)
            two.well = False
            time.sleep(0.5)
            assert sum(share("none ")) == 12  # their word against a try: they are asked all the same
            one.well = two.well = True
            time.sleep(0.5)
            assert share("again ") == (6, 6)


def test_servers_have_shares_and_keys_of_their_own(tmp_path):
    (tmp_path / "key").write_text("of-a-file\nnot this\n")
    with upstream() as one, upstream() as two, upstream() as three:
        config = tmp_path / "v.yaml"
        config.write_text(json.dumps({"forward": {"targets": [{
            "name": "t", "model": "m", "api_key_file": str(tmp_path / "key"),
            "endpoints": [{"url": one.url, "weight": 3}, {"url": two.url, "api_key": "${OF_THE_ENVIRONMENT}"},
                          {"url": three.url, "priority": 1}]}]}, "canary": {"text": ""}}))
        with serving("--config", config, env={"OF_THE_ENVIRONMENT": "of-the-environment"}) as vecna:
            for i in range(40):
                good([f"t{i}"], vecna.embed([f"t{i}"])[0])
        assert [len(up.inputs()) for up in (one, two, three)] == [30, 10, 0]
        keys = [{dict((k.lower(), v) for k, v in headers.items())["authorization"] for headers in up.headers} for up in (one, two)]
        assert keys == [{"Bearer of-a-file"}, {"Bearer of-the-environment"}]


def test_no_more_calls_at_once_than_a_server_takes(tmp_path):
    at_once, most, lock = [0], [0], threading.Lock()

    def script(number, body):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.03)
        with lock:
            at_once[0] -= 1

    with upstream(script=script) as up:
        config = tmp_path / "v.yaml"
        config.write_text(json.dumps({"forward": {"targets": [{"url": up.url, "model": "m", "concurrency": 3, "batch_inputs": 2}]}}))
        with serving("--config", config) as vecna, concurrent.futures.ThreadPoolExecutor(8) as pool:
            texts = [[f"{k} {i}" for i in range(10)] for k in range(8)]
            for asked, got in zip(texts, pool.map(lambda t: vecna.embed(t)[0], texts)):
                good(asked, got)
        assert most[0] == 3
