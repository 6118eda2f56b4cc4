"""Large answers of upstreams are read beside the loop: rows come out the same, a client that leaves, a deadline or a server that
stops in the middle harms nobody, and others are answered meanwhile."""

import json
import socket
import threading
import time

import numpy
import pytest

from serving import ROOT, Served, serving, stop_under

MANY = 1024
TEXTS = [json.loads(line)["text"] for line in open(ROOT / "examples" / "glosses" / "pairs.jsonl")][:MANY]


@pytest.fixture(scope="module")
def static():
    with serving() as vecna:  # the built-in model: 256 numbers a text, 1.4 MB of base64 and more of decimal text
        yield vecna, vecna.embed(TEXTS)[0]


@pytest.fixture(params=("auto", "no"))
def config(request, static, tmp_path):
    return write_config(tmp_path, static[0], request.param)


def write_config(folder, upstream, base64="auto", **more):
    path = folder / "v.yaml"
    target = {"url": upstream.url + "/v1", "base64": base64}
    path.write_text(json.dumps({"forward": {"targets": [target]}, "cache": {"memory": 0}, **more}))
    return path


def leave_early(vecna, texts, seconds):
    body = json.dumps({"model": "m", "input": texts}).encode()
    head = (f"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1:{vecna.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    with socket.create_connection((vecna.host, vecna.port)) as client:
        client.sendall(head + body)
        client.settimeout(seconds)
        try:
            client.recv(1)
        except TimeoutError:
            pass


def seconds_of(vecna):
    """How long all texts take here; what happens meanwhile is spread over it."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        leave_early(vecna, TEXTS, 60)
        took.append(time.perf_counter() - began)
    return min(took)


def test_rows_are_the_upstreams_and_others_are_answered_meanwhile(config, static):
    with serving("--config", config) as vecna:
        vecna.embed(TEXTS[:1])  # rows of known length are read to their place
        got = []
        large = threading.Thread(target=lambda: got.extend(vecna.embed(TEXTS)[0] for _ in range(4)))
        large.start()
        small = 0
        while large.is_alive():
            assert vecna.embed([TEXTS[small % 8]])[0][0] == pytest.approx(static[1][small % 8], abs=1e-6)
            small += 1
        assert small > 4 and len(got) == 4
        for rows in got:
            assert numpy.allclose(rows, static[1], atol=1e-6)


def test_clients_leave_while_their_answers_are_read(config, static):
    with serving("--config", config) as vecna:
        vecna.embed(TEXTS[:1])
        whole = seconds_of(vecna)
        for turn in range(40):
            leave_early(vecna, TEXTS, whole * (0.2 + 0.02 * turn))
        assert numpy.allclose(vecna.embed(TEXTS)[0], static[1], atol=1e-6)


def test_who_joins_a_text_that_is_read_for_somebody_who_left_gets_it(config, static):
    """The same texts at once are asked for once; the one who asked first goes at any moment."""
    with serving("--config", config) as vecna:
        vecna.embed(TEXTS[:1])
        whole = seconds_of(vecna)
        for turn in range(30):
            leaving = threading.Thread(target=leave_early, args=(vecna, TEXTS, whole * (0.3 + 0.02 * turn)))
            leaving.start()
            threading.Event().wait(whole * (0.3 + 0.02 * (turn + turn % 5 - 2)))
            assert numpy.allclose(vecna.embed(TEXTS[100:140])[0], static[1][100:140], atol=1e-6)
            leaving.join()


@pytest.mark.parametrize("share", (0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
def test_a_deadline_passes_while_an_answer_is_read(static, tmp_path, share):
    with serving("--config", write_config(tmp_path, static[0], "no")) as vecna:
        vecna.embed(TEXTS[:1])
        milliseconds = max(10, round(1000 * seconds_of(vecna) * share))
    path = write_config(tmp_path, static[0], "no", limits={"request_timeout": f"{milliseconds}ms"})
    with serving("--config", path) as vecna:
        for _ in range(6):
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": TEXTS})
            assert status in (200, 503, 504)  # 503: it rests after three of them
            assert status != 200 or len(body["data"]) == MANY
        assert vecna.ask("/healthz")[0] == 200


@pytest.mark.parametrize("share", (0.3, 0.45, 0.6, 0.75, 0.9))
def test_a_server_stops_while_answers_are_read(config, static, share):
    vecna = Served("--listen", "127.0.0.1:0", "--config", config)
    vecna.embed(TEXTS[:1])
    stop_under(vecna, TEXTS, 2, 2 * seconds_of(vecna) * share)
