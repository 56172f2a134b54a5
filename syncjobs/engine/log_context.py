"""What the log lines written during a piece of work say about it: the job, the attempt, the band, the worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_process: dict[str, Any] = {}
_fields: ContextVar[Mapping[str, Any]] = ContextVar("log_fields", default={})  # noqa: B039 - never changed in place


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Add the fields to all log lines of the block. A thread has them if it runs in a copy of the caller's context."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def bind_process(**fields: Any) -> None:
    """Add the fields to all log lines of this process, and of those that it forks later."""
    _process.update(fields)


def current() -> dict[str, Any]:
    """Return the fields of a line that is written now."""
    return {**_process, **_fields.get()}
