"""Open, escalate and resolve alerts: the only code that does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

from django.db import connection, transaction
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from ..choices import AlertStep as Step
from ..choices import Severity
from ..models import Alert, AlertRound
from . import words
from .findings import Finding, Known
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
    alerts: Sequence[Known],
    resolve_after: Callable[[str], dt.timedelta],
    *,
    next_round: Mapping[str, Combinable] | None = None,
) -> list[Transition]:
    """Write what has changed since the last round, in one transaction, and return it.

    `now` is the database's time when the findings were read. `alerts` are the unresolved ones of the rules whose findings
    these are. One of them is resolved if its condition has not been found for `resolve_after` its rule's name.
    `next_round` are values of AlertRound. Raises Superseded.
    """
    if not findings and not alerts:
        _end(number, next_round)
        return []
    with transaction.atomic():
        # The lock on the row keeps a later round from beginning before this one is written.
        _end(number, next_round)
        known = {alert.key: alert for alert in alerts}
        found = {finding.key: finding for finding in findings}
        transitions = _open([finding for key, finding in found.items() if key not in known], now)
        seen = [(known[key], found[key]) for key in found if key in known]
        gone = [alert for key, alert in known.items() if key not in found]
        over = [alert.pk for alert in gone if alert.last_seen_at <= now - resolve_after(alert.rule)]
        _see_and_resolve([alert.pk for alert, _finding in seen], over, now)
        changed = {alert.pk: finding for alert, finding in seen if _differs(alert, finding)}
        if changed or over:
            rows = Alert.objects.filter(pk__in=[*changed, *over]).in_bulk()
            transitions += _describe_again([(rows[pk], changed[pk]) for pk in changed if pk in rows], now)
            transitions += [Transition(Step.RESOLVED, rows[pk]) for pk in over if pk in rows]
        if transitions:
            notify(transitions)
    return transitions


def _end(number: int, next_round: Mapping[str, Combinable] | None) -> None:
    if not AlertRound.objects.filter(number=number).update(ended_at=Now(), **next_round or {}):
        raise Superseded


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


def _differs(alert: Known, finding: Finding) -> bool:
    return alert.facts != finding.facts or alert.severity not in (finding.severity, Severity.CRITICAL)


def _describe_again(pairs: Sequence[tuple[Alert, Finding]], now: dt.datetime) -> list[Transition]:
    """Write what has changed in conditions that last. An alert never becomes less severe: it is resolved instead."""
    transitions = []
    for alert, finding in pairs:
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
    if pairs:
        Alert.objects.bulk_update([alert for alert, _finding in pairs], _CHANGING)
    return transitions


# The alerts are locked in one order, as people's operations do, which may lock several alerts too. A join would be slow
# until the statistics of the table know of many new alerts.
_SEE_AND_RESOLVE = """
    WITH locked AS MATERIALIZED (
        SELECT id FROM syncjobs_alert WHERE id = ANY (%(all)s) ORDER BY id FOR NO KEY UPDATE)
    UPDATE syncjobs_alert
       SET last_seen_at = CASE WHEN id = ANY (%(over)s) THEN last_seen_at ELSE %(now)s END,
           resolved_at = CASE WHEN id = ANY (%(over)s) THEN %(now)s::timestamptz END,
           changed_at = CASE WHEN id = ANY (%(over)s) THEN %(now)s ELSE changed_at END,
           needs_routing = needs_routing OR id = ANY (%(over)s)
     WHERE id = ANY (%(all)s) AND (SELECT count(*) FROM locked) > 0"""


def _see_and_resolve(seen: Sequence[int], over: Sequence[int], now: dt.datetime) -> None:
    """Note in one statement which conditions were found again, and which are over."""
    if seen or over:
        with connection.cursor() as cursor:
            cursor.execute(_SEE_AND_RESOLVE, {"all": [*seen, *over], "over": list(over), "now": now})
