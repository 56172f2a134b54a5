"""Fingerprints of errors: two errors are the same if reason and message are, ignoring URLs, ids and numbers."""

from __future__ import annotations

import hashlib
import re

# Order matters: a URL contains ids and numbers, an id contains numbers.
_VARIABLE = (
    (re.compile(r"https?://\S+"), "<url>"),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"(?<![\w-])(?:UC|UU|PL|FL|LL|OL|RD)[\w-]{10,}"), "<id>"),
    (re.compile(r"(?<![\w@])@[\w.-]{3,}"), "<handle>"),
    # A video id has 11 characters. A digit, or a capital after a small letter, distinguishes it from a word.
    (re.compile(r"(?<![\w-])(?=[\w-]*(?:\d|[a-z][A-Z]))[A-Za-z0-9_-]{11}(?![\w-])"), "<id>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<n>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)
MAX_MESSAGE = 500


def normalize(message: str) -> str:
    """Replace URLs, ids and numbers in the message with placeholders; return at most 500 characters."""
    for pattern, placeholder in _VARIABLE:
        message = pattern.sub(placeholder, message)
    return message.strip()[:MAX_MESSAGE]


def fingerprint(reason: str, message: str) -> str:
    """Return the 16 hexadecimal digits that identify an error group."""
    return hashlib.sha256(f"{reason}\n{normalize(message)}".encode()).hexdigest()[:16]
