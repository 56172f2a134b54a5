"""The rules, with defaults that suit a site of 300 bands, and what people have set instead."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..choices import AlertRuleName as Rule
from ..engine import clock
from ..models import AlertRule


@dataclass(frozen=True, slots=True)
class Default:
    """A rule's threshold, if it has one, what it means, and the seconds for which its condition must have been gone."""

    threshold: float | None = None
    meaning: str | Promise = ""
    resolve_after: int = 120


DEFAULTS: dict[Rule, Default] = {
    Rule.NO_WORKER: Default(),
    Rule.WORKER_SILENT: Default(),
    Rule.WORKER_FAILING: Default(),
    Rule.CLOCK_SKEW: Default(clock.TOLERATED_SECONDS, _("seconds that a host's clock differs from the database's")),
    Rule.NO_SCHEDULER: Default(),
    Rule.SCHEDULE_OVERDUE: Default(5, _("minutes after a schedule was due")),
    Rule.QUEUE_PAUSED: Default(60, _("minutes since the queue was paused")),
    Rule.BAND_PAUSED: Default(24, _("hours since the band was paused")),
    Rule.OLD_JOB: Default(60, _("minutes that the oldest due job has waited")),
    Rule.STUCK_JOB: Default(5, _("times the p95 of its job type, and at least ten minutes")),
    Rule.BAND_FAILING: Default(3, _("failed syncs of a band in a row")),
    Rule.BAND_STALE: Default(48, _("hours since a band was last synced")),
    Rule.FAILURE_RATE: Default(30, _("percent of the jobs that ended in the last hour, if they are ten or more"), 300),
    Rule.NEW_ERROR: Default(24, _("hours without the error until it is over")),
    Rule.ERROR_BACK: Default(24, _("hours without the error until it is over")),
    Rule.QUOTA_FORECAST: Default(100, _("percent of the limit that will be needed until the reset")),
    Rule.QUOTA_EXHAUSTED: Default(),
    Rule.KEY_REFUSED: Default(),
    Rule.YOUTUBE_SILENT: Default(),
    Rule.REDIS_DEGRADED: Default(),
    Rule.DATABASE_DEGRADED: Default(85, _("percent of PostgreSQL's connections in use")),
    Rule.DELIVERIES_FAILING: Default(3, _("failed attempts to deliver one message")),
}

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
        return rule in Rule.values and self.stored.get(rule, (True, None, None))[0]

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
