"""Headless Chromium through chromedriver's own protocol: no package is needed for a page, a click and a picture."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]


def available():
    return shutil.which("chromedriver") is not None and shutil.which("chromium") is not None


class Browser:
    """One window of width x height, dark or light."""

    def __init__(self, width=1280, height=900, dark=False):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        self.session = None
        end = time.time() + 30
        while True:
            try:
                self._ask("GET", "/status")
                break
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.1)
        arguments = FLAGS + [f"--window-size={width},{height}", f"--user-data-dir={self.folder.name}"]
        if dark:
            arguments.append("--force-dark-mode")
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": arguments}}}})
        self.session = f"/session/{made['sessionId']}"
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=width < 600)
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def _ask(self, method, path, value=None):
        request = urllib.request.Request(self.base + path, None if value is None else json.dumps(value).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()[:500]) from None

    def command(self, name, **parameters):
        return self._ask("POST", self.session + "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def open(self, url):
        self._ask("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        """The value of a function body of JavaScript."""
        return self._ask("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector):
        return self.run("const it = document.querySelector(arguments[0]); return it && it.innerText;", selector)

    def click(self, selector):
        found = self._ask("POST", self.session + "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"{self.session}/element/{next(iter(found.values()))}/click", {})

    def type(self, selector, text):
        found = self._ask("POST", self.session + "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"{self.session}/element/{next(iter(found.values()))}/value", {"text": text})

    def wait(self, script, seconds=20):
        """Until a function body gives something true."""
        end = time.time() + seconds
        while True:
            got = self.run(script)
            if got:
                return got
            assert time.time() < end, f"never true: {script}\n{self.text('body')}"
            time.sleep(0.1)

    def complaints(self):
        """What the console holds: errors of scripts, of the security policy, of requests."""
        return [line["message"] for line in self._ask("POST", self.session + "/se/log", {"type": "browser"})
                if line["level"] in ("SEVERE", "WARNING")]

    def picture(self, path, whole=True):
        got = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        with open(path, "wb") as out:
            out.write(base64.b64decode(got["data"]))

    def close(self):
        try:
            if self.session:
                self._ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(10)
            self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
