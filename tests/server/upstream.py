"""A model server that does as it is told: right answers in the shape of every provider, or one of the faults
that real servers have shown. For tests: `with Upstream(dim=384) as up: up.behave("nan", times=1)`.
By hand: `python upstream.py --port 9000 --dim 384 --behave slow`.

Its vectors depend on the text alone, so that a test can say which vector belongs to which text after any
number of batches, retries and reorderings: vector(text, dim) is what a right answer holds for it.
"""

import argparse
import base64
import gzip
import hashlib
import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

try:
    import numpy as np
except ImportError:  # by hand, without the test environment
    np = None

FAULTS = {
    # the vectors
    "ok": "right",
    "shuffled": "right, in another order, with the right index (must be put back in order)",
    "no_index": "right, without index members",
    "short": "one vector too few",
    "long": "one vector too many",
    "empty": "an empty list",
    "wrong_dim": "one vector of another length",
    "all_wrong_dim": "all vectors half as long",
    "nan": "NaN in a vector (as Python's json writes it)",
    "null": "null in a vector",
    "inf": "a number beyond float32",
    "zero": "a vector of zeros",
    "strings": "numbers in quotes",
    "duplicate_index": "two vectors with the same index",
    "index_range": "an index beyond the list",
    "per_token": "one vector for each token, as servers without pooling answer",
    "base64_float64": "base64 of doubles",
    "bad_base64": "base64 that is none",
    "other_model": "right in form, but of another model: vectors turned",
    # the answer
    "slow": "right, byte by byte",
    "late": "right, after two seconds",
    "chunked": "right, in chunks",
    "gzip": "right, compressed although nobody asked",
    "gzip_bomb": "a few kilobytes that unfold to a gigabyte",
    "half_body": "half of it, then the connection ends",
    "half_chunked": "half of it in chunks, then the connection ends",
    "no_json": "HTML with status 200",
    "cut_json": "JSON that ends early",
    "nothing": "status 200 and no body",
    "endless": "a body without end",
    "hang": "no answer at all",
    "close": "the connection ends before the answer",
    "garbage": "no HTTP",
    "redirect": "302 to another host",
    "two_lengths": "two Content-Lengths",
    # statuses
    "400": "a client's mistake", "401": "no key", "404": "no such model", "413": "too large",
    "422": "not to be processed", "429": "too many, try in a second", "500": "broken", "503": "still loading",
    "529": "overloaded",
}


def vector(text, dim, salt=""):
    """The unit vector of a text, float32, as a list of Python floats that float32 holds exactly."""
    digest = hashlib.sha256((salt + text).encode("utf-8", "surrogatepass")).digest()
    if np is not None:
        row = np.random.default_rng(int.from_bytes(digest[:8], "little")).standard_normal(dim).astype(np.float32)
        row /= np.float32(np.sqrt(np.sum(row.astype(np.float64) ** 2)))
        return [float(x) for x in row]
    blocks = (dim * 4 + 31) // 32
    raw = b"".join(hashlib.sha256(digest + struct.pack("<I", i)).digest() for i in range(blocks))
    row = [x / 2**32 - 0.5 for x in struct.unpack(f"<{dim}I", raw[: dim * 4])]
    norm = sum(x * x for x in row) ** 0.5
    return list(struct.unpack(f"<{dim}f", struct.pack(f"<{dim}f", *(x / norm for x in row))))


class Upstream:
    """One server on a free port of 127.0.0.1. provider is only what its lists say of itself."""

    def __init__(self, dim=384, model="mock-model", base64_ok=True, max_inputs=None, delay=0.0, salt="", port=0,
                 key=None):
        self.dim, self.model, self.base64_ok, self.max_inputs = dim, model, base64_ok, max_inputs
        self.delay, self.salt, self.key = delay, salt, key
        self.requests = []  # (method, path, headers, parsed body) in order of arrival
        self.connections = 0
        self.queue, self.always = [], "ok"
        self.redirect_to = "http://127.0.0.2:9/"
        self.lock = threading.Lock()
        upstream = self

        class Handler(_Handler):
            pass

        Handler.upstream = upstream
        self.server = _Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def behave(self, *names, times=None):
        """The next requests fail as named, one name each (or one name `times` times); without `times` and
        with one name, all from now on. Only requests for embeddings count."""
        for name in names:
            assert name in FAULTS, name
        with self.lock:
            if len(names) == 1 and times is None:
                self.always, self.queue = names[0], []
            else:
                self.queue += list(names) * (times or 1)

    def next_behaviour(self):
        with self.lock:
            return self.queue.pop(0) if self.queue else self.always

    def vector(self, text):
        return vector(text, self.dim, self.salt)

    @property
    def texts(self):
        """All texts that were asked for, in order."""
        return [text for _, path, _, body in self.requests for text in texts_of(path, body)]

    def calls(self):
        return [entry for entry in self.requests if texts_of(entry[1], entry[3])]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.server.close_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, *arguments):
        self.open = set()
        self.open_lock = threading.Lock()
        super().__init__(*arguments)

    def get_request(self):
        pair = super().get_request()
        with self.open_lock:
            self.open.add(pair[0])
        return pair

    def shutdown_request(self, request):
        with self.open_lock:
            self.open.discard(request)
        super().shutdown_request(request)

    def close_all(self):
        """As a killed process does: every connection ends at once."""
        with self.open_lock:
            for one in self.open:
                try:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def handle_error(self, *_):
        pass  # clients that leave are part of the tests


def texts_of(path, body):
    """The texts that a request asks vectors for; [] when it asks for something else."""
    if not isinstance(body, dict):
        return []
    path = urlsplit(path).path
    if path.endswith(":batchEmbedContents"):
        return ["".join(part.get("text", "") for part in one["content"]["parts"]) for one in body["requests"]]
    if path.endswith(":embedContent"):
        return ["".join(part.get("text", "") for part in body["content"]["parts"])]
    if path.endswith("/api/embeddings"):
        return [body.get("prompt", "")]
    value = body.get("input", body.get("inputs", body.get("texts")))
    if isinstance(value, str):
        return [value]
    return list(value) if isinstance(value, list) and all(isinstance(x, str) for x in value) else []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None
    wbufsize = -1

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.upstream.lock:
            self.upstream.connections += 1

    def log_message(self, *_):
        pass

    # ---- reading

    def do_GET(self):
        up, path = self.upstream, urlsplit(self.path).path
        up.requests.append(("GET", self.path, dict(self.headers), None))
        now = "2026-01-01T00:00:00Z"
        answers = {
            "/v1/models": {"object": "list", "data": [{"id": up.model, "object": "model", "created": 1700000000,
                                                         "owned_by": "tests", "meta": {"n_embd": up.dim}}]},
            "/api/version": {"version": "0.99.0"},
            "/api/tags": {"models": [{"name": up.model, "model": up.model, "modified_at": now, "size": 1,
                                      "digest": "0" * 64, "details": {"family": "bert", "parameter_size": "22M",
                                                                      "quantization_level": "F16",
                                                                      "embedding_length": up.dim},
                                      "capabilities": ["embedding"]}]},
            "/info": {"model_id": up.model, "model_type": {"embedding": {"pooling": "mean"}}, "max_input_length": 512,
                      "max_client_batch_size": up.max_inputs or 32, "version": "1.9.0"},
            "/health": {"status": "ok"},
        }
        if path in answers:
            self.send_json(200, answers[path])
        elif path in ("/", ""):
            self.send_bytes(200, b"Ollama is running", "text/plain")
        else:
            self.send_json(404, {"error": {"message": "not found", "type": "not_found_error"}})

    def do_POST(self):
        up = self.upstream
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        with up.lock:
            up.requests.append(("POST", self.path, dict(self.headers), body))
        if up.key is not None and self.headers.get("Authorization") != f"Bearer {up.key}":
            self.send_json(401, {"error": {"message": "bad key", "type": "invalid_request_error"}})
            return
        if urlsplit(self.path).path == "/api/show":
            self.send_json(200, {"details": {"family": "bert"}, "model_info": {"bert.embedding_length": up.dim},
                                 "capabilities": ["embedding"]})
            return
        texts = texts_of(self.path, body)
        if not texts:
            self.send_json(400, {"error": {"message": "no texts", "type": "invalid_request_error"}})
        elif up.max_inputs is not None and len(texts) > up.max_inputs:
            self.send_json(422, {"error": f"batch size {len(texts)} > maximum allowed batch size {up.max_inputs}",
                                 "error_type": "Validation"})
        else:
            self.answer(up.next_behaviour(), texts, body)

    # ---- answering

    def answer(self, how, texts, body):
        up = self.upstream
        if up.delay:
            time.sleep(up.delay)
        if how.isdigit():
            message = {"429": "slow down", "503": "loading model"}.get(how, "as told")
            more = {"Retry-After": "1"} if how == "429" else {}
            self.send_json(int(how), {"error": {"message": message, "type": "as_told", "param": None, "code": None}},
                           more)
            return
        payload = json.dumps(self.shape(how, texts, body)).encode()
        sender = getattr(self, "send_" + how, None)
        if sender is not None:
            sender(payload)
        else:
            self.send_bytes(200, payload, "application/json")

    def rows(self, how, texts):
        up = self.upstream
        rows = [vector(text, up.dim, up.salt + ("other" if how == "other_model" else "")) for text in texts]
        if how == "short":
            rows.pop()
        elif how == "long":
            rows.append(rows[0])
        elif how == "empty":
            rows = []
        elif how == "wrong_dim":
            rows[-1] = rows[-1][:-1]
        elif how == "all_wrong_dim":
            rows = [row[: len(row) // 2] for row in rows]
        elif how == "nan":
            rows[-1] = [float("nan")] + rows[-1][1:]
        elif how == "null":
            rows[-1] = [None] + rows[-1][1:]
        elif how == "inf":
            rows[-1] = [1e300] + rows[-1][1:]
        elif how == "zero":
            rows[-1] = [0.0] * len(rows[-1])
        elif how == "strings":
            rows[-1] = [str(x) for x in rows[-1]]
        elif how == "per_token":
            rows = [[row, row, row] for row in rows]
        return rows

    def shape(self, how, texts, body):
        """The answer of the provider whose path was asked."""
        up, path, rows = self.upstream, urlsplit(self.path).path, self.rows(how, texts)
        tokens = sum(len(text) // 4 + 1 for text in texts)
        if path.endswith(":batchEmbedContents"):
            return {"embeddings": [{"values": row} for row in rows]}
        if path.endswith(":embedContent"):
            return {"embedding": {"values": rows[0] if rows else []}}
        if path.endswith("/api/embeddings"):
            return {"embedding": rows[0] if rows else []}
        if path.endswith("/api/embed"):
            return {"model": up.model, "embeddings": rows, "total_duration": 1, "load_duration": 1,
                    "prompt_eval_count": tokens}
        if path.endswith("/v2/embed"):
            return {"id": "x", "embeddings": {"float": rows}, "texts": texts,
                    "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}}}
        if path.endswith("/embed"):
            return rows
        as_base64 = body.get("encoding_format") == "base64" and up.base64_ok and how not in ("nan", "null", "strings",
                                                                                             "per_token")
        data = []
        for i, row in enumerate(rows):
            if how == "bad_base64":
                row = "@@@not base64@@@"
            elif as_base64 or how == "base64_float64":
                kind = "d" if how == "base64_float64" else "f"
                clipped = [min(x, 3e38) if how != "inf" else x for x in row]
                packed = b"".join(struct.pack("<" + kind, x if abs(x) < 3.4e38 or kind == "d" else float("inf"))
                                  for x in clipped)
                row = base64.b64encode(packed).decode()
            index = 0 if how == "duplicate_index" else i + 7 if how == "index_range" and i == 0 else i
            data.append({"object": "embedding", "index": index, "embedding": row})
            if how == "no_index":
                del data[-1]["index"]
        if how == "shuffled":
            data = data[1::2] + data[::2]
        return {"object": "list", "data": data, "model": up.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}

    def send_json(self, status, value, more=None):
        self.send_bytes(status, json.dumps(value).encode(), "application/json", more)

    def send_bytes(self, status, body, kind, more=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def head(self, *lines):
        self.wfile.write("\r\n".join(("HTTP/1.1 200 OK", "Content-Type: application/json", *lines, "", ""))
                         .encode())

    def send_slow(self, body):
        self.head(f"Content-Length: {len(body)}")
        pause = 0.5 / max(1, len(body))
        for i in range(len(body)):
            self.wfile.write(body[i: i + 1])
            self.wfile.flush()
            if i % 64 == 0:
                time.sleep(pause * 64)

    def send_late(self, body):
        time.sleep(2)
        self.send_bytes(200, body, "application/json")

    def send_chunked(self, body):
        self.head("Transfer-Encoding: chunked")
        for i in range(0, len(body), 777):
            piece = body[i: i + 777]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def send_gzip(self, body):
        packed = gzip.compress(body)
        self.head(f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
        self.wfile.write(packed)

    def send_gzip_bomb(self, _):
        packed = _bomb()
        self.head(f"Content-Length: {len(packed)}", "Content-Encoding: gzip")
        self.wfile.write(packed)

    def send_half_body(self, body):
        self.head(f"Content-Length: {len(body)}")
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def send_half_chunked(self, body):
        self.head("Transfer-Encoding: chunked")
        self.wfile.write(b"%x\r\n%s" % (len(body), body[: len(body) // 2]))
        self.close_connection = True

    def send_no_json(self, _):
        self.send_bytes(200, b"<html><body>Welcome to the proxy</body></html>", "text/html")

    def send_cut_json(self, body):
        self.send_bytes(200, body[: len(body) * 2 // 3], "application/json")

    def send_nothing(self, _):
        self.send_bytes(200, b"", "application/json")

    def send_endless(self, _):
        self.head("Transfer-Encoding: chunked")
        block = b"4000\r\n" + b'{"data":[' + b" " * (0x4000 - 9) + b"\r\n"
        try:
            for _ in range(1 << 16):
                self.wfile.write(block)
        except OSError:
            pass
        self.close_connection = True

    def send_hang(self, _):
        try:
            self.connection.settimeout(60)
            self.connection.recv(1)  # until the other side gives up
        except OSError:
            pass
        self.close_connection = True

    def send_close(self, _):
        self.close_connection = True

    def send_garbage(self, _):
        self.wfile.write(b"\x00\x01\x02 this is not HTTP\r\n\r\n")
        self.close_connection = True

    def send_redirect(self, _):
        self.wfile.write((f"HTTP/1.1 302 Found\r\nLocation: {self.upstream.redirect_to}\r\n"
                          "Content-Length: 0\r\n\r\n").encode())

    def send_two_lengths(self, body):
        self.head(f"Content-Length: {len(body)}", f"Content-Length: {len(body) // 2}")
        self.wfile.write(body)
        self.close_connection = True


_bomb_cache = []


def _bomb():
    """A gigabyte of spaces behind a plausible beginning, packed as 64 copies of one member."""
    if not _bomb_cache:
        member = gzip.compress(b" " * (16 << 20), 9)
        _bomb_cache.append(gzip.compress(b'{"object":"list","data":[') + member * 64)
    return _bomb_cache[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="behaviours:\n" + "\n".join(f"  {k:16} {v}" for k, v in FAULTS.items()))
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--model", default="mock-model")
    parser.add_argument("--behave", default="ok", choices=sorted(FAULTS))
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--max-inputs", type=int)
    options = parser.parse_args()
    upstream = Upstream(options.dim, options.model, max_inputs=options.max_inputs, delay=options.delay,
                        port=options.port)
    upstream.behave(options.behave)
    print(upstream.url, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        upstream.stop()


if __name__ == "__main__":
    main()
