"""The rules of alerts, with defaults that suit a site of 300 bands; people change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..audit.record import audited, details
from ..choices import AlertRuleName as Rule
from ..engine import clock
from ..exceptions import InvalidFields, NotFound
from ..models import AlertRound, AlertRule

MAX_RESOLVE_AFTER = 86_400
_WEEK_MINUTES, _MONTH_MINUTES, _YEAR_HOURS = 10_080, 43_200, 8760


@dataclass(frozen=True, slots=True)
class Default:
    """A rule's threshold, if it has one, what it means, and the seconds for which its condition must have been gone.

    A threshold that a person sets is from `least` to `most`; a number of things is whole.
    """

    threshold: float | None = None
    meaning: str | Promise = ""
    resolve_after: int = 120
    least: float = 0
    most: float = 0
    is_whole: bool = False

    @property
    def limits(self) -> str:
        """A sentence that says which thresholds are allowed."""
        text = _("a whole number from %(least)s to %(most)s") if self.is_whole else _("from %(least)s to %(most)s")
        return text % {"least": f"{self.least:g}", "most": f"{self.most:g}"}


DEFAULTS: dict[Rule, Default] = {
    Rule.NO_WORKER: Default(),
    Rule.WORKER_SILENT: Default(),
    Rule.WORKER_FAILING: Default(),
    Rule.CLOCK_SKEW: Default(
        clock.TOLERATED_SECONDS,
        gettext_lazy("seconds that a host's clock differs from the database's"),
        least=0.1,
        most=3600,
    ),
    Rule.NO_SCHEDULER: Default(),
    # What a row proves to be over is over at once, so that no sentence is shown that is no longer true: a run, a pause that
    # a person has ended, a sync, an answer, a delivery. What is measured, or what restarts, may come and go.
    Rule.SCHEDULE_OVERDUE: Default(5, gettext_lazy("minutes after a schedule was due"), 0, least=1, most=_WEEK_MINUTES),
    Rule.QUEUE_PAUSED: Default(60, gettext_lazy("minutes since the queue was paused"), 0, least=0, most=_MONTH_MINUTES),
    Rule.BAND_PAUSED: Default(24, gettext_lazy("hours since the band was paused"), 0, least=0, most=_YEAR_HOURS),
    Rule.OLD_JOB: Default(60, gettext_lazy("minutes that the oldest due job has waited"), least=1, most=_MONTH_MINUTES),
    Rule.STUCK_JOB: Default(
        5, gettext_lazy("times the p95 of its job type, and at least ten minutes"), 0, least=1, most=1000
    ),
    Rule.BAND_FAILING: Default(
        3, gettext_lazy("failed syncs of a band in a row"), 0, least=1, most=1000, is_whole=True
    ),
    Rule.BAND_STALE: Default(48, gettext_lazy("hours since a band was last synced"), 0, least=1, most=_YEAR_HOURS),
    Rule.FAILURE_RATE: Default(
        30,
        gettext_lazy("percent of the jobs that ended in the last hour, if they are ten or more"),
        300,
        least=1,
        most=100,
    ),
    Rule.NEW_ERROR: Default(24, gettext_lazy("hours without the error until it is over"), 0, least=1, most=_YEAR_HOURS),
    Rule.ERROR_BACK: Default(
        24, gettext_lazy("hours without the error until it is over"), 0, least=1, most=_YEAR_HOURS
    ),
    Rule.QUOTA_FORECAST: Default(
        100, gettext_lazy("percent of the limit that will be needed until the reset"), least=1, most=1000
    ),
    Rule.QUOTA_EXHAUSTED: Default(resolve_after=0),
    Rule.KEY_REFUSED: Default(resolve_after=0),
    Rule.YOUTUBE_SILENT: Default(resolve_after=0),
    Rule.REDIS_DEGRADED: Default(),
    Rule.DATABASE_DEGRADED: Default(85, gettext_lazy("percent of PostgreSQL's connections in use"), least=1, most=100),
    Rule.DELIVERIES_FAILING: Default(
        3, gettext_lazy("failed attempts to deliver one message"), 0, least=1, most=100, is_whole=True
    ),
    Rule.PUSH_OFF: Default(
        50, gettext_lazy("percent of the subscriptions of an hour ago or longer that don't work"), least=1, most=100
    ),
    Rule.VIDEOS_LATE: Default(
        30,
        gettext_lazy(
            "minutes from publication to storage (p95 of the last day's 40 newest videos, if they are five or more)"
        ),
        300,
        least=1,
        most=_WEEK_MINUTES,
    ),
}


def set_rule(
    actor: Actor,
    name: str,
    values: Mapping[str, Any],
    *,
    check: Callable[[AlertRule], None] = lambda rule: None,
) -> AlertRule:
    """Change the given settings of a rule that passes `check`: is_enabled, threshold and resolve_after.

    None restores the default of the last two. The next round begins at once. Raises NotFound and InvalidFields.
    """
    if name not in Rule.values:
        raise NotFound(_("There is no rule “%(name)s”.") % {"name": name[:40]}, field="rule")
    problems = [
        ("threshold", _threshold_problem(DEFAULTS[Rule(name)], values.get("threshold"))),
        ("resolve_after", _resolve_after_problem(values.get("resolve_after"))),
    ]
    with audited(actor, "change_alert_rule", "alert_rule", name) as span:
        if found := [(field, problem) for field, problem in problems if problem]:
            raise InvalidFields(found)
        AlertRule.objects.bulk_create([AlertRule(name=name)], ignore_conflicts=True)
        rule = AlertRule.objects.select_for_update().get(pk=name)
        check(rule)
        for column, value in values.items():
            setattr(rule, column, value)
        rule.save(update_fields=list(values))
        span.data = details(values)
        AlertRound.objects.request()
    return rule


def _threshold_problem(rule: Default, value: float | None) -> str:
    """Return what is wrong with a threshold; empty if nothing is."""
    if value is None:
        return ""
    if rule.threshold is None:
        return _("This rule has no threshold: its alert is opened as soon as the condition holds. Leave it out.")
    is_number = math.isfinite(value) and (not rule.is_whole or value == int(value))
    if is_number and rule.least <= value <= rule.most:
        return ""
    return _("Must be %(limits)s: %(meaning)s.") % {"limits": rule.limits, "meaning": rule.meaning}


def _resolve_after_problem(value: float | None) -> str:
    if value is None or (math.isfinite(value) and 0 <= value <= MAX_RESOLVE_AFTER):
        return ""
    return _("Must be a number from %(least)s to %(most)s.") % {"least": 0, "most": MAX_RESOLVE_AFTER}
