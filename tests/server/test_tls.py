"""HTTPS towards clients: versions, protocol choice, certificates that change, and what is no TLS."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

from serving import Served, serving
from upstream import Upstream

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")


def certificate(folder, name):
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def config(folder, up, **more):
    path = folder / "v.yaml"
    path.write_text(json.dumps({"forward": {"targets": [{"url": up.url, "model": "m"}]},
                                "tls": {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}, **more}))
    return path


def dial(vecna, **how):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in how.items():
        if name == "alpn":
            context.set_alpn_protocols(value)
        else:
            setattr(context, name, value)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", vecna.port), 15))


def embed(one, text):
    body = json.dumps({"model": "m", "input": text}).encode()
    one.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    data = b""
    while b"\r\n\r\n" not in data:
        data += one.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(rest) < length:
        rest += one.recv(65536)
    assert head.startswith(b"HTTP/1.1 200"), head
    return json.loads(rest)["data"]


def issued_to(one):
    """The common name in the certificate that was shown."""
    text = ssl.DER_cert_to_PEM_cert(one.getpeercert(binary_form=True))
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=text.encode(), capture_output=True,
                          check=True).stdout.decode().split("CN = ")[1].strip()


def test_https(tmp_path):
    certificate(tmp_path, "first")
    with Upstream(dim=16) as up, serving("--config", config(tmp_path, up)) as vecna:
        assert "https://" in vecna.line
        with dial(vecna) as one:
            assert one.version() == "TLSv1.3"
            for i in range(20):
                assert len(embed(one, f"x{i}")) == 1
            assert len(embed(one, [f"y{i}" for i in range(500)])) == 500  # larger than one record, both ways
        with dial(vecna, maximum_version=ssl.TLSVersion.TLSv1_2) as one:
            assert one.version() == "TLSv1.2" and one.cipher()[0].startswith("ECDHE")
            assert len(embed(one, "z")) == 1
        with dial(vecna, alpn=["h2", "http/1.1"]) as one:
            assert one.selected_alpn_protocol() == "http/1.1"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            dial(vecna, alpn=["h2"])
        old = subprocess.run(["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{vecna.port}"],
                             input=b"", capture_output=True, timeout=30, check=False)
        assert old.returncode != 0 and b"alert protocol version" in old.stderr


def test_what_is_no_tls_is_closed(tmp_path):
    certificate(tmp_path, "first")
    with Upstream(dim=16) as up, serving("--config", config(tmp_path, up, limits={"header_timeout": "1s"})) as vecna:
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 600, b"\x80", b""):
            with socket.create_connection(("127.0.0.1", vecna.port), 15) as one:
                one.sendall(data)
                begun = time.time()
                try:
                    while one.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
                assert time.time() - begun < 12
        with dial(vecna) as one:
            assert len(embed(one, "still there")) == 1


def test_certificates_change_without_a_pause(tmp_path):
    certificate(tmp_path, "first")
    with Upstream(dim=16) as up, serving("--config", config(tmp_path, up)) as vecna:
        with dial(vecna) as old:
            assert issued_to(old) == "first"
            certificate(tmp_path, "second")
            vecna.signal(signal.SIGHUP)
            end = time.time() + 20
            while True:
                with dial(vecna) as fresh:
                    if issued_to(fresh) == "second":
                        break
                assert time.time() < end, "".join(vecna.errors)
                time.sleep(0.05)
            assert len(embed(old, "the old connection goes on")) == 1
            # half a file is not taken
            (tmp_path / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB")
            vecna.signal(signal.SIGHUP)
            end = time.time() + 20
            while not any("certificate" in line for line in vecna.errors):
                assert time.time() < end
                time.sleep(0.05)
            with dial(vecna) as fresh:
                assert issued_to(fresh) == "second" and len(embed(fresh, "x")) == 1


@pytest.mark.parametrize("spoil,words", [("cert.pem", "certificate"), ("key.pem", "key"), ("swap", "belong"), ("missing", "No such file")])
def test_certificates_that_cannot_be_used(tmp_path, spoil, words):
    certificate(tmp_path, "first")
    if spoil == "swap":
        other = tmp_path / "other"
        other.mkdir()
        certificate(other, "second")
        (other / "key.pem").rename(tmp_path / "key.pem")
    elif spoil == "missing":
        (tmp_path / "cert.pem").unlink()
    else:
        (tmp_path / spoil).write_text("nothing")
    with Upstream(dim=16) as up:
        vecna = Served("--listen", "127.0.0.1:0", "--config", config(tmp_path, up), ready=False)
        assert words in vecna.stop(status=1)


def test_a_server_that_nobody_vouches_for_is_not_asked(tmp_path):
    """Upstreams over https: a certificate of its own making is as good as none."""
    cert, key = certificate(tmp_path, "upstream")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Upstream(dim=16) as up:
        up.server.socket = context.wrap_socket(up.server.socket, server_side=True)
        with serving("--upstream", f"https://127.0.0.1:{up.port}", "--model", "m", "--api-key", "secret") as vecna:
            status, _, body = vecna.ask("/v1/embeddings", {"model": "m", "input": "x"})
            assert status in (502, 503) and "certificate" in body["error"]["message"], body
        assert up.requests == []
