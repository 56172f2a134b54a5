"""A thread of each worker, scheduler and web process that keeps messages moving.

The elected worker makes messages of what is due, wakes Celery up for deliveries, and pings the dead man's switch. Celery's
workers may all be busy, dead or cut off from Redis; so whatever is overdue is done here, by any process that still runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from django.db.models import Exists
from django.db.models.functions import Now

from ..engine import broker
from ..engine.background import Background
from ..models import Alert, AlertNotice, AlertRound
from . import deliveries, digests, notices, pings

ELECTED_SECONDS = 2.0
OTHER_SECONDS = 10.0
OVERDUE = dt.timedelta(seconds=10)
"""What has been due for so long is not left to others."""
NOW = dt.timedelta()


def run_round(process: str, *, is_elected: bool) -> None:
    """Do what is due, or, if another process is elected, what that one has left undone.

    One statement says what there is to do. Only one message is sent in each round, so that a receiver that hangs keeps
    nobody from being told by another channel.
    """
    patience = NOW if is_elected else OVERDUE
    unrouted = Alert.objects.filter(needs_routing=True, changed_at__lte=Now() - patience)
    work = AlertRound.objects.order_by().annotate(
        has_unrouted=Exists(unrouted),
        has_notices=Exists(AlertNotice.objects.filter(delivery=None, due_at__lte=Now() - patience)),
        has_sendable=Exists(deliveries.due()),
        has_overdue=Exists(deliveries.due(OVERDUE)),
        has_switches=Exists(pings.due(patience)),
    )
    unrouted_now, notices_due, sendable, overdue, switches = work.values_list(
        "has_unrouted", "has_notices", "has_sendable", "has_overdue", "has_switches"
    ).get()
    if unrouted_now:
        notices.route()
    if notices_due:
        digests.collect(patience)
    if sendable and is_elected and broker.pending_wake_ups(broker.BULK_QUEUE) == 0:
        broker.notify_deliveries()
    if overdue:
        deliveries.deliver_next(process)
    if switches:
        pings.ping_next()


_courier: Background | None = None


def start(process: str, is_elected: Callable[[], bool]) -> None:
    """Start this process's courier."""
    global _courier
    _courier = Background(
        "courier",
        lambda is_elected: run_round(process, is_elected=is_elected),
        is_elected,
        elected_seconds=ELECTED_SECONDS,
        other_seconds=OTHER_SECONDS,
    )
    _courier.start()


def stop() -> None:
    """Stop this process's courier."""
    if _courier is not None:
        _courier.stop()
