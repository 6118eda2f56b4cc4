"""Clients that speak wrong, slowly, or in crowds, before a whole `vecna serve`: every malformed request is answered
with 4xx and its connection closed, nothing that follows it is taken for a request, and others are served meanwhile."""

import json
import os
import random
import resource
import select
import shutil
import socket
import struct
import subprocess
import time

import pytest

from serving import ROOT, serving
from upstream import Upstream

ASAN = "asan" in os.environ.get("VECNA", "")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """One server for all that leaves it as it was."""
    path = tmp_path_factory.mktemp("framing") / "vecna.yaml"
    with Upstream(dim=16) as up:
        path.write_text(json.dumps({"forward": {"targets": [{"url": up.url + "/v1", "model": "m"}]},
                                    "limits": {"body_bytes": "1MB", "header_timeout": "1s", "idle_timeout": "30s",
                                               "connections": 12000}}))
        with serving("--config", path) as vecna:
            vecna.up = up
            yield vecna


def dial(vecna):
    one = socket.create_connection(("127.0.0.1", vecna.port), 15)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def hear(one):
    """All answers until the other side closes: a list of (status, headers, body)."""
    data = b""
    try:
        while piece := one.recv(65536):
            data += piece
    except (ConnectionResetError, TimeoutError):
        pass
    answers = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        if headers.get("transfer-encoding") == "chunked":  # Node's own 417, which has no body
            length = len(b"0\r\n\r\n")
        assert lines[0].startswith("HTTP/1.1 "), (head, data)
        answers.append((int(lines[0].split()[1]), headers, data[:length]))
        data = data[length:]
    return answers


def embed(text, fields=b"", close=False):
    body = json.dumps({"model": "m", "input": text}).encode()
    return (b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + fields
            + (b"Connection: close\r\n" if close else b"") + b"Content-Length: %d\r\n\r\n" % len(body) + body)


BODY = b'{"model":"m","input":"hidden"}'
START = b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"

# Everything here must be 400 unless its name says another status.
MALFORMED = {
    "two lengths": START + LENGTH + b"Content-Length: 4\r\n\r\n" + BODY,
    "two equal lengths": START + LENGTH + LENGTH + b"\r\n" + BODY,
    "a list of lengths": START + b"Content-Length: %d, %d\r\n\r\n" % (len(BODY), len(BODY)) + BODY,
    "a length with a sign": START + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a hexadecimal length": START + b"Content-Length: 0x1e\r\n\r\n" + BODY,
    "a negative length": START + b"Content-Length: -1\r\n\r\n" + BODY,
    "a length that overflows": START + b"Content-Length: 18446744073709551646\r\n\r\n" + BODY,
    "length and chunked": START + LENGTH + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked and length": START + CHUNKED + LENGTH + b"\r\n0\r\n\r\n",
    "two codings": START + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked twice in a list": START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": START + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "nearly chunked": START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked behind a tab": START + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in 1.0": b"POST /v1/embeddings HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "501 another coding": START + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "a space before the colon": START + b"Content-Length : %d\r\n\r\n" % len(BODY) + BODY,
    "a coding with a space before the colon": START + LENGTH + b"Transfer-Encoding : chunked\r\n\r\n" + BODY,
    "a folded line": START + LENGTH + b"X: a\r\n b\r\n\r\n" + BODY,
    "a folded coding": START + LENGTH + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + BODY,
    "bare line feeds": (START + LENGTH + b"\r\n").replace(b"\r\n", b"\n") + BODY,
    "one bare line feed": START + b"X: a\n" + LENGTH + b"\r\n" + BODY,
    "a bare carriage return": START + b"X: a\rContent-Length: 4\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a value": START + b"X: a\0b\r\n" + LENGTH + b"\r\n" + BODY,
    "NUL in a name": START + b"X\0: a\r\n" + LENGTH + b"\r\n" + BODY,
    "a control character": START + b"X: a\x01b\r\n" + LENGTH + b"\r\n" + BODY,
    "two hosts": START + b"Host: b\r\n" + LENGTH + b"\r\n" + BODY,
    "no host": START.replace(b"Host: a\r\n", b"") + LENGTH + b"\r\n" + BODY,
    "an empty host": START.replace(b"Host: a", b"Host:") + LENGTH + b"\r\n" + BODY,
    "a host with a path": START.replace(b"Host: a", b"Host: a/b") + LENGTH + b"\r\n" + BODY,
    "a line without colon": START + b"nonsense\r\n" + LENGTH + b"\r\n" + BODY,
    "a space in the target": START.replace(b"/v1/embeddings", b"/v1/ embeddings") + LENGTH + b"\r\n" + BODY,
    "a bare line feed in the target": START.replace(b"/v1/", b"/v1\n/") + LENGTH + b"\r\n" + BODY,
    "a version with a space": START.replace(b"HTTP/1.1", b"HTTP/ 1.1") + LENGTH + b"\r\n" + BODY,
    "505 another version": START.replace(b"HTTP/1.1", b"HTTP/2.0") + LENGTH + b"\r\n" + BODY,
    "a chunk size of words": START + CHUNKED + b"\r\nzz\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with 0x": START + CHUNKED + b"\r\n0x1e\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with a sign": START + CHUNKED + b"\r\n+1e\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size with a space": START + CHUNKED + b"\r\n1e \r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk size that overflows": START + CHUNKED + b"\r\n1000000000000001e\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk longer than its size": START + CHUNKED + b"\r\n4\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk with a bare line feed": START + CHUNKED + b"\r\n1e\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": START + CHUNKED + b"\r\n1e\r\n" + BODY + b"\n0\r\n\r\n",
    "an extension without a name": START + CHUNKED + b"\r\n1e;\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a last extension without a name": START + CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0;\r\n\r\n",
    "an endless extension": START + CHUNKED + b"\r\n1e;" + b"a" * 8000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a trailer of framing": START + CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0\r\nContent-Length: 4\r\n\r\n",
    "a trailer without colon": START + CHUNKED + b"\r\n1e\r\n" + BODY + b"\r\n0\r\nnonsense\r\n\r\n",
    "431 too many fields": START + b"X: a\r\n" * 80 + LENGTH + b"\r\n" + BODY,
    "431 a long field": START + b"X: " + b"a" * 20000 + b"\r\n" + LENGTH + b"\r\n" + BODY,
    "414 a long target": b"POST /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n" + LENGTH + b"\r\n" + BODY,
    "413 a long body": START + b"Content-Length: 10000000\r\n\r\n" + BODY,
    "413 a long chunk": START + CHUNKED + b"\r\n1000000\r\n" + BODY,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 4,
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_is_refused_and_closed(served, name):
    expected = int(name[:3]) if name[:3].isdigit() else 400
    with dial(served) as one:
        # a good request before, a smuggled one behind
        one.sendall(embed("before " + name))
        one.sendall(MALFORMED[name] + embed("smuggled " + name))
        answers = hear(one)
    assert [answer[0] for answer in answers] == [200, expected], name
    assert answers[1][1]["connection"] == "close"
    assert json.loads(answers[1][2])["error"]["message"]
    assert not any("smuggled" in text or text == "hidden" for text in served.up.texts), name


@pytest.fixture(scope="module")
def llhttp():
    """The port of a server that reads requests with Node's parser."""
    if shutil.which("node") is None:
        pytest.skip("no node")
    process = subprocess.Popen(["node", ROOT / "tests/server/clients/llhttp.mjs"], stdout=subprocess.PIPE, text=True)
    yield int(process.stdout.readline())
    process.terminate()
    process.wait(10)


def say(port, data, half_closed):
    """Answers; without half closing, which vecna takes for leaving, until it closes or waits for more."""
    with socket.create_connection(("127.0.0.1", port), 15 if half_closed else 0.5) as one:
        try:
            one.sendall(data)
            if half_closed:
                one.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return [answer for answer in hear(one) if answer[0] != 100]


def mutated(draw, first, second):
    """Two requests, the first one in one of both framings, with a few places changed."""
    body = json.dumps({"model": "m", "input": first}).encode()
    data = embed(first)
    if draw.random() < 0.5:
        cut = draw.randrange(1, len(body))
        data = (START + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n"
                % (cut, body[:cut], len(body) - cut, body[cut:]))
    pieces = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b";", b",", b"0", b"1", b"\0", b"\x0b", b"\x80", b"+", b"-", b"_", b"Content-Length: 5\r\n",
              b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Content-Length: 0\r\n", b"Host: b\r\n",
              b"chunked", b"x=1;", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Content-Length:", b"\r\n "]
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        head = data.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data and draw.random() < 0.8 else len(data)
        at = draw.randrange(len(b"POST "), head)  # llhttp knows the methods by name
        if draw.random() < 0.3:
            at = data.rfind(b"\r\n", 0, at) + 2 if b"\r\n" in data[:at] else at  # the begin of a line
        end = at + draw.choice([0, 0, 0, 1, 1, 2])
        data = data[:at] + (draw.choice(pieces) if draw.random() < 0.85 else b"") + data[end:]
    return data + embed(second, close=True)


def test_no_request_is_read_as_another_parser_would_not_read_it(served, llhttp):
    """Whatever vecna answers as a request is, for llhttp too, that request with that body in that place: so that two of them
    one behind the other cannot be made to disagree. The other way round llhttp may take what vecna refuses."""
    draw, agreed, counts = random.Random(9112), 0, {}
    for turn in range(600):
        data = mutated(draw, f"first {turn}", f"second {turn}")
        ours, theirs = say(served.port, data, False), say(llhttp, data, True)
        key = (tuple(a[0] for a in ours), tuple(a[0] for a in theirs))
        counts[key] = counts.get(key, 0) + 1
        for place, answer in enumerate(ours):
            if answer[0] != 200:
                continue
            assert place < len(theirs) and theirs[place][0] == 200, (data, ours, theirs)
            method, target, body = json.loads(theirs[place][2])
            assert method == "POST" and target.split("?")[0] == "/v1/embeddings", (data, target)
            text = json.loads(body.encode("latin1"))["input"]
            assert json.loads(answer[2])["data"][0]["embedding"] == pytest.approx(served.up.vector(text), abs=1e-6), data
            agreed += 1
    assert agreed > 100, counts


def test_pipelined_requests_are_answered_in_order(served):
    texts = [f"pipelined {i}" for i in range(40)]
    with dial(served) as one:
        one.sendall(b"".join(embed(text, close=text == texts[-1]) for text in texts))
        answers = hear(one)
    assert [answer[0] for answer in answers] == [200] * 40
    for text, answer in zip(texts, answers):
        got = json.loads(answer[2])["data"][0]["embedding"]
        assert got == pytest.approx(served.up.vector(text), abs=1e-6)


def test_single_bytes_and_chunks(served):
    body = json.dumps({"model": "m", "input": "in chunks"}).encode()
    chunked = b"".join(b"%x;x=y\r\n%s\r\n" % (len(body[i: i + 7]), body[i: i + 7]) for i in range(0, len(body), 7))
    with dial(served) as one:
        for byte in embed("in bytes"):
            one.sendall(bytes([byte]))
        one.sendall(START + CHUNKED + b"Connection: close\r\n\r\n" + chunked + b"0\r\nX-Sum: 1\r\n\r\n")
        answers = hear(one)
    assert [answer[0] for answer in answers] == [200, 200]


def test_slow_headers_and_silence_are_let_go(served):
    with dial(served) as silent, dial(served) as slow:
        begun = time.time()
        slow.sendall(b"POST /v1/embeddings HTTP/1.1\r\n")
        try:
            for i in range(100):  # a header now and then, without end
                slow.sendall(b"X-%d: a\r\n" % i)
                if select.select([slow], [], [], 0.1)[0]:
                    break
        except OSError:
            pass
        assert [answer[0] for answer in hear(slow)] == [408]
        assert hear(silent) == []
        assert time.time() - begun < 12
    assert served.ask("/healthz")[0] == 200


def test_half_requests_and_resets_leave_nothing(served):
    hurry = struct.pack("ii", 1, 0)
    for i in range(60):
        one = dial(served)
        whole = embed(f"half {i}")
        one.sendall(whole[: len(whole) * (i % 10) // 10])
        if i % 2:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hurry)
        one.close()
    for i in range(30):  # gone while the answer is on its way
        one = dial(served)
        one.sendall(embed([f"gone {i} {k}" for k in range(50)]))
        if i % 2:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hurry)
        one.close()
    end = time.time() + 15
    while served.metric("vecna_in_flight") > 0 or served.metric("vecna_connections") > 1:
        assert time.time() < end, served.ask("/metrics")[2]
        time.sleep(0.05)
    assert served.embed("after all")[0].shape == (1, 16)


def test_a_client_that_only_listens_any_more_is_heard(served):
    with dial(served) as one:
        one.sendall(b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        one.shutdown(socket.SHUT_WR)
        assert [answer[0] for answer in hear(one)] == [200]


def test_ten_thousand_idle_connections(served):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 10500:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 10500), hard))
    before = served.metric("process_resident_memory_bytes")
    crowd = []
    try:
        for _ in range(10000):
            one = dial(served)
            crowd.append(one)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")  # who says nothing is let go after a second
        for one in crowd:
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
        assert served.embed("in a crowd")[0].shape == (1, 16)
        assert served.metric("vecna_connections") >= 10000
        held = served.metric("process_resident_memory_bytes") - before
        assert held < (400 if ASAN else 40) * 2**20, f"{held / 2**20:.0f} MB for 10,000 connections"
        for one in crowd[::100]:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert one.recv(4096).startswith(b"HTTP/1.1 200")
    finally:
        for one in crowd:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert served.embed("alone again")[0].shape == (1, 16)
