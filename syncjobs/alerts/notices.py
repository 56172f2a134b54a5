"""Note what each channel is to be told, in the transaction that changes the alerts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ..choices import AlertStep as Step
from ..choices import ChannelKind
from ..engine import clock
from ..models import Alert, AlertChannel, AlertNotice
from . import routing

COLLECT = dt.timedelta(seconds=20)
"""How long notices are collected for one message: longer than the time between two rounds."""


def add(steps: Sequence[tuple[Step, Alert]]) -> None:
    """Note the steps for the channels that take them.

    An alert that is over before its channel was told is not mentioned at all. The channels are locked, so that no digest
    takes a notice that is deleted here.
    """
    channels = list(
        AlertChannel.objects.select_for_update(no_key=True)
        .filter(is_enabled=True)
        .exclude(kind=ChannelKind.PING)
        .prefetch_related("bands")
        .order_by("pk")
    )
    if not channels:
        return
    alerts = [alert for _step, alert in steps]
    earlier: dict[tuple[int, int], list[AlertNotice]] = {}
    for notice in AlertNotice.objects.filter(alert__in=alerts, channel__in=channels):
        earlier.setdefault((notice.channel_id, notice.alert_id), []).append(notice)
    due = clock.now() + COLLECT
    added: list[AlertNotice] = []
    obsolete: list[int] = []
    for channel in channels:
        for step, alert in steps:
            notices = earlier.get((channel.pk, alert.pk), [])
            if step == Step.RESOLVED:
                obsolete += [each.pk for each in notices if each.delivery_id is None]
                is_told = any(each.delivery_id for each in notices)
            else:
                # What is pending says how the alert is when it is sent.
                is_told = routing.takes(channel, alert) and all(each.delivery_id for each in notices)
            if is_told:
                added.append(AlertNotice(channel=channel, alert=alert, step=step, due_at=due))
    AlertNotice.objects.filter(pk__in=obsolete).delete()
    AlertNotice.objects.bulk_create(added, ignore_conflicts=True)
