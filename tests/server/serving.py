"""A running `vecna serve` and a scripted upstream, for the tests of this folder."""

import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import threading
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
VECNA = os.environ.get("VECNA", str(ROOT / "build" / "vecna"))


def vector_of(text, dim):
    """The upstream's vector of a text: unit length, the same every time."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector = numpy.random.default_rng(seed).standard_normal(dim)
    return (vector / numpy.linalg.norm(vector)).astype(numpy.float32)


class Upstream:
    """An OpenAI-compatible server that can be told to misbehave: `script` is called with the request's
    number and its body and returns None (a good answer) or (status, headers, body)."""

    def __init__(self, dim=384, script=None, base64_too=True, delay=0.0, most=None, port=0, scale=1.0):
        self.dim, self.script, self.base64_too, self.delay, self.most = dim, script, base64_too, delay, most
        self.scale, self.well = scale, True
        self.bodies, self.headers, self.paths = [], [], []
        self.lock = threading.Lock()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *arguments):
                pass

            def send(self, status, headers, body):
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    if "Content-Length" not in headers:
                        self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass

            def do_GET(self):
                self.send(200 if upstream.well else 503, {"Content-Type": "application/json"}, b'{"status":"ok"}')

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with upstream.lock:
                    number = len(upstream.bodies)
                    upstream.bodies.append(body)
                    upstream.headers.append(dict(self.headers))
                    upstream.paths.append(self.path)
                if upstream.delay:
                    time.sleep(upstream.delay)
                scripted = upstream.script(number, body) if upstream.script else None
                if scripted is None:
                    scripted = 200, {"Content-Type": "application/json"}, json.dumps(upstream.answer(body)).encode()
                if scripted == "close":
                    self.close_connection = True
                    self.connection.close()
                    return
                if scripted[1].pop("X-Half", None):
                    self.send(scripted[0], {"Content-Length": str(len(scripted[2]))}, scripted[2][: len(scripted[2]) // 2])
                    self.close_connection = True
                    return
                self.send(*scripted)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, body):
        inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
        data = []
        for index, text in enumerate(inputs):
            vector = vector_of(text, self.dim) * numpy.float32(self.scale)
            if body.get("encoding_format") == "base64" and self.base64_too:
                value = base64.b64encode(vector.tobytes()).decode()
            else:
                value = [float(v) for v in vector]
            data.append({"object": "embedding", "index": index, "embedding": value})
        return {"object": "list", "data": data, "model": "scripted",
                "usage": {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}}

    def inputs(self):
        """What was asked for, apart from canaries."""
        with self.lock:
            asked = [b["input"] if isinstance(b["input"], list) else [b["input"]] for b in self.bodies]
        return [a for a in asked if not any("quick brown fox" in t for t in a)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Served:
    """A `vecna serve` that runs."""

    def __init__(self, *arguments, cwd=None, env=None, ready=True):
        environment = dict(os.environ, NO_COLOR="1", **(env or {}))
        self.process = subprocess.Popen([VECNA, "serve", *map(str, arguments)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, cwd=cwd, env=environment, text=True)
        self.errors = []
        self.reader = threading.Thread(target=self._read_errors, daemon=True)
        self.reader.start()
        self.line = self.process.stdout.readline() if ready else ""
        found = re.search(r"//([0-9.:\[\]]+):(\d+) ", self.line)
        assert not ready or found, f"not ready: {self.line!r} {''.join(self.errors)}"
        if found:
            self.host, self.port = found[1], int(found[2])
            self.url = f"http://127.0.0.1:{self.port}"

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def said(self, text, seconds=5):
        """Whether it says this on standard error, now or soon."""
        end = time.time() + seconds
        while text not in "".join(self.errors):
            if time.time() > end:
                return False
            time.sleep(0.02)
        return True

    def ask(self, path, body=None, method=None, headers=None, timeout=60):
        """One request: (status, headers, parsed JSON or text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method or ("POST" if data is not None else "GET"), path, data, headers or {})
            answer = connection.getresponse()
            text = answer.read()
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = text.decode("utf-8", "replace")
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, parsed
        finally:
            connection.close()

    def embed(self, inputs, path="/v1/embeddings", **more):
        """Vectors of an OpenAI request, which must succeed."""
        status, headers, body = self.ask(path, {"model": "any", "input": inputs, **more})
        assert status == 200, (status, body)
        return numpy.array([item["embedding"] for item in body["data"]], dtype=numpy.float64), headers

    def metric(self, name):
        """Sum of a metric over its labels."""
        total = 0.0
        for line in self.ask("/metrics")[2].splitlines():
            found = re.match(r"(\w+)(\{[^}]*\})? (\S+)$", line)
            if found and found[1] == name:
                total += float(found[3])
        return total

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, status=0):
        if self.process.poll() is None and self.line:
            self.signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join(5)
        text = "".join(self.errors)
        assert "Sanitizer" not in text and "runtime error" not in text, text
        assert status is None or self.process.returncode == status, (self.process.returncode, text)
        return text


@contextlib.contextmanager
def serving(*arguments, **options):
    """Served on a free port, stopped at the end."""
    served = Served("--listen", "127.0.0.1:0", *arguments, **options)
    try:
        yield served
    finally:
        served.stop()


@contextlib.contextmanager
def upstream(**options):
    one = Upstream(**options)
    try:
        yield one
    finally:
        one.close()


def bytes_of(vectors):
    return b"".join(struct.pack(f"<{len(v)}f", *v) for v in vectors)


def stop_under(vecna, texts, clients, seconds):
    """The server is told to stop `seconds` after so many clients have asked for the texts; what they were answered."""
    answers = []

    def ask():
        try:
            answers.append(vecna.ask("/v1/embeddings", {"model": "m", "input": texts}))
        except (OSError, http.client.HTTPException):
            pass  # it came when nobody listened any more

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for client in threads:
        client.start()
    time.sleep(seconds)
    vecna.signal(signal.SIGTERM)
    for client in threads:
        client.join()
    vecna.stop()
    for status, _, body in answers:
        assert status in (200, 503)
        assert status != 200 or len(body["data"]) == len(texts)
    return answers
