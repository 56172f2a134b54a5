"""What a rule finds, and what is known of it already."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from ..choices import AlertRuleName, AlertSubject, Severity

Fact = str | int | float | bool | None
Key = tuple[str, str, str]
"""A rule, and the type and id of a subject: at most one unresolved alert has it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The condition of a rule holds for a subject. `facts` are the values in its sentence; times are in ISO 8601."""

    rule: AlertRuleName
    subject_type: AlertSubject
    subject_id: str
    label: str
    severity: Severity
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.rule.value, self.subject_type.value, self.subject_id)


@dataclass(frozen=True, slots=True)
class Known:
    """What a round needs to know of an unresolved alert."""

    pk: int
    rule: str
    subject_type: str
    subject_id: str
    severity: str
    facts: Mapping[str, Fact]
    last_seen_at: dt.datetime

    @property
    def key(self) -> Key:
        return (self.rule, self.subject_type, self.subject_id)

    @classmethod
    def parse(cls, text: str) -> list[Self]:
        """Parse a JSON array of arrays of the fields."""
        return [
            cls(pk, rule, subject_type, subject_id, severity, facts, dt.datetime.fromisoformat(seen_at))
            for pk, rule, subject_type, subject_id, severity, facts, seen_at in json.loads(text)
        ]
