"""Make one message of all that a channel is to be told at a moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Case, Count, F, Max, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce

from ..choices import AlertStep as Step
from ..choices import AlertSubject, DeliveryKind, Severity
from ..engine import broker, clock
from ..models import Alert, AlertChannel, AlertDelivery, AlertNotice, AlertRound
from ..models.alerts import GONE
from . import composing, routing
from .notices import COLLECT

DEADLINE = dt.timedelta(hours=24)
"""A message that could not be delivered for so long is given up."""
MANY = 5
"""After a message that lists so many alerts of one kind, …"""
REST = dt.timedelta(minutes=10)
"""… further ones of this kind wait for so long: many things that fail one after the other are one message and a second one.

A kind is a rule; of bands, also the reason why they fail. Critical alerts never wait.
"""
_Kind = tuple[str, str, str]


def collect(overdue: dt.timedelta = dt.timedelta()) -> int:
    """Make a delivery for each channel that has notices due for longer than this. Return the number of deliveries.

    May run in several processes at once: the lock on the channel lets one of them take its notices.
    """
    due = AlertNotice.objects.due(overdue).order_by()
    return sum(_collect(channel_id) for channel_id in due.values_list("channel", flat=True).distinct())


def _collect(channel_id: int) -> bool:
    with transaction.atomic():
        channel = AlertChannel.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=channel_id).first()
        if channel is None:
            return False
        now = clock.now()
        pending = AlertNotice.objects.filter(channel=channel, delivery=None, due_at__lte=now + COLLECT)
        notices = list(pending.select_related("alert").order_by("alert__severity", "pk"))
        if not channel.is_enabled:
            pending.delete()
            return False
        ready = _hold_back(channel, notices, now)
        if ready:
            _deliver(channel, ready, now)
    return bool(ready)


def _hold_back(channel: AlertChannel, notices: Sequence[AlertNotice], now: dt.datetime) -> list[AlertNotice]:
    """Drop what nobody needs to be told, delay what must wait, and return the rest."""
    ready, delayed, dropped = [], [], []
    repeats, masses = _told_lately(channel, notices, now), _masses(channel, now)
    gone_since = _last_round() - GONE
    for notice in notices:
        alert = notice.alert
        if notice.step != Step.RESOLVED and (_is_acknowledged(alert) or alert.resolved_at):
            dropped.append(notice.pk)
            continue
        holds = [
            routing.quiet_until(channel, alert.severity, now),
            None if alert.severity == Severity.CRITICAL else masses.get(_kind_of(notice)),
        ]
        if notice.step != Step.RESOLVED:
            if alert.last_seen_at < gone_since:
                holds.append(now + GONE)  # It is told if it comes back before it counts as over.
            holds += [alert.snoozed_until, repeats.get((alert.rule, alert.subject_type, alert.subject_id))]
        until = max((each for each in holds if each is not None and each > now), default=None)
        if until is None:
            ready.append(notice)
        else:
            notice.due_at = until
            delayed.append(notice)
    AlertNotice.objects.filter(pk__in=dropped).delete()
    AlertNotice.objects.bulk_update(delayed, ["due_at"])
    return ready


def _last_round() -> dt.datetime:
    """Return when the last round began, or a time before all alerts if a round runs now: it may find their conditions."""
    last = AlertRound.objects.filter(ended_at__gte=F("began_at")).first()
    return last.began_at if last and last.began_at else dt.datetime.min.replace(tzinfo=dt.UTC) + GONE


def _is_acknowledged(alert: Alert) -> bool:
    """Whether somebody knows about the alert as it is now: one that became critical later is news again."""
    if alert.acknowledged_at is None:
        return False
    return alert.escalated_at is None or alert.acknowledged_at >= alert.escalated_at


def _told_lately(
    channel: AlertChannel, notices: Sequence[AlertNotice], now: dt.datetime
) -> dict[tuple[str, str, str], dt.datetime]:
    """Return when the channel may be told again, by rule and subject, of those that it was told of lately.

    A later step of the same alert is told at once: it is news.
    """
    opened = [each for each in notices if each.step != Step.RESOLVED]
    if not channel.repeat_hours or not opened:
        return {}
    pause = dt.timedelta(hours=channel.repeat_hours)
    told = (
        AlertNotice.objects.filter(
            channel=channel,
            delivery__created_at__gt=now - pause,
            alert__rule__in={each.alert.rule for each in opened},
            alert__subject_id__in={each.alert.subject_id for each in opened},
        )
        .exclude(step=Step.RESOLVED)
        .exclude(alert__in=[each.alert_id for each in opened])
        .values_list("alert__rule", "alert__subject_type", "alert__subject_id")
        .annotate(at=Max("delivery__created_at"))
    )
    return {(rule, kind, subject): at + pause for rule, kind, subject, at in told}


def _kind_of(notice: AlertNotice) -> _Kind:
    alert = notice.alert
    reason = alert.facts.get("reason") if alert.subject_type == AlertSubject.BAND else ""
    return (alert.rule, notice.step, reason or "")


def _masses(channel: AlertChannel, now: dt.datetime) -> dict[_Kind, dt.datetime]:
    """Return when alerts may be told again, by kind, of which a message has listed many lately."""
    of_band = When(alert__subject_type=AlertSubject.BAND, then=KeyTextTransform("reason", "alert__facts"))
    reason = Coalesce(Case(of_band), Value(""), output_field=TextField())
    lists = (
        AlertNotice.objects.filter(channel=channel, delivery__created_at__gt=now - REST)
        .values_list("alert__rule", "step", reason, "delivery__created_at")
        .annotate(number=Count("pk"))
        .filter(number__gte=MANY)
    )
    until: dict[_Kind, dt.datetime] = {}
    for rule, step, why, at, _number in lists:
        kind = (rule, step, why)
        until[kind] = max(at + REST, until.get(kind, at))
    return until


def _deliver(channel: AlertChannel, notices: Sequence[AlertNotice], now: dt.datetime) -> None:
    message = composing.compose(channel, [(Step(each.step), each.alert) for each in notices], now)
    delivery = AlertDelivery.objects.create(
        channel=channel,
        key=message.key,
        kind=DeliveryKind.ALERTS,
        title=message.title,
        text=message.text,
        severity=message.severity,
        payload=message.payload,
        alert_count=len(notices),
        created_at=now,
        deadline_at=now + DEADLINE,
    )
    AlertNotice.objects.filter(pk__in=[each.pk for each in notices]).update(delivery=delivery)
    broker.notify_deliveries_on_commit()
