"""A thread of each worker, scheduler and web process that keeps messages moving.

The elected worker makes messages of what is due, wakes Celery up for deliveries, and pings the dead man's switch. Celery's
workers may all be busy, dead or cut off from Redis; so whatever is overdue is done here, by any process that still runs.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable

from django.db import connections
from django.db.models import Exists
from django.db.models.functions import Now

from ..engine import broker, database
from ..exceptions import is_away
from ..models import Alert, AlertNotice, AlertRound
from . import deliveries, digests, notices, pings

logger = logging.getLogger(__name__)

ELECTED_SECONDS = 2.0
OTHER_SECONDS = 10.0
OVERDUE = dt.timedelta(seconds=10)
"""What has been due for so long is not left to others."""
NOW = dt.timedelta()


class Courier(threading.Thread):
    """Runs until `stop()`. Survives a database that is down for a while."""

    def __init__(self, process: str, is_elected: Callable[[], bool]) -> None:
        super().__init__(name="courier", daemon=True)
        self._process = process
        self._is_elected = is_elected
        self._stopped = threading.Event()
        self._outage = database.OutageLog(logger)

    def run(self) -> None:
        try:
            while not self._stopped.wait(ELECTED_SECONDS if self._is_elected() else OTHER_SECONDS):
                self._run_round()
        finally:
            connections.close_all()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._stopped.set()

    def _run_round(self) -> None:
        try:
            run_round(self._process, is_elected=self._is_elected())
            self._outage.end()
        except Exception as error:
            if is_away(error):
                self._outage.warn("The courier waits for the database: %s", database.first_line(error))
            else:
                logger.exception("A round of the courier failed; it goes on")
            if isinstance(error, database.ERRORS):
                connections.close_all()
        if not self._is_elected():
            connections.close_all()  # Most processes have nothing to do here for hours.


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


_courier: Courier | None = None


def start(process: str, is_elected: Callable[[], bool]) -> None:
    """Start this process's courier."""
    global _courier
    _courier = Courier(process, is_elected)
    _courier.start()


def stop() -> None:
    """Stop this process's courier."""
    if _courier is not None:
        _courier.stop()
