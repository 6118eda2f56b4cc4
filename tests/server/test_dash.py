"""The dashboard: its numbers, what it refuses, and the page in a real browser."""

import json
import re

import pytest

import browser
from serving import serving
from upstream import Upstream


def config(folder, up, **more):
    path = folder / "vecna.yaml"
    path.write_text(json.dumps({
        "forward": {"targets": [{"name": "local", "model": "m", "endpoints": [{"url": up.url + "/v1"},
                                                                              {"url": "http://127.0.0.1:9/v1"}]}]},
        "adapter": {"type": "truncate", "target_dim": 64}, "extra_maps": {"short": {"type": "truncate", "target_dim": 16}},
        **more}))
    return path


def test_numbers_of_every_panel(tmp_path):
    with Upstream(dim=32) as up, serving("--config", config(tmp_path, up)) as vecna:
        for i in range(5):
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": [f"a{i}", f"b{i}"]})[0] == 200
        assert vecna.ask("/map/short/v1/embeddings", {"model": "m", "input": "c"})[0] == 200
        assert vecna.ask("/v1/embeddings", {"model": "m", "input": []})[0] == 400
        status, headers, data = vecna.ask("/dash/data")
        assert status == 200 and headers["content-type"] == "application/json" and headers["cache-control"] == "no-store"
        assert data["traffic"]["requests"] == 7 and data["traffic"]["errors"] == 1 and data["traffic"]["inputs"] == 11
        assert len(data["traffic"]["seconds"]) == len(data["latency"]["seconds"]) == 120
        assert data["latency"]["total"]["count"] == 6 and data["latency"]["total"]["p50"] > 0
        ends = {end["url"]: end for end in data["upstreams"][0]["endpoints"]}
        assert ends[up.url + "/v1"]["state"] == "up" and ends[up.url + "/v1"]["calls"] >= 6
        maps = {one["name"]: one for one in data["maps"]}
        assert maps["default"]["requests"] == 5 and maps["default"]["inputs"] == 10
        assert maps["short"]["requests"] == 1 and maps["short"]["source_dim"] == 32 and maps["short"]["target_dim"] == 16
        assert data["drift"][0]["target"] == "local" and not data["drift"][0]["drifted"]
        assert data["errors"][0]["status"] == 400 and "input" in data["errors"][0]["message"]


def test_playground(tmp_path):
    with Upstream(dim=32) as up, serving("--config", config(tmp_path, up)) as vecna:
        kind = {"Content-Type": "application/json; charset=utf-8"}
        status, _, got = vecna.ask("/dash/try", {"map": "short", "texts": ["one", "two\n\u00e9"]}, headers=kind)
        assert status == 200 and got["before"]["dim"] == 32 and got["after"]["dim"] == 16
        one, two = up.vector("one"), up.vector("two\n\u00e9")
        assert abs(got["before"]["cosine"] - sum(a * b for a, b in zip(one, two))) < 1e-6
        assert abs(got["after"]["norms"][0] - 1) < 1e-6
        bad = [b"", b"{", b"[]", {"texts": ["a"]}, {"texts": ["a", "b", "c"]}, {"texts": ["a", ""]}, {"texts": ["a", 1]},
               {"texts": ["a", "b" * 9000]}, {"map": 1, "texts": ["a", "b"]}, {"map": "m" * 99, "texts": ["a", "b"]},
               {"texts": ["a", "b"], "more": 1}, {"texts": ["a", "b"], "texts ": []}]
        for body in bad:
            assert vecna.ask("/dash/try", body, headers=kind)[0] == 400, body
        status, _, got = vecna.ask("/dash/try", {"map": "none", "texts": ["a", "b"]}, headers=kind)
        assert status == 502 and "none" in got["error"]
        # another site's page cannot send this without asking first, and nothing answers that it may
        assert vecna.ask("/dash/try", {"texts": ["a", "b"]}, headers={"Content-Type": "text/plain"})[0] == 415
        assert vecna.ask("/dash/try", {"texts": ["a", "b"]})[0] == 415
        up.behave("400")
        status, _, got = vecna.ask("/dash/try", {"texts": ["x", "y"]}, headers=kind)
        assert status == 502 and got["error"]


def test_page_stands_alone(tmp_path):
    with Upstream(dim=32) as up, serving("--config", config(tmp_path, up)) as vecna:
        status, headers, page = vecna.ask("/")
        assert status == 200 and headers["content-type"].startswith("text/html")
        assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "http://" not in page.replace("http://www.w3.org", "")
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and policy.count("'sha256-") == 2 and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_keys_guard_the_numbers(tmp_path):
    with Upstream(dim=32) as up, serving("--config", config(tmp_path, up, keys=[{"name": "me", "key": "k" * 24}])) as vecna:
        assert vecna.ask("/")[0] == 200
        assert vecna.ask("/dash/data")[0] == 401
        assert vecna.ask("/dash/try", {"texts": ["a", "b"]}, headers={"Content-Type": "application/json"})[0] == 401
        assert vecna.ask("/dash/data", headers={"Authorization": "Bearer " + "k" * 24})[0] == 200


@pytest.mark.skipif(not browser.available(), reason="chromium and chromium-driver are not installed")
def test_page_in_a_browser(tmp_path):
    with Upstream(dim=32) as up, serving("--config", config(tmp_path, up, keys=[{"name": "me", "key": "k" * 24}])) as vecna:
        key = {"Authorization": "Bearer " + "k" * 24}
        for i in range(20):
            assert vecna.ask("/v1/embeddings", {"model": "m", "input": f"<b>{i}</b>"}, headers=key)[0] == 200
        assert vecna.ask("/v1/embeddings", {"model": "m", "input": []}, headers=key)[0] == 400
        with browser.Browser(1280, 900) as page:
            page.open(vecna.url + "/")
            page.wait("return document.getElementById('state').innerText === 'locked'")
            page.type("#key", "wrong key")
            page.click("#key-go")
            page.wait("return document.getElementById('trouble-text').innerText.includes('not known')")
            page.run("document.getElementById('key').value = ''")
            page.type("#key", "k" * 24)
            page.click("#key-go")
            page.wait("return document.querySelectorAll('#upstreams tbody tr').length === 2")
            assert page.run("return document.getElementById('trouble').hidden")
            assert "up" in page.text("#state") or "serving" in page.text("#state")
            assert page.run("return document.querySelectorAll('#traffic rect').length") >= 1
            assert "short" in page.text("#maps") and "cut 32" in page.text("#maps") and "pad 32" in page.text("#maps")
            assert "same model" in page.text("#drift")
            assert "empty array" in page.text("#errors")
            page.run("document.getElementById('map').value = 'short'")
            page.click("#go")
            page.wait("return !document.getElementById('result').hidden")
            assert "32\t16" in page.text("#result")
            up.behave("400")
            page.run("document.getElementById('one').value = 'another <img src=x onerror=alert(1)>'")
            page.click("#go")
            page.wait("return !document.getElementById('failed').hidden")
            refused = [line for line in page.complaints() if "401" not in line and "502" not in line]
            assert refused == [], refused
        for dark in (False, True):
            with browser.Browser(390, 844, dark=dark) as phone:
                phone.open(vecna.url + "/")
                phone.type("#key", "k" * 24)
                phone.click("#key-go")
                phone.wait("return document.querySelectorAll('#maps tbody tr').length === 2")
                # nothing sticks out to the side, and dark is dark
                assert phone.run("return document.documentElement.scrollWidth") <= 390
                shade = phone.run("return getComputedStyle(document.body).backgroundColor")
                assert (int(re.findall(r"\d+", shade)[0]) < 60) == dark
