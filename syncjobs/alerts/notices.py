"""Note what each channel is to be told of the alerts whose last step is new.

A round writes `Alert.needs_routing` together with the step, so no step is ever missed; this runs afterwards.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction

from ..choices import AlertStep as Step
from ..choices import ChannelKind
from ..models import Alert, AlertChannel, AlertNotice
from . import routing

COLLECT = dt.timedelta(seconds=20)
"""How long notices are collected for one message: longer than the time between two rounds."""
_MOST = 1000


def route() -> None:
    """Note the last steps for the channels that take them, if no other process does.

    An alert that is over before its channel was told is not mentioned at all. The channels are locked, so that no digest
    takes a notice that is deleted here.
    """
    with transaction.atomic():
        unrouted = Alert.objects.unrouted().order_by("pk")
        alerts = list(unrouted.select_for_update(no_key=True, skip_locked=True)[:_MOST])
        channels = AlertChannel.objects.select_for_update(no_key=True).filter(is_enabled=True)
        _note(alerts, list(channels.exclude(kind=ChannelKind.PING).prefetch_related("bands").order_by("pk")))
        Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(needs_routing=False)


def _note(alerts: Sequence[Alert], channels: Sequence[AlertChannel]) -> None:
    earlier: dict[tuple[int, int], list[AlertNotice]] = {}
    for notice in AlertNotice.objects.filter(alert__in=alerts, channel__in=channels):
        earlier.setdefault((notice.channel_id, notice.alert_id), []).append(notice)
    added: list[AlertNotice] = []
    obsolete: list[int] = []
    for channel in channels:
        for alert in alerts:
            notices = earlier.get((channel.pk, alert.pk), [])
            step = _last_step(alert) if notices or alert.resolved_at else Step.OPENED
            if step == Step.RESOLVED:
                obsolete += [each.pk for each in notices if each.delivery_id is None]
                is_news = any(each.delivery_id for each in notices)
            else:
                # What is pending says how the alert is when it is sent.
                is_news = routing.takes(channel, alert) and all(each.delivery_id for each in notices)
            if is_news:
                added.append(AlertNotice(channel=channel, alert=alert, step=step, due_at=alert.changed_at + COLLECT))
    AlertNotice.objects.filter(pk__in=obsolete).delete()
    AlertNotice.objects.bulk_create(added, ignore_conflicts=True)


def _last_step(alert: Alert) -> Step:
    if alert.resolved_at:
        return Step.RESOLVED
    return Step.ESCALATED if alert.escalated_at else Step.OPENED
