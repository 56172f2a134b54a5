"""What a rule finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
