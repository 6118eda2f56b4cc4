"""The server's tests find each other, and share one real model."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def minilm():
    pytest.importorskip("tokenizers")
    process = subprocess.Popen([sys.executable, str(HERE / "minilm.py"), "0"], stdout=subprocess.PIPE, text=True,
                               env=dict(os.environ, OPENBLAS_NUM_THREADS="1"))
    line = process.stdout.readline()
    port = int(re.search(r"ready on (\d+)", line)[1])
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
