"""Webhooks: a signed POST of JSON. docs/alerts.md documents it, with an example receiver."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from . import http
from .addresses import check_url
from .messages import Message, SendFailed

TIMESTAMP_HEADER = "X-Syncmonitor-Timestamp"
SIGNATURE_HEADER = "X-Syncmonitor-Signature"
KEY_HEADER = "Idempotency-Key"
MAX_URL = 2000


def send(url: str, secret: str, message: Message, now: dt.datetime, *, allow_local: bool) -> int:
    """Post the message, signed at `now`, and return the HTTP status. Raises SendFailed."""
    body = json.dumps(message.payload, ensure_ascii=False, separators=(",", ":")).encode()
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        KEY_HEADER: message.key,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: signature(secret, timestamp, body),
    }
    return http.send("POST", url, body=body, headers=headers, allow_local=allow_local)


def ping(url: str, *, allow_local: bool) -> int:
    """Request a URL, as healthchecks.io expects, and return the HTTP status. Raises SendFailed."""
    return http.send("GET", url, allow_local=allow_local)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of the signature's header: HMAC-SHA256 over the timestamp, a dot, and the body."""
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def check(url: str, *, allow_local: bool) -> None:
    """Check a URL without a request. Raises SendFailed and ForbiddenAddress."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or len(url) > MAX_URL or any(char.isspace() or not char.isprintable() for char in url):
        raise SendFailed(_("Must be a URL that begins with https:// or http://."), is_final=True)
    check_url(url, allow_local=allow_local)


def mask(url: str) -> str:
    """Return the URL with all but its scheme and host hidden."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    has_more = parts.path.strip("/") or parts.query or parts.username or parts.password
    return f"{parts.scheme}://{host}{port}/" + ("••••" if has_more else "")
