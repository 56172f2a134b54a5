"""The rules as they are in effect: their defaults, or what people have set instead."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ..choices import AlertRuleName as Rule
from ..models import AlertRule
from ..operations.alert_rules import DEFAULTS, Default

Stored = Mapping[str, tuple[bool, float | None, int | None]]
"""What people have set, by the rule's name: is_enabled, threshold and resolve_after, NULL for the default."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules as they are in effect."""

    stored: Stored

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a JSON object of `Stored`."""
        return cls({name: (bool(values[0]), values[1], values[2]) for name, values in json.loads(text).items()})

    def is_enabled(self, rule: str) -> bool:
        """Whether the rule exists and is not switched off."""
        return rule in DEFAULTS and self.stored.get(rule, (True, None, None))[0]

    def threshold(self, rule: Rule) -> float | None:
        """Return the threshold of a rule that has one; None if the rule is switched off."""
        if not self.is_enabled(rule):
            return None
        threshold = self.stored.get(rule, (True, None, None))[1]
        return DEFAULTS[rule].threshold if threshold is None else threshold

    def resolve_after(self, rule: str) -> dt.timedelta:
        """Return for how long the condition of a rule must have been gone, 0 if the rule is off or no longer exists."""
        if not self.is_enabled(rule):
            return dt.timedelta()
        seconds = self.stored.get(rule, (True, None, None))[2]
        return dt.timedelta(seconds=DEFAULTS[Rule(rule)].resolve_after if seconds is None else seconds)


@dataclass(frozen=True, slots=True)
class Effective:
    """A rule with its default and what is in effect."""

    rule: Rule
    default: Default
    is_enabled: bool
    threshold: float | None
    resolve_after: int

    @property
    def is_changed(self) -> bool:
        """Whether a person has changed the rule."""
        return not self.is_enabled or (self.threshold, self.resolve_after) != (
            self.default.threshold,
            self.default.resolve_after,
        )


def in_effect() -> list[Effective]:
    """Return all rules, in the order of their names' definition."""
    stored = {row.name: row for row in AlertRule.objects.all()}
    found = []
    for rule, default in DEFAULTS.items():
        row = stored.get(rule) or AlertRule(name=rule)
        threshold = default.threshold if row.threshold is None else row.threshold
        after = default.resolve_after if row.resolve_after is None else row.resolve_after
        found.append(Effective(rule, default, row.is_enabled, threshold if default.meaning else None, after))
    return found
