"""Who is not served: pages of other sites, and names that are not this machine's."""

import json

import pytest

from serving import serving
from upstream import Upstream

ASK = {"model": "m", "input": "x"}


@pytest.fixture(scope="module")
def served():
    with Upstream(dim=16) as up, serving("--upstream", up.url, "--model", "m") as vecna:
        vecna.up = up
        yield vecna


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8484", "127.0.0.1", "127.0.0.1:1", "[::1]:8484", "10.1.2.3:80", "box", "box:8484",
                                  "host.docker.internal", "a.localhost", "printer.local"])
def test_local_names_are_served(served, host):
    assert served.ask("/v1/embeddings", ASK, headers={"Host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8484", "127.0.0.1.evil.example", "localhost.evil.example", "local.evil",
                                  "1.2.3.4.example:80", "internal.example"])
@pytest.mark.parametrize("path,shape", [("/v1/embeddings", "openai"), ("/api/embed", "ollama"), ("/v1beta/models/m:embedContent", "google")])
def test_names_of_others_are_refused(served, host, path, shape):
    before = len(served.up.calls())
    status, _, got = served.ask(path, ASK, headers={"Host": host})
    assert status == 403
    message = got["error"] if shape == "ollama" else got["error"]["message"]
    assert "another site" in message
    assert served.ask("/dash/data", headers={"Host": host})[0] == 403
    assert len(served.up.calls()) == before


def test_pages_of_other_sites_are_refused(served):
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Content-Type": "text/plain"}
    assert served.ask("/v1/embeddings", ASK, headers=cross)[0] == 403
    for site in ("same-origin", "none", "same-site"):
        assert served.ask("/v1/embeddings", ASK, headers={"Sec-Fetch-Site": site})[0] == 200
    assert served.ask("/", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link to the dashboard
    status, headers, _ = served.ask("/v1/embeddings", ASK, headers={"Origin": "http://localhost:3000"})
    assert status == 200 and not any(name.startswith("access-control") for name in headers)


def test_with_keys_the_key_decides(tmp_path):
    path = tmp_path / "v.yaml"
    with Upstream(dim=16) as up:
        path.write_text(json.dumps({"forward": {"targets": [{"url": up.url, "model": "m"}]}, "keys": [{"key": "k" * 20}]}))
        with serving("--config", path) as vecna:
            outside = {"Host": "vecna.example.org", "Sec-Fetch-Site": "cross-site"}
            assert vecna.ask("/v1/embeddings", ASK, headers=outside)[0] == 401
            assert vecna.ask("/v1/embeddings", ASK, headers={**outside, "Authorization": "Bearer " + "k" * 20})[0] == 200


def test_packed_bodies_are_not_unfolded(served):
    status, _, got = served.ask("/v1/embeddings", b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})
    assert status == 415 and got["error"]["message"]
