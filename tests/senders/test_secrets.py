"""Addresses and secrets survive a change of SECRET_KEY while the old one is kept."""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from syncjobs.senders import secrets


def test_a_text_is_encrypted_and_comes_back() -> None:
    token = secrets.encrypt("https://hooks.example.org/secreto-ñ")
    assert "hooks" not in token
    assert secrets.decrypt(token) == "https://hooks.example.org/secreto-ñ"
    assert secrets.encrypt("") == secrets.decrypt("") == ""
    assert secrets.encrypt("a") != secrets.encrypt("a")


def test_a_new_secret_key_reads_what_the_old_one_wrote_while_it_is_a_fallback(settings: LazySettings) -> None:
    settings.SECRET_KEY = "a" * 50
    token = secrets.encrypt("word")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "b" * 50, ["a" * 50]
    assert secrets.decrypt(token) == "word"
    rotated = secrets.rotate(token)
    assert secrets.rotate(rotated) == rotated != token
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets.decrypt(rotated) == "word"
    with pytest.raises(secrets.Unreadable):
        secrets.decrypt(token)
    with pytest.raises(secrets.Unreadable):
        secrets.rotate(token)
