"""Upstreams that fail at random, die and come back, and a configuration that is read anew all the time, under load from
clients of every provider. No request may be lost that could have been answered, no vector may be wrong.

VECNA_LONG=1 runs for minutes.
"""

import base64
import json
import os
import random
import signal
import sys
import threading
import time

import numpy
import pytest

from serving import serving
from upstream import FAULTS, Upstream

LONG = os.environ.get("VECNA_LONG") == "1"
DIM = 48
# "other_model" is right in form and cannot be told from one answer; the slow ones have tests of their own
SLOW = {"other_model", "hang", "late", "endless", "gzip_bomb", "slow"}
QUICK = sorted(set(FAULTS) - SLOW - {"400", "413", "422"})  # those speak of the texts, and are passed on


def ask(vecna, kind, texts, prefix):
    """Vectors of texts by one provider's route: (status, list of vectors or the answer)."""
    if kind == "openai":
        path, body = "/v1/embeddings", {"model": "m", "input": texts}
    elif kind == "base64":
        path, body = "/v1/embeddings", {"model": "m", "input": texts, "encoding_format": "base64"}
    elif kind == "ollama":
        path, body = "/api/embed", {"model": "m", "input": texts}
    elif kind == "google":
        path, body = "/v1beta/models/m:batchEmbedContents", {"requests": [
            {"model": "models/m", "content": {"parts": [{"text": text}]}} for text in texts]}
    else:
        path, body = "/v2/embed", {"model": "m", "input_type": "search_document", "texts": texts, "embedding_types": ["float"]}
    status, _, got = vecna.ask(prefix + path, body)
    if status != 200:
        return status, got
    if kind == "openai":
        return status, [entry["embedding"] for entry in got["data"]]
    if kind == "base64":
        return status, [numpy.frombuffer(base64.b64decode(entry["embedding"]), "<f4") for entry in got["data"]]
    if kind == "ollama":
        return status, got["embeddings"]
    if kind == "google":
        return status, [entry["values"] for entry in got["embeddings"]]
    return status, got["embeddings"]["float"]


class Crowd:
    """Clients that ask without pause and compare every number of every answer."""

    def __init__(self, vecna, count, seed, prefixes=("",)):
        self.vecna, self.stop = vecna, threading.Event()
        self.answered, self.refused, self.wrong = 0, [], []
        self.lock = threading.Lock()
        self.right = Upstream.__new__(Upstream)  # for its vectors alone
        self.right.dim, self.right.salt = DIM, ""
        self.prefixes = prefixes
        self.threads = [threading.Thread(target=self.work, args=(seed * 1000 + i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, seed):
        draw, turn = random.Random(seed), 0
        while not self.stop.is_set():
            turn += 1
            texts = [f"{seed} {turn} {k} \u00fc\n\"" for k in range(draw.choice([1, 1, 2, 7, 40]))]
            kind = draw.choice(["openai", "base64", "ollama", "google", "cohere"])
            prefix = draw.choice(self.prefixes)
            try:
                status, got = ask(self.vecna, kind, texts, prefix)
            except OSError as error:
                status, got = 0, repr(error)
            with self.lock:
                if status != 200:
                    self.refused.append((kind, status, got))
                elif not self.fits(texts, got):
                    self.wrong.append((kind, prefix, texts, got))
                else:
                    self.answered += 1

    def fits(self, texts, got):
        if len(got) != len(texts):
            return False
        for text, vector in zip(texts, got):
            right = numpy.array(self.right.vector(text))
            vector = numpy.array(vector, dtype=numpy.float64)
            if len(vector) not in (DIM, 16, 64):
                return False
            right = numpy.concatenate([right, numpy.zeros(64 - DIM)])[: len(vector)]
            if abs(vector - right / numpy.linalg.norm(right)).max() > 1e-6:
                return False
        return True

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:1]


def configuration(ends, provider="openai", **more):
    # the dimension is said: learnt from a first answer, a wrong one could set it
    target = {"name": "t", "provider": provider, "model": "m", "dim": DIM, "failures": 3, "cooldown": "200ms", "timeout": "3s",
              "connect_timeout": "1s", "retries": 5,
              "endpoints": [{"url": url} for url in ends]}
    return {"forward": {"targets": [target]}, "cache": {"memory": 0}, "log": {"level": "error"},
            "canary": {"text": ""}, "extra_maps": {"small": {"type": "truncate", "target_dim": 16},
                                                   "wide": {"type": "truncate", "target_dim": 64}}, **more}


@pytest.mark.parametrize("provider", ["openai", "ollama", "tei", "google", "cohere", "voyage"])
def test_one_fails_at_random_and_one_is_sound(tmp_path, provider):
    """Whatever the one does, the other can answer: so every request must be answered, and rightly."""
    draw = random.Random(provider)
    with Upstream(dim=DIM) as wild, Upstream(dim=DIM) as sound:
        path = tmp_path / "v.yaml"
        path.write_text(json.dumps(configuration([wild.url, sound.url], provider)))
        wild.next_behaviour = lambda: draw.choice(QUICK if draw.random() < 0.6 else ["ok"])
        with serving("--config", path) as vecna:
            crowd = Crowd(vecna, 4, 1, ("", "/map/small", "/map/wide"))
            time.sleep(20 if LONG else 2)
            crowd.end()
            assert not crowd.refused, crowd.refused[:3]
            assert crowd.answered > 20
            assert len(wild.calls()) > 5


def test_all_fail_at_random(tmp_path):
    """Nobody is sound: errors are allowed, of the kinds that say so. A wrong vector is not."""
    draw = random.Random(4)
    with Upstream(dim=DIM) as one, Upstream(dim=DIM) as two:
        path = tmp_path / "v.yaml"
        path.write_text(json.dumps(configuration([one.url, two.url], canary={"text": "", "interval": "1s"})))
        for up in (one, two):
            up.next_behaviour = lambda: draw.choice(QUICK if draw.random() < 0.5 else ["ok"])
        with serving("--config", path) as vecna:
            crowd = Crowd(vecna, 4, 2)
            time.sleep(30 if LONG else 4)
            crowd.end()
            assert crowd.answered > 20
            assert {status for _, status, _ in crowd.refused} <= {429, 502, 503, 504}, crowd.refused[:3]


def test_killed_and_reloaded_at_random(tmp_path):
    """Two servers take turns in dying, while a thousand reloads, some of them mistaken, go on under the requests."""
    draw = random.Random(5)
    alive = [Upstream(dim=DIM), Upstream(dim=DIM)]
    path = tmp_path / "v.yaml"

    def write(order, **more):
        text = json.dumps(configuration([alive[i].url for i in order], limits={"header_bytes": draw.choice(["8kB", "16kB"])},
                                        join_window=draw.choice(["0ms", "2ms"]), **more))
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", path)

    write((0, 1))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # a reload takes 0.3 ms: what takes time is this thread's turn among the clients'
    with serving("--config", path) as vecna:
        crowd = Crowd(vecna, 4, 3, ("", "/map/small"))
        turn, turns, kill_at, done = 0, 0, time.time() + 0.5, 0
        while done < 1000 and not crowd.wrong:
            turn += 1
            write(draw.choice([(0, 1), (1, 0)]), **({"lisen": "x"} if turn % 16 == 0 else {}))
            vecna.signal(signal.SIGHUP)
            if time.time() > kill_at:  # never both at once, and time to come back
                which = turns % 2
                port = alive[which].port
                alive[which].stop()
                time.sleep(0.05)
                alive[which] = Upstream(dim=DIM, port=port)
                turns, kill_at = turns + 1, time.time() + 0.5
            time.sleep(draw.random() * 0.01)
            if turn % 50 == 0:  # signals that come together are one reload
                done = vecna.metric("vecna_config_reloads_total")
        crowd.end()
        assert not crowd.refused, crowd.refused[:3]
        assert crowd.answered > 50 and turns > 3
        write((0, 1))
        vecna.signal(signal.SIGHUP)
        assert vecna.embed("at the end")[0].shape == (1, DIM)
        assert vecna.metric("vecna_config_last_reload_successful") == 1
    sys.setswitchinterval(interval)
    for up in alive:
        up.stop()


@pytest.mark.parametrize("fault", ["hang", "endless", "gzip_bomb", "slow"])
def test_slow_and_endless_answers_end(tmp_path, fault):
    """One server is stuck: its calls end by time or size, and the other one answers."""
    with Upstream(dim=DIM) as stuck, Upstream(dim=DIM) as sound:
        stuck.behave(fault)
        conf = configuration([stuck.url, sound.url])
        conf["forward"]["targets"][0]["timeout"] = "1s"
        path = tmp_path / "v.yaml"
        path.write_text(json.dumps(conf))
        with serving("--config", path) as vecna:
            for i in range(4):
                got = vecna.embed([f"{fault} {i} {k}" for k in range(3)])[0]
                for k in range(3):
                    assert abs(got[k] - numpy.array(sound.vector(f"{fault} {i} {k}"))).max() < 1e-6
            assert vecna.metric("process_resident_memory_bytes") < 600 * 2**20
        assert stuck.calls()
