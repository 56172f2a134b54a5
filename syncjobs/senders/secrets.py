"""Addresses and secrets of channels, encrypted with keys derived from Django's SECRET_KEY and SECRET_KEY_FALLBACKS."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_PURPOSE = b"syncmonitor alert channels"


class Unreadable(Exception):
    """None of the keys decrypts the text: SECRET_KEY was changed without keeping the old one in SECRET_KEY_FALLBACKS."""


def encrypt(text: str) -> str:
    """Encrypt a text with SECRET_KEY. An empty text stays empty."""
    return _keys().encrypt(text.encode()).decode() if text else ""


def decrypt(token: str) -> str:
    """Decrypt a text with SECRET_KEY or one of SECRET_KEY_FALLBACKS. Raises Unreadable."""
    try:
        return _keys().decrypt(token).decode() if token else ""
    except InvalidToken:
        raise Unreadable from None


def rotate(token: str) -> str:
    """Encrypt with SECRET_KEY what one of the fallbacks encrypted; return the same text if it is encrypted so already.

    Raises Unreadable.
    """
    if not token:
        return ""
    try:
        Fernet(_derive(settings.SECRET_KEY)).decrypt(token)
    except InvalidToken:
        return encrypt(decrypt(token))
    return token


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=8)
def _derive(secret_key: str) -> bytes:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return base64.urlsafe_b64encode(key)
