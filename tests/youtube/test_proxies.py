"""The client behind an HTTP proxy, with real sockets."""

from __future__ import annotations

import datetime as dt
import selectors
import socket
import socketserver
import ssl
import threading
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httplib2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from syncjobs.youtube import client as client_module
from syncjobs.youtube.client import YouTubeClient
from syncjobs.youtube.errors import TransientError
from syncjobs.youtube.proxies import UnusableProxy, proxy_for
from syncjobs.youtube.simulator import Simulator
from tests.youtube.test_client import CountingMeter

HOST = "youtube.test"
PASSWORD = "p@ss/word"
LOGIN = "Basic " + b64encode(f"me:{PASSWORD}".encode()).decode()


class Proxy(socketserver.ThreadingTCPServer):
    """A forward proxy that sends every host's requests to one server, and wants a login if `login` is set."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.login = ""
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.requests.append(head.split(b"\r\n")[0].decode())
        if self.server.login and f"Proxy-Authorization: {self.server.login}".encode().lower() not in head.lower():
            body = b"<html>Log in: " + head + b"</html>"
            self.wfile.write(b"HTTP/1.1 407 Wants " + PASSWORD.encode() + b"\r\nContent-Type: text/html\r\n")
            self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            return
        with socket.create_connection(self.server.target) as target:
            if head.startswith(b"CONNECT"):
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                target.sendall(head.replace(b"http://" + HOST.encode(), b"", 1).replace(b" :80/", b" /", 1))
            # Not select(), which takes no number of a file above 1023: all tests of a process share the numbers.
            with selectors.DefaultSelector() as selector:
                selector.register(self.connection, selectors.EVENT_READ, target)
                selector.register(target, selectors.EVENT_READ, self.connection)
                while True:
                    for key, _ in selector.select():
                        data = cast("socket.socket", key.fileobj).recv(65536)
                        if not data:
                            return
                        key.data.sendall(data)


@pytest.fixture
def server() -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.world.add_channel("@Band")
        yield simulator


@pytest.fixture
def proxy(server: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    # Each test has its own environment, and so its own connections.
    monkeypatch.setattr(client_module, "_local", threading.local())
    with Proxy(("127.0.0.1", int(server.url.rpartition(":")[2]))) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield running
        running.shutdown()


def ask(endpoint: str, meter: CountingMeter | None = None) -> list[str]:
    client = YouTubeClient(
        api_key="simulated-key-1", endpoint=endpoint, meter=meter or CountingMeter(), tries=1, sleep=lambda _: None
    )
    return [channel.title for channel in client.channels(["UC" + "x" * 22])]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_requests_go_through_the_proxy(
    server: Simulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str, scheme: str
) -> None:
    monkeypatch.setenv(name, scheme + proxy.address)
    for _ in range(2):
        assert ask(f"http://{HOST}") == []
    assert [request.split("?")[0] for request in proxy.requests[:1]] == [f"GET http://{HOST}:80/youtube/v3/channels"]
    assert len(server.calls()) == 2


@pytest.mark.parametrize("excluded", [HOST, f".{HOST}", "test", " other.test , youtube.test", "*", f"{HOST}:80"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_excluded_hosts_are_not_proxied(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, excluded: str, name: str
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
    monkeypatch.setenv(name, excluded)
    assert proxy_for(f"http://{HOST}") is None
    assert proxy_for("http://youtube.example") is None if excluded == "*" else proxy_for("http://youtube.example")


@pytest.mark.parametrize(
    ("url", "excluded", "proxied"),
    [
        ("http://127.0.0.1:8900", "", False),
        ("http://127.9.9.9", "", False),
        ("http://localhost:8900", "", False),
        ("http://sim.localhost", "", False),
        ("http://[::1]:8900", "", False),
        ("http://10.1.2.3", "10.0.0.0/8", False),
        ("http://10.1.2.3", "192.168.0.0/16,10.1.2.4", True),
        ("http://[2001:db8::1]", "2001:db8::/32", False),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", False),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:80", True),
        ("http://api.youtube.test", "other.test YouTube.Test", False),
        ("http://api.youtube.test", "*.youtube.test", False),
        ("http://notyoutube.test", "youtube.test", True),
    ],
)
def test_loopback_and_excluded_addresses_are_not_proxied(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, url: str, excluded: str, proxied: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", excluded)
    assert (proxy_for(url) is not None) is proxied


def test_the_simulator_is_called_directly(server: Simulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(server.url) == []


def test_lower_case_wins(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://upper.test:1")
    monkeypatch.setenv("https_proxy", "http://lower.test:2")
    assert str(proxy_for("https://youtube.googleapis.com")) == "lower.test:2"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_proxys_password_is_sent_and_shown_nowhere(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.login = LOGIN
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:p%40ss%2Fword@{proxy.address}")
    assert proxy_for(f"{scheme}://{HOST}").headers == {"Proxy-Authorization": LOGIN}  # type: ignore[union-attr]
    if scheme == "http":
        assert ask(f"http://{HOST}") == []
    proxy.login = "Basic other"
    monkeypatch.setattr(client_module, "_local", threading.local())
    meter = CountingMeter()
    with pytest.raises(TransientError) as caught:
        ask(f"{scheme}://{HOST}", meter)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    shown += repr(proxy_for(f"{scheme}://{HOST}"))
    assert "407" in caught.value.message
    assert not [secret for secret in (PASSWORD, "p%40ss", LOGIN.split()[1], "simulated-key") if secret in shown]
    assert len(meter.settled) == 1


def test_a_proxy_that_is_away_is_named(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:1")
    with pytest.raises(TransientError, match=r"The proxy 127\.0\.0\.1:1 can't be used: Connection refused\."):
        ask(f"https://{HOST}")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("socks5://me:secret@proxy.test:1080", "https_proxy: a proxy of the kind socks5://"),
        ("https://me:secret@proxy.test", "https_proxy: a proxy of the kind https://"),
        ("http://me:secret@proxy.test:port", "https_proxy: must be the address of a proxy"),
        ("http://me:secret@:3128", "https_proxy: must be the address of a proxy"),
        ("http://[broken", "https_proxy: must be the address of a proxy"),
    ],
)
def test_an_unusable_proxy_is_refused_in_words_and_costs_nothing(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(UnusableProxy, match=message) as refused:
        proxy_for("https://youtube.googleapis.com")
    assert "secret" not in str(refused.value)
    meter = CountingMeter()
    with pytest.raises(TransientError, match=message):
        ask("https://youtube.googleapis.com", meter)
    assert meter.reserved == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file with a key and a certificate of HOST, which httplib2 trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(private + signed)
    monkeypatch.setattr(httplib2, "CA_CERTS", str(path))
    return path


def serve_tls(server: Simulator, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)


def test_a_server_with_another_certificate_did_not_come_from_youtube(
    server: Simulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    serve_tls(server, certificate)
    monkeypatch.setenv("https_proxy", proxy.address)
    with pytest.raises(TransientError, match="certificate is not YouTube's"):
        ask("https://another.test")
    assert server.calls() == []


def test_https_goes_through_a_tunnel(
    server: Simulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    serve_tls(server, certificate)
    proxy.login = LOGIN
    monkeypatch.setenv("https_proxy", f"http://me:p%40ss%2Fword@{proxy.address}")
    for _ in range(2):
        assert ask(f"https://{HOST}") == []
    assert [request.rpartition(" ")[0] for request in proxy.requests] == [f"CONNECT {HOST}:443"]
    assert len(server.calls()) == 2
