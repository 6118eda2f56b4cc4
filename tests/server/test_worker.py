"""Large products are done beside the loop: small requests are answered meanwhile, a client that leaves or a server that
stops in the middle harms nobody, and what comes out is the same."""

import json
import socket
import subprocess
import threading

import numpy
import pytest

from serving import ROOT, VECNA, Served, serving, stop_under

TARGET, MANY = 512, 1024
TEXTS = [json.loads(line)["text"] for line in open(ROOT / "examples" / "glosses" / "pairs.jsonl")][:MANY]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A map from the built-in model to a space made up."""
    folder = tmp_path_factory.mktemp("map")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    subprocess.run([VECNA, "embed", folder / "texts.txt", "-o", folder / "s.npy"], check=True, capture_output=True)
    source = numpy.load(folder / "s.npy")
    target = source @ numpy.random.default_rng(1).standard_normal((source.shape[1], TARGET)).astype(numpy.float32)
    numpy.save(folder / "t.npy", target / numpy.linalg.norm(target, axis=1, keepdims=True))
    subprocess.run([VECNA, "fit", folder / "s.npy", folder / "t.npy", "-o", folder / "m.vecna", "--method", "ridge",
                    "--lambda", "0.01", "--resamples", "50"], check=True, capture_output=True)
    return folder / "m.vecna"


def request_bytes(port, texts):
    body = json.dumps({"model": "m", "input": texts}).encode()
    return (f"POST /v1/embeddings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def test_small_requests_are_answered_while_large_ones_are_at_work(learned):
    with serving("--map", learned) as vecna:
        alone = numpy.array([vecna.embed([text])[0][0] for text in TEXTS[:8]])
        got, stop, small = [], threading.Event(), []

        def many():
            while not stop.is_set():
                got.append(vecna.embed(TEXTS)[0])

        large = threading.Thread(target=many)
        large.start()
        while len(got) < 3:
            row = vecna.embed([TEXTS[len(small) % 8]])[0][0]
            assert row == pytest.approx(alone[len(small) % 8], abs=1e-6)
            small.append(len(got))
        stop.set()
        large.join()
        assert len(small) > len(got)  # more than one between two large ones
        for rows in got:
            assert rows.shape == (MANY, TARGET)
            assert rows[:8] == pytest.approx(alone, abs=1e-5)
            assert numpy.array_equal(rows, got[0])


def test_projections_are_done_beside_the_loop_too(tmp_path):
    config = tmp_path / "v.yaml"
    config.write_text(json.dumps({"adapter": {"type": "projection", "target_dim": TARGET, "seed": 2}}))
    with serving() as static:
        plain = static.embed(TEXTS[:8])[0]
    with serving("--config", config) as vecna:
        alone = numpy.array([vecna.embed([text])[0][0] for text in TEXTS[:8]])
        assert alone @ alone.T == pytest.approx(plain @ plain.T, abs=1e-5)  # upwards it keeps angles
        got = []
        large = [threading.Thread(target=lambda: got.extend(vecna.embed(TEXTS)[0] for _ in range(3))) for _ in range(2)]
        for client in large:
            client.start()
        while any(client.is_alive() for client in large):
            rows, headers = vecna.embed(TEXTS[:2])
            assert rows == pytest.approx(alone[:2], abs=1e-6)
            assert headers["x-vecna-change"] == f"project {plain.shape[1]} to {TARGET}, same space"
        assert len(got) == 6
        for rows in got:
            assert rows.shape == (MANY, TARGET) and rows[:8] == pytest.approx(alone, abs=1e-5)
            assert numpy.array_equal(rows, got[0])


def test_confidence_is_told_beside_the_loop(learned):
    sure = {"x-vecna-confidence": "yes"}
    with serving("--map", learned) as vecna:
        alone = vecna.ask("/v1/embeddings", {"model": "m", "input": TEXTS[:2]}, headers=sure)[1]["x-vecna-confidence"]
        said = []

        def many():
            for _ in range(3):
                status, headers, body = vecna.ask("/v1/embeddings", {"model": "m", "input": TEXTS}, headers=sure)
                assert status == 200 and len(body["data"]) == MANY
                said.append(headers["x-vecna-confidence"])

        large = threading.Thread(target=many)
        large.start()
        while large.is_alive():
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": TEXTS[:2]}, headers=sure)[1]["x-vecna-confidence"] == alone
        assert len(said) == 3 and len(set(said)) == 1
        mean, least = (float(part) for part in said[0].split("; least="))
        assert 0 <= least <= float(alone.split(";")[0]) and least <= mean <= 1


def test_clients_leave_while_their_vectors_are_at_work(learned):
    with serving("--map", learned) as vecna, serving() as static:
        for served in (vecna, static):
            expected = served.embed(TEXTS[:4])[0]
            for turn in range(12):
                with socket.create_connection((served.host, served.port)) as client:
                    client.sendall(request_bytes(served.port, TEXTS))
                    if turn % 3:
                        client.settimeout(0.004 * (turn % 3))
                        try:
                            client.recv(1)
                        except TimeoutError:
                            pass
            assert served.embed(TEXTS[:4])[0] == pytest.approx(expected, abs=1e-6)
            assert served.embed(TEXTS)[0][:4] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("delay", (0, 0.01, 0.03))
@pytest.mark.parametrize("kind", ("learned", "projection"))
def test_a_server_stops_while_vectors_are_at_work(learned, tmp_path, kind, delay):
    config = tmp_path / "v.yaml"
    config.write_text(json.dumps({"adapter": {"type": "projection", "target_dim": 2 * TARGET}}))
    vecna = Served("--listen", "127.0.0.1:0", *(("--map", learned) if kind == "learned" else ("--config", config)))
    vecna.embed(TEXTS)
    stop_under(vecna, TEXTS, 3, delay)


def test_the_built_in_model_embeds_many_as_it_embeds_one():
    with serving() as vecna:
        rows = vecna.embed(TEXTS)[0]
        for i in (0, 17, MANY - 1):
            assert rows[i] == pytest.approx(vecna.embed([TEXTS[i]])[0][0], abs=1e-6)
