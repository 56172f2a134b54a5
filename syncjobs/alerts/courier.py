"""A thread of each worker, scheduler and web process that keeps messages moving.

The worker that reconciles the site sees each second whether anything is due. Its courier then makes messages, wakes Celery
up for deliveries, and pings the dead man's switch. Celery's workers may all be busy, dead or cut off from Redis; so
whatever is overdue is done here, also by the couriers of the scheduler and the web processes, which look for it themselves.
"""

from __future__ import annotations

import datetime as dt
from functools import partial

from django.db import connections
from django.db.models import Exists

from ..engine import broker
from ..engine.background import Background
from ..models import Alert, AlertChannel, AlertNotice, AlertRound
from . import deliveries, digests, notices, pings

WATCH_SECONDS = 10.0
"""The couriers of schedulers and web processes look this often for what is overdue."""
OVERDUE = dt.timedelta(seconds=10)
"""What has been due for so long is not left to others."""
NOW = dt.timedelta()


def run_round(process: str, *, is_elected: bool) -> None:
    """Do what is due, or, if another process is elected, what that one has left undone.

    One statement says what there is to do. Only one message is sent in each round, so that a receiver that hangs does
    not delay the messages of other channels.
    """
    patience = NOW if is_elected else OVERDUE
    work = AlertRound.objects.order_by().annotate(
        has_unrouted=Exists(Alert.objects.unrouted(patience)),
        has_notices=Exists(AlertNotice.objects.due(patience)),
        has_sendable=Exists(deliveries.due()),
        has_overdue=Exists(deliveries.due(OVERDUE)),
        has_switches=Exists(AlertChannel.objects.to_ping(patience)),
    )
    unrouted, notices_due, sendable, overdue, switches = work.values_list(
        "has_unrouted", "has_notices", "has_sendable", "has_overdue", "has_switches"
    ).get()
    if unrouted:
        notices.route()
    if notices_due:
        digests.collect(patience)
    if sendable and is_elected and broker.pending_wake_ups(broker.BULK_QUEUE) == 0:
        broker.notify_deliveries()
    if overdue:
        deliveries.deliver_next(process)
    if switches:
        pings.ping_next()


def _look(process: str, *, is_elected: bool) -> None:
    try:
        run_round(process, is_elected=is_elected)
    finally:
        connections.close_all()  # There may be nothing to do here for hours.


def courier(process: str, *, is_worker: bool) -> Background:
    """Return the thread of a process."""
    look = partial(_look, process, is_elected=is_worker)
    return Background("courier", look, seconds=None if is_worker else WATCH_SECONDS)


_courier: Background | None = None


def start(process: str, *, is_worker: bool = False) -> None:
    """Start this process's courier. A worker's does nothing until `wake()`: if its worker is not elected, it costs nothing."""
    global _courier
    _courier = courier(process, is_worker=is_worker)
    _courier.start()


def wake() -> None:
    """Let this process's courier do what is due."""
    if _courier is not None:
        _courier.wake()


def stop() -> None:
    """Stop this process's courier."""
    if _courier is not None:
        _courier.stop()
