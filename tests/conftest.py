"""What the end-to-end tests share: the command under test ($VECNA), and where real data may be found."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECNA = os.environ.get("VECNA", str(ROOT / "build" / "vecna"))
SHARED = pathlib.Path(os.environ.get("VECNA_TEST_DATA", ROOT.parent / "shared" / "data"))


class Result:
    """One finished run: status, out and err as text, raw bytes of stdout in out_bytes."""

    def __init__(self, done):
        self.status = done.returncode
        self.out_bytes = done.stdout
        self.out = done.stdout.decode("utf-8", "replace")
        self.err = done.stderr.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.out)

    def fitted(self):
        """What `fit --json` printed, with the members of its report beside the others."""
        whole = self.json()
        assert whole["report"]["verdict"] == whole["verdict"]
        return {**whole, **whole["report"]}


def run(*arguments, stdin=b"", status=0, cwd=None, env=None):
    """Run vecna; the exit status must be `status` (None: any). No sanitizer report may appear."""
    environment = dict(os.environ, NO_COLOR="1", **(env or {}))
    done = subprocess.run([VECNA, *map(str, arguments)], input=stdin, capture_output=True, cwd=cwd,
                          env=environment, timeout=300, check=False)
    result = Result(done)
    assert "Sanitizer" not in result.err and "runtime error" not in result.err, result.err
    if status is not None:
        assert result.status == status, f"status {result.status}\n{result.err}\n{result.out}"
    return result


@pytest.fixture
def vecna():
    return run


@pytest.fixture
def shared():
    """The folder of real data beside the checkout; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no real data beside the checkout")
    return SHARED


@pytest.fixture
def examples():
    return ROOT / "examples"


@pytest.fixture(scope="session")
def minilm():
    pytest.importorskip("tokenizers")
    process = subprocess.Popen([sys.executable, str(ROOT / "tests" / "server" / "minilm.py"), "0"], stdout=subprocess.PIPE, text=True,
                               env=dict(os.environ, OPENBLAS_NUM_THREADS="1"))
    line = process.stdout.readline()
    port = int(re.search(r"ready on (\d+)", line)[1])
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
