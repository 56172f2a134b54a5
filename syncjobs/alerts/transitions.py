"""Open, escalate and resolve alerts: the only code that does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from ..choices import AlertStep as Step
from ..choices import Severity
from ..models import Alert, AlertRound
from . import words
from .findings import Finding, Key
from .notify import Transition, notify

MAX_LABEL = 200
_CHANGING = (
    "subject_label",
    "severity",
    "sentence",
    "advice",
    "link",
    "facts",
    "escalated_at",
    "changed_at",
    "needs_routing",
)


class Superseded(Exception):
    """A later round has begun, so this one may change nothing."""


def apply(
    number: int,
    now: dt.datetime,
    findings: Sequence[Finding],
    resolve_after: Callable[[str], dt.timedelta],
    *,
    unknown: Callable[[Alert], bool] = lambda alert: False,
    next_round: Mapping[str, Combinable] | None = None,
) -> list[Transition]:
    """Write what has changed since the last round, in one transaction, and return it.

    `now` is the database's time when the findings were read. An alert is resolved if its condition has not been found for
    `resolve_after` its rule's name. One whose condition is `unknown` in this round stays as it is. `next_round`
    are values of AlertRound. Raises Superseded.
    """
    with transaction.atomic():
        # The lock on the row keeps a later round from beginning before this one is written.
        if not AlertRound.objects.filter(number=number).update(ended_at=Now(), **next_round or {}):
            raise Superseded
        known = {_key(alert): alert for alert in _lock(Alert.objects.unresolved())}
        found = {finding.key: finding for finding in findings}
        transitions = _open([finding for key, finding in found.items() if key not in known], now)
        transitions += _describe_again([(known[key], found[key]) for key in found if key in known], now)
        gone = [alert for key, alert in known.items() if key not in found and not unknown(alert)]
        over = [alert for alert in gone if alert.last_seen_at <= now - resolve_after(alert.rule)]
        transitions += _see_and_resolve([known[key] for key in found if key in known], over, now)
        if transitions:
            notify(transitions)
    return transitions


def _lock(alerts: QuerySet[Alert]) -> QuerySet[Alert]:
    # In one order, as people's operations do, which lock one alert each.
    return alerts.order_by("pk").select_for_update(no_key=True)


def _key(alert: Alert) -> Key:
    return (alert.rule, alert.subject_type, alert.subject_id)


def _open(findings: Sequence[Finding], now: dt.datetime) -> list[Transition]:
    alerts = [
        Alert(
            rule=finding.rule,
            subject_type=finding.subject_type,
            subject_id=finding.subject_id,
            opened_at=now,
            **_described(finding),
            last_seen_at=now,
            changed_at=now,
        )
        for finding in findings
    ]
    return [Transition(Step.OPENED, alert) for alert in Alert.objects.bulk_create(alerts)]


def _described(finding: Finding) -> dict[str, object]:
    said = words.for_site(finding)
    return {
        "subject_label": finding.label[:MAX_LABEL],
        "severity": finding.severity,
        "sentence": said.sentence,
        "advice": said.advice,
        "link": said.link,
        "facts": dict(finding.facts),
    }


def _describe_again(pairs: Sequence[tuple[Alert, Finding]], now: dt.datetime) -> list[Transition]:
    """Write what has changed in conditions that last. An alert never becomes less severe: it is resolved instead."""
    transitions, changed = [], []
    for alert, finding in pairs:
        if alert.facts == finding.facts and alert.severity in (finding.severity, Severity.CRITICAL):
            continue
        values = _described(finding)
        if alert.severity == Severity.CRITICAL:
            values["severity"] = alert.severity
        if values["severity"] != alert.severity:
            alert.escalated_at = now
            alert.needs_routing = True
            transitions.append(Transition(Step.ESCALATED, alert))
        for name, value in values.items():
            setattr(alert, name, value)
        alert.changed_at = now
        changed.append(alert)
    if changed:
        Alert.objects.bulk_update(changed, _CHANGING)
    return transitions


def _see_and_resolve(seen: Sequence[Alert], over: Sequence[Alert], now: dt.datetime) -> list[Transition]:
    """Note in one statement which conditions were found again, and which are over."""
    is_over = Q(pk__in=[alert.pk for alert in over])
    if seen or over:
        Alert.objects.filter(is_over | Q(pk__in=[alert.pk for alert in seen])).update(
            last_seen_at=Case(When(is_over, then=F("last_seen_at")), default=Value(now)),
            resolved_at=Case(When(is_over, then=Value(now)), default=None, output_field=DateTimeField()),
            changed_at=Case(When(is_over, then=Value(now)), default=F("changed_at")),
            needs_routing=Case(When(is_over, then=True), default=F("needs_routing")),
        )
    for alert in seen:
        alert.last_seen_at = now
    for alert in over:
        alert.resolved_at = alert.changed_at = now
    return [Transition(Step.RESOLVED, alert) for alert in over]
