"""A webhook is signed, says why it failed, and never shows its URL."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from syncjobs.senders import http, webhook
from syncjobs.senders.addresses import ForbiddenAddress
from syncjobs.senders.messages import Message, SendFailed
from tests.processes import ROOT, free_port
from tests.receivers import web_receiver

SECRET = "a secret of this test"
MESSAGE = Message("8c2f", "Título", "text", "WARNING", {"title": "Título", "alerts": []})


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def test_the_signature_is_that_of_the_documentation() -> None:
    with web_receiver() as receiver:
        assert webhook.send(receiver.url, SECRET, MESSAGE, now(), allow_local=True) == 200
    [request] = receiver.requests
    timestamp = request.headers["X-Syncmonitor-Timestamp"]
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-Syncmonitor-Signature"] == f"sha256={expected}"
    assert abs(int(timestamp) - time.time()) < 60
    assert request.headers["Idempotency-Key"] == "8c2f"
    assert request.headers["Content-Type"] == "application/json"
    assert request.json == {"title": "Título", "alerts": []}


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_refusal_says_what_the_receiver_said(status: int) -> None:
    with web_receiver() as receiver:
        receiver.answer, receiver.body = lambda number: status, b"no \x1b[31mroom\n today" + b"." * 5000
        with pytest.raises(SendFailed, match=f"^The receiver answered {status}: no .*room today") as refusal:
            webhook.send(receiver.url, SECRET, MESSAGE, now(), allow_local=True)
    assert (refusal.value.status, refusal.value.is_final) == (status, False)
    assert refusal.value.message.isprintable()
    assert len(refusal.value.message) < 300


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), ("99999999999999999", 3600), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)]
)
def test_retry_after_is_heard(value: str, seconds: float | None) -> None:
    with web_receiver() as receiver:
        receiver.answer, receiver.headers = lambda number: 429, {"Retry-After": value}
        with pytest.raises(SendFailed) as refusal:
            webhook.send(receiver.url, SECRET, MESSAGE, now(), allow_local=True)
    assert refusal.value.retry_after == seconds


def test_a_receiver_that_hangs_drops_or_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.3)
    with web_receiver() as receiver:
        receiver.answer = lambda number: "hang"
        with pytest.raises(SendFailed, match="did not answer within"):
            webhook.send(receiver.url, SECRET, MESSAGE, now(), allow_local=True)
        receiver.answer = lambda number: "drop"
        with pytest.raises(SendFailed, match="The connection to the receiver broke"):
            webhook.send(receiver.url, SECRET, MESSAGE, now(), allow_local=True)
    with pytest.raises(SendFailed, match="refuses connections") as refusal:
        webhook.send(f"http://127.0.0.1:{free_port()}/secret-path", SECRET, MESSAGE, now(), allow_local=True)
    assert "secret-path" not in refusal.value.message
    with pytest.raises(SendFailed, match="host name can't be found"):
        webhook.send("http://nowhere.invalid/secret-path", SECRET, MESSAGE, now(), allow_local=True)
    with web_receiver() as receiver, pytest.raises(SendFailed, match="does not speak TLS"):
        webhook.send(receiver.url.replace("http:", "https:"), SECRET, MESSAGE, now(), allow_local=True)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "https:///x", "https://a b/", "https://a:0/", "https://[::1", "x" * 3000],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SendFailed, match="Must be a URL"):
        webhook.check(url, allow_local=False)


def test_local_urls_are_refused_when_they_are_entered() -> None:
    with pytest.raises(ForbiddenAddress):
        webhook.check("http://localhost:8000/", allow_local=False)
    webhook.check("https://hooks.example.org:8443/x?y=z", allow_local=False)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.org/services/T0/B0/abc", "https://hooks.example.org/••••"),
        ("https://user:word@hooks.example.org:8443/", "https://hooks.example.org:8443/••••"),
        ("https://hooks.example.org?token=abc", "https://hooks.example.org/••••"),
        ("https://hooks.example.org", "https://hooks.example.org/"),
        ("https://[2001:db8::7]/abc", "https://[2001:db8::7]/••••"),
    ],
)
def test_all_but_the_host_is_masked(url: str, shown: str) -> None:
    assert webhook.mask(url) == shown


def test_the_example_receiver_accepts_our_messages_once_and_nothing_else() -> None:
    port = free_port()
    command = [sys.executable, str(ROOT / "docs/webhook_receiver.py"), str(port)]
    process = subprocess.Popen(command, env={"WEBHOOK_SECRET": SECRET}, stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}/"
    try:
        assert process.stdout is not None
        assert "Listening" in process.stdout.readline()
        assert webhook.send(url, SECRET, MESSAGE, now(), allow_local=True) == 204
        assert webhook.send(url, SECRET, MESSAGE, now(), allow_local=True) == 204
        with pytest.raises(SendFailed, match="answered 401"):
            webhook.send(url, "another secret", MESSAGE, now(), allow_local=True)
        assert _post(url, str(int(time.time()) - 3600)) == 401
        assert _post(url, "soon") == 401
        assert _post(url, str(int(time.time()))) == 204
    finally:
        process.kill()
        printed = process.communicate()[0]
    assert re.findall(r"^\S+", printed, re.MULTILINE) == ["8c2f", "9d30"]


def _post(url: str, timestamp: str) -> int:
    body = b'{"title": "x", "alerts": []}'
    headers = {
        "Idempotency-Key": "9d30",
        "X-Syncmonitor-Timestamp": timestamp,
        "X-Syncmonitor-Signature": webhook.signature(SECRET, timestamp, body),
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
