"""Channels, alerts and their steps for tests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import F

from syncjobs.alerts import notices
from syncjobs.choices import AlertRuleName, AlertStep, AlertSubject, ChannelKind, Severity
from syncjobs.engine import clock
from syncjobs.models import Alert, AlertChannel, AlertDelivery, AlertDeliveryAttempt, AlertNotice
from syncjobs.senders import secrets

URL = "https://hooks.example.org/secret"
SECRET = "a secret of this test"


def make_channel(name: str = "Chat", url: str = URL, kind: str = ChannelKind.WEBHOOK, **fields: Any) -> AlertChannel:
    return AlertChannel.objects.create(
        name=name,
        kind=kind,
        target=secrets.encrypt(url),
        address="masked",
        secret=secrets.encrypt(SECRET) if kind == ChannelKind.WEBHOOK else "",
        **fields,
    )


def make_alert(
    subject: object = 7,
    rule: AlertRuleName = AlertRuleName.BAND_FAILING,
    severity: Severity = Severity.WARNING,
    kind: AlertSubject = AlertSubject.BAND,
    reason: str | None = None,
    **fields: Any,
) -> Alert:
    return Alert.objects.create(
        rule=rule,
        subject_type=kind,
        subject_id=str(subject),
        subject_label=fields.pop("label", f"Band {subject}"),
        severity=severity,
        sentence="It is wrong.",
        needs_routing=False,
        facts={"failures": 3, "reason": reason},
        **fields,
    )


def take(step: AlertStep, *alerts: Alert) -> None:
    """Note a step of the alerts, as a round does."""
    for alert in alerts:
        if step == AlertStep.RESOLVED:
            alert.resolved_at = alert.opened_at + dt.timedelta(minutes=12)
        if step == AlertStep.ESCALATED:
            alert.severity = Severity.CRITICAL
            alert.escalated_at = clock.now()
        alert.needs_routing, alert.changed_at = True, clock.now()
        alert.save()
    notices.route()


def pass_time(**duration: float) -> None:
    """Let so much time pass, for what is pending and what was sent."""
    by = dt.timedelta(**duration)
    AlertNotice.objects.update(created_at=F("created_at") - by, due_at=F("due_at") - by)
    AlertDelivery.objects.update(
        created_at=F("created_at") - by,
        next_attempt_at=F("next_attempt_at") - by,
        deadline_at=F("deadline_at") - by,
    )
    AlertDeliveryAttempt.objects.update(started_at=F("started_at") - by)
    Alert.objects.update(
        opened_at=F("opened_at") - by,
        last_seen_at=F("last_seen_at") - by,
        resolved_at=F("resolved_at") - by,
        changed_at=F("changed_at") - by,
    )
    Alert.objects.exclude(snoozed_until=None).update(snoozed_until=F("snoozed_until") - by)
    AlertChannel.objects.exclude(next_ping_at=None).update(next_ping_at=F("next_ping_at") - by)


def titles() -> list[str]:
    return list(AlertDelivery.objects.order_by("pk").values_list("title", flat=True))
