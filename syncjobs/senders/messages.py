"""A message, and why one was not delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the words of its reader. `payload` is what programs get; `key` is the same in each attempt."""

    key: str
    title: str
    text: str
    severity: str = ""
    """"CRITICAL" or "WARNING" for news that is bad; empty for all else."""
    payload: Mapping[str, Any] = field(default_factory=dict)


class SendFailed(Exception):
    """A message was not delivered. The text has no secrets.

    `retry_after` are the seconds that the receiver asks to wait, `status` is its HTTP status. A `is_final` failure happens
    again in each attempt, until somebody changes something.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None, is_final: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.is_final = is_final
