"""What a check of the doctor reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is. Only an error makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, in a sentence, and what to do about it; `advice` is empty if nothing is to be done."""

    check: str
    level: Level
    message: str
    advice: str = ""


def good(check: str, message: str) -> Finding:
    """Return the finding of a check that has found nothing wrong."""
    return Finding(check, Level.OK, message)
