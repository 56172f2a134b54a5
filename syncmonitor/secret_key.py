"""Django's secret key: what is wrong with one, and one of its own for a checkout."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path


def development_key(folder: Path) -> str:
    """Return the random key that is kept in the folder, created on first use."""
    path = folder / "secret_key"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        # Two processes that start at once must agree on one key, and neither may read an incomplete file.
        with tempfile.NamedTemporaryFile("w", dir=folder) as draft, contextlib.suppress(FileExistsError):
            draft.write(secrets.token_urlsafe(50))
            draft.flush()
            os.link(draft.name, path)
    return path.read_text()


def problem(key: str) -> str | None:
    """Return what is wrong with the key of a site in production."""
    if not key:
        return "set it to a long random string; only DEBUG has a default."
    if len(key) < 50 or len(set(key)) < 8 or key.startswith("django-insecure"):
        return (
            "must be at least 50 random characters, because whoever guesses it can log in as anybody. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    return None
