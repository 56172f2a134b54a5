"""Hashing passwords so that it slows nobody else down."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils.translation import gettext as _

from syncjobs.exceptions import Busy
from syncjobs.limits import release_connection

_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
_TURN_SECONDS = 10.0
_turns = threading.BoundedSemaphore(_AT_ONCE)


class Hasher(PBKDF2PasswordHasher):
    """Django's PBKDF2, for half of the processors at once. A hash takes a third of a second of one."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Hash the password when it is its turn. Raises Busy if that takes too long."""
        with _turn():
            return super().encode(password, salt, iterations)


@contextmanager
def _turn() -> Iterator[None]:
    release_connection()
    if not _turns.acquire(timeout=_TURN_SECONDS):
        raise Busy(_("Too many people are logging in at the moment. Try again in a few seconds."), retry_after=5)
    try:
        yield
    finally:
        _turns.release()
