"""What `vecna serve` adds to a call, beside what nginx adds to the same call in the same run.

    python bench/serve/run.py [--vecna build/vecna] [--rounds 7] [--seconds 2] [--only WORD] [--litellm BIN]

Needs nginx, and the drivers of bench/serve (`make bench`, or make build/release/bench/serve/mock .../load). The mock
and the generator share one core, the proxy has the other; direct, nginx and vecna are measured in turn, round after round,
and differences are taken within a round, so that what else the machine does falls on all three alike. Nothing is
subtracted but the direct call. No two requests ask for the same text: no cache answers.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / "build" / "release" / "bench" / "serve"
FIRST = ["nice", "-n", "-20"] if os.getuid() == 0 else []  # before whatever else the machine does


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(port, process=None, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if process is not None and process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing answers on port {port}")


class Cluster:
    """Mock, nginx, vecna (and LiteLLM) before one mock."""

    def __init__(self, options, folder, dim=1536, floats=False, delay=0, serve=(), map_file=None, env=None):
        self.folder, self.running, self.ports = pathlib.Path(folder), {}, {}
        cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
        self.load_core, self.proxy_core = cores[0], cores[-1]
        try:
            self.start_all(options, dim, floats, delay, serve, map_file, env)
        except BaseException:
            self.stop()
            raise

    def start_all(self, options, dim, floats, delay, serve, map_file, env):
        self.start("direct", self.load_core, [str(BIN / "mock"), "127.0.0.1:%PORT%", "--dim", str(dim), "--delay", str(delay)]
                   + (["--floats"] if floats else []))
        if shutil.which("nginx"):
            self.start_nginx()
        upstream = f"http://127.0.0.1:{self.ports['direct']}/v1"
        extra = ["--map", str(map_file)] if map_file else []
        self.start("vecna", self.proxy_core, [options.vecna, "serve", "--listen", "127.0.0.1:%PORT%", "--upstream", upstream,
                                              "--model", "mock", *serve, *extra], env)
        if options.litellm:
            self.start_litellm(options.litellm, upstream)

    def start(self, name, core, command, env=None):
        port = free_port()
        command = [part.replace("%PORT%", str(port)) for part in command]
        log = open(self.folder / f"{name}.log", "wb")
        process = subprocess.Popen([*FIRST, "taskset", "-c", core, *command], stdout=log, stderr=log,
                                   env=dict(os.environ, **(env or {})))
        self.running[name], self.ports[name] = process, port
        wait_for(port, process, 120)

    def start_nginx(self):
        port = free_port()
        conf = self.folder / "nginx.conf"
        conf.write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f;
 uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s; client_max_body_size 64m; client_body_buffer_size 1m;
 proxy_buffers 64 16k; proxy_buffer_size 16k; keepalive_requests 1000000000;
 upstream up {{ server 127.0.0.1:{self.ports['direct']}; keepalive 256; keepalive_requests 1000000000; }}
 server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
""")
        process = subprocess.Popen([*FIRST, "taskset", "-c", self.proxy_core, "nginx", "-e", str(self.folder / "nginx-error.log"), "-c",
                                    str(conf), "-g", "user root;" if os.getuid() == 0 else ""])
        self.running["nginx"], self.ports["nginx"] = process, port
        wait_for(port, process)

    def start_litellm(self, binary, upstream):
        conf = self.folder / "litellm.yaml"
        conf.write_text(json.dumps({"model_list": [{"model_name": "mock", "litellm_params": {
            "model": "openai/mock", "api_base": upstream, "api_key": "x"}}]}))
        self.start("litellm", self.proxy_core, [binary, "--config", str(conf), "--host", "127.0.0.1", "--port", "%PORT%",
                                                "--num_workers", "1"], {"LITELLM_LOG": "ERROR",
                                                                             "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"})

    def pids(self, name):
        """The process and its children: nginx works in one."""
        first = self.running[name].pid
        found = [first]
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                parts = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(parts[1]) in found:
                found.append(int(path.parent.name))
        return found

    def cpu_ns(self, name):
        total = 0
        for pid in self.pids(name):
            for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    total += int(path.read_text().split()[0])
                except (OSError, IndexError):
                    pass
        return total

    def status_kb(self, name, field):
        text = pathlib.Path(f"/proc/{self.running[name].pid}/status").read_text()
        return int(text.split(field + ":")[1].split()[0])

    def load(self, name, body, path="/v1/embeddings", **how):
        before = self.cpu_ns(name)
        arguments = [str(part) for key, value in how.items() for part in ("--" + key, value)]
        out = subprocess.run([*FIRST, "taskset", "-c", self.load_core, str(BIN / "load"), str(self.ports[name]), path, str(body),
                              *arguments], capture_output=True, text=True, check=True)
        got = json.loads(out.stdout)
        got["cpu_us"] = (self.cpu_ns(name) - before) / 1e3 / max(1, got["requests"])
        if got["errors"]:
            print(f"   ! {name}: {got['errors']} errors of {got['requests']}", file=sys.stderr)
        return got

    def stop(self):
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def write(folder, name, value):
    path = pathlib.Path(folder) / name
    path.write_text(json.dumps(value))
    return path


def body_of(count, base64):
    texts = [f"@@@@@@@@ How do I reset my password? {i}" if i == 0 else f"How do I reset my password? {i}" for i in range(count)]
    value = {"model": "mock", "input": texts[0] if count == 1 else texts}
    if base64:
        value["encoding_format"] = "base64"
    return value


def middle(values):
    return statistics.median(values)


def show(name, values, unit="us"):
    return f"{name} {middle(values):.1f} {unit} ({min(values):.1f}..{max(values):.1f})"


def hop(options, folder, name, floats, base64, limit):
    """Added median latency and processor time of one request at a time."""
    with Cluster(options, folder, floats=floats) as it:
        body = write(folder, "one.json", body_of(1, base64))
        names = [each for each in ("direct", "nginx", "vecna", "litellm") if each in it.ports]
        for each in names:
            it.load(each, body, seconds=0.3)
        rounds = {each: [] for each in names}
        for _ in range(options.rounds):
            for each in names:
                rounds[each].append(it.load(each, body, seconds=options.seconds))
        added = {each: [got["p50"] - base["p50"] for got, base in zip(rounds[each], rounds["direct"])] for each in names[1:]}
        cpu = {each: [got["cpu_us"] for got in rounds[each]] for each in names[1:]}
        print(f"{name}: one vector of 1536, one request at a time, {options.rounds} rounds of {options.seconds} s")
        print("   direct p50 " + show("", [got["p50"] for got in rounds["direct"]]).strip())
        for each in names[1:]:
            print(f"   {each:8} adds {show('p50', added[each])}; {show('cpu', cpu[each])}; "
                  f"{middle([got['per_second'] for got in rounds[each]]):.0f} requests/s")
        if "nginx" in names:
            ratio = [v / n for v, n in zip(added["vecna"], added["nginx"])]
            work = [v / n for v, n in zip(cpu["vecna"], cpu["nginx"])]
            print(f"   vecna / nginx: added p50 {middle(ratio):.2f} (limit {limit}), cpu {middle(work):.2f}")
        if "litellm" in names:
            ratio = [l / v for v, l in zip(added["vecna"], added["litellm"])]
            print(f"   litellm / vecna: added p50 {middle(ratio):.0f} (at least 100), requests/s 1/"
                  f"{middle([v['per_second'] / l['per_second'] for v, l in zip(rounds['vecna'], rounds['litellm'])]):.0f}")


def json_hop(options, folder):
    hop(options, folder, "JSON to JSON", floats=True, base64=False, limit=4)


def base64_hop(options, folder):
    hop(options, folder, "base64 to base64", floats=False, base64=True, limit=2)


def mixed_hop(options, folder):
    hop(options, folder, "base64 upstream, JSON to the client", floats=False, base64=False, limit=4)


def throughput(options, folder):
    """Closed loop of 16 clients: what a core of proxy answers in a second, and in a second of its own processor time (where the
    mock and the generator, which share the other core, are the limit, only the latter is the proxy's)."""
    with Cluster(options, folder) as it:
        body = write(folder, "many.json", body_of(1, True))
        names = [each for each in ("direct", "nginx", "vecna", "litellm") if each in it.ports]
        for each in names:
            it.load(each, body, seconds=0.5, connections=16)
        rounds = {each: [] for each in names}
        for _ in range(options.rounds):
            for each in names:
                rounds[each].append(it.load(each, body, seconds=options.seconds, connections=16))
        print(f"16 clients, one vector of 1536 in base64 each, {options.rounds} rounds of {options.seconds} s")
        for each in names:
            print(f"   {each:8} {middle([got['per_second'] for got in rounds[each]]):.0f} requests/s, "
                  f"{1e6 / middle([got['cpu_us'] for got in rounds[each]]):.0f} a second of its processor time")
        if "litellm" in names:
            for key, words in (("per_second", "requests/s"), ("cpu_us", "requests a processor second")):
                ratio = [(v[key] / l[key]) ** (1 if key == "per_second" else -1) for v, l in zip(rounds["vecna"], rounds["litellm"])]
                print(f"   vecna / litellm: {words} {middle(ratio):.0f} (at least 100)")


def open_loop(options, folder):
    """At a fixed rate well below what each can do; latency from when a request was due."""
    with Cluster(options, folder, delay=5) as it:
        body = write(folder, "open.json", body_of(1, True))
        names = [each for each in ("direct", "nginx", "vecna") if each in it.ports]
        rounds = {each: [] for each in names}
        for _ in range(options.rounds):
            for each in names:
                rounds[each].append(it.load(each, body, seconds=options.seconds, rate=1000, connections=64))
        print(f"open loop: 1000 requests/s, upstream of 5 ms, {options.rounds} rounds of {options.seconds} s")
        for each in names:
            print(f"   {each:8} {show('p50', [g['p50'] for g in rounds[each]])}; {show('p99', [g['p99'] for g in rounds[each]])}; "
                  f"{show('cpu', [g['cpu_us'] for g in rounds[each]])}")


def crowd(options, folder):
    """1,000 clients that keep their connections."""
    with Cluster(options, folder, delay=20) as it:
        body = write(folder, "crowd.json", body_of(1, True))
        got = it.load("vecna", body, seconds=5, connections=1000)
        peak = it.status_kb("vecna", "VmHWM") / 1024
        print(f"1000 keep-alive clients: {got['per_second']:.0f} requests/s, {got['errors']} errors, "
              f"peak memory {peak:.0f} MB (limit 150)")


def large(options, folder):
    """2048 texts in one request."""
    for base64 in (False, True):
        with Cluster(options, folder) as it:
            idle = it.status_kb("vecna", "VmRSS") / 1024
            body = write(folder, "large.json", body_of(2048, base64))
            request = urllib.request.Request(f"http://127.0.0.1:{it.ports['vecna']}/v1/embeddings", body.read_bytes(),
                                             {"Content-Type": "application/json"})
            answer = len(urllib.request.urlopen(request, timeout=60).read()) / 2**20
            peak = it.status_kb("vecna", "VmHWM") / 1024
            took = [it.load(each, body, seconds=options.seconds)["p50"] / 1e3 for each in ("direct", "vecna")]
            print(f"2048 texts, {'base64' if base64 else 'JSON'}: answer {answer:.1f} MB, peak {peak:.0f} MB, idle {idle:.0f} MB: "
                  f"{(peak - idle) / answer:.2f} answers more (limit 3 in all: {peak / answer:.2f}); p50 {took[1]:.1f} ms, "
                  f"direct {took[0]:.1f} ms")


def make_map(options, folder):
    """A learned map 1536 -> 768 for the mock's vectors; serve refuses one of any other model."""
    import numpy as np
    with Cluster(options, folder) as it:
        request = urllib.request.Request(f"http://127.0.0.1:{it.ports['direct']}/v1/embeddings",
                                         json.dumps(body_of(2048, False)).encode())
        rows = json.loads(urllib.request.urlopen(request, timeout=60).read())["data"]
    source = np.array([row["embedding"] for row in rows], dtype=np.float32)
    target = source @ np.random.default_rng(1).standard_normal((1536, 768)).astype(np.float32)
    target /= np.linalg.norm(target, axis=1, keepdims=True)
    np.save(pathlib.Path(folder) / "s.npy", source)
    np.save(pathlib.Path(folder) / "t.npy", target)
    map_file = pathlib.Path(folder) / "m.vecna"
    subprocess.run([options.vecna, "fit", f"{folder}/s.npy", f"{folder}/t.npy", "-o", str(map_file), "--method", "ridge"],
                   check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not map_file.exists():
        raise SystemExit("vecna fit gave no map")
    return map_file


def mapped(options, folder):
    """A learned map 1536 -> 768 on the way, against none; and with the confidence of each answer beside it."""
    map_file = make_map(options, folder)
    kinds = ("int12", "float16", "float32", "int8", "int12+confidence")
    conf = {name: (map_file, ("--precision", name.split("+")[0])) for name in kinds} | {"without": (None, ())}
    clusters = {}
    try:
        for name, (file, serve) in conf.items():
            sub = pathlib.Path(folder) / name
            sub.mkdir()
            clusters[name] = Cluster(options, sub, serve=serve, map_file=file,
                                     env={"VECNA_ADAPTER_CONFIDENCE": "always"} if "confidence" in name else None)
        for base64 in (True, False):
            body = write(folder, "one.json", body_of(1, base64))
            rounds = [{name: it.load("vecna", body, seconds=options.seconds) for name, it in clusters.items()}
                      for _ in range(options.rounds)]
            for name in kinds:
                differences = [got[name]["p50"] - got["without"]["p50"] for got in rounds]
                cpu = [got[name]["cpu_us"] - got["without"]["cpu_us"] for got in rounds]
                print(f"a map 1536 to 768 on the way, {name}, {'base64' if base64 else 'JSON'}: {show('p50 adds', differences)}, "
                      f"{show('cpu adds', cpu)} (limit 60)")
    finally:
        for it in clusters.values():
            it.stop()


def bare_product(rows, runs):
    """Milliseconds of the float32 product that a map is, in one thread: NumPy's, packed anew each time as ours."""
    import numpy as np
    import threadpoolctl
    x, w = np.ones((rows, 1536), np.float32), np.ones((1536, 768), np.float32)
    took = []
    with threadpoolctl.threadpool_limits(1):
        for _ in range(runs + 1):
            start = time.thread_time()
            x @ w
            took.append((time.thread_time() - start) * 1e3)
    return statistics.median(took[1:])


def mapped_many(options, folder):
    """2048 vectors through a map, against as many that are only cut to the same dimension; and what a small request waits for
    meanwhile."""
    clusters, map_file = {}, make_map(options, folder)
    try:
        for name, serve, file in (("map", (), map_file), ("cut", ("--dim", "768"), None)):
            sub = pathlib.Path(folder) / name
            sub.mkdir()
            clusters[name] = Cluster(options, sub, serve=serve, map_file=file)
        many, one = write(folder, "many.json", body_of(2048, True)), write(folder, "one.json", body_of(1, True))
        added, ratios = [], []
        for _ in range(options.rounds):
            got = {name: it.load("vecna", many, seconds=options.seconds)["cpu_us"] / 1e3 for name, it in clusters.items()}
            added.append(got["map"] - got["cut"])
            ratios.append(added[-1] / bare_product(2048, 5))
        print(f"2048 vectors through a map: processor time adds {statistics.median(added):.1f} ms over cutting them, {statistics.median(ratios):.2f} times the bare product ({min(ratios):.2f}..{max(ratios):.2f}; limit 1.3)")
        for name, it in clusters.items():
            quiet = it.load("vecna", one, seconds=options.seconds)
            behind = threading.Thread(target=it.load, args=("vecna", many), kwargs={"seconds": 3 * options.seconds})
            behind.start()
            time.sleep(options.seconds / 2)
            busy = it.load("vecna", one, seconds=options.seconds)
            behind.join()
            print(f"   one vector beside them ({name}): p50 {busy['p50']:.0f} us, p99 {busy['p99']:.0f} us; alone {quiet['p50']:.0f} and {quiet['p99']:.0f}")
    finally:
        for it in clusters.values():
            it.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vecna", default=str(ROOT / "build" / "vecna"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", default="", help="only measurements whose name holds this")
    parser.add_argument("--litellm", help="the litellm command, to measure it too")
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for measure in (json_hop, base64_hop, mixed_hop, throughput, open_loop, crowd, large, mapped, mapped_many):
        if options.only in measure.__name__:
            with tempfile.TemporaryDirectory() as folder:
                measure(options, folder)


if __name__ == "__main__":
    main()
