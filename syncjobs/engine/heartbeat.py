"""The heartbeats of workers and schedulers. A worker's thread also repairs what crashes leave behind, if it is elected.

The thread is not a Celery task: a task would wait for a free process of the pool, and all of them may be busy or hung.

One worker reconciles for the site. The heartbeat's statement elects it: the live worker that started first. The others
take over when its heartbeat is a few seconds old by the database's clock, so it makes no difference whether it was
killed, frozen or cut off. Two at once do no harm, because each repair is conditional on still being needed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, connections
from django.db.models.functions import Now

from ..exceptions import is_away
from ..models import Worker
from ..sql import query
from . import clock, database, liveness, outcomes, pool
from .reconcile import reconcile

logger = logging.getLogger(__name__)

RECONCILE_SECONDS = 1.0
"""The time between two rounds of the elected worker."""
ROUNDS_PER_HEARTBEAT = 4
"""The other workers report alive, and find out whether they are elected, once in this many rounds."""
ELECTED_SILENCE_SECONDS = 3.0
"""An elected worker whose heartbeat is older than this is replaced."""


class Reporter:
    """Reports one process alive."""

    def __init__(self, name: str, queues: list[str], concurrency: int, *, is_scheduler: bool = False) -> None:
        self._row: dict[str, Any] = {
            "name": name,
            "queues": queues,
            "concurrency": concurrency,
            "is_scheduler": is_scheduler,
        }
        self._skew: float | None = None
        self._is_new = True

    def report(self, *, broker_failed: bool = False) -> bool:
        """Write the heartbeat, in one statement. Return whether this worker reconciles the site.

        The first report replaces a row that an earlier process of this name left behind: that process may have been
        stopping, and a worker that is stopping claims nothing.

        The skew of the host's clock is logged when it is first measured; later measurements are stored.
        """
        if self._skew is None:
            self._skew = clock.skew()
            clock.report(str(self._row["name"]), self._skew)
        state = {"clock_skew": self._skew, "is_failing": pool.is_failing(), "broker_failed": broker_failed}
        values = self._row | state | {"process_id": os.getpid(), "silence": ELECTED_SILENCE_SECONDS}
        if self._is_new:
            Worker.objects.filter(name=self._row["name"]).delete()
            # Before the heartbeat: if its answer is lost, the next report keeps the row.
            self._is_new = False
        before = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(query("heartbeat"), values)
            moment, is_elected = cursor.fetchone()
        clock.observe(moment)
        self._skew = clock.skew_of(moment, time.monotonic() - before)
        return bool(is_elected)

    def end(self) -> None:
        """Delete the row, so that a process that has ended is not shown as dead. Log it if the database is away."""
        name = str(self._row["name"])
        try:
            database.on_live_connection(Worker.objects.filter(name=name).delete)
        except database.ERRORS as error:
            logger.warning("Could not delete the row of %s: %s", name, database.first_line(error))


class Heartbeat(threading.Thread):
    """Runs until `stop()`. Survives a database that is down for a while."""

    def __init__(
        self,
        worker: str,
        queues: list[str],
        concurrency: int,
        *,
        run_alerts: Callable[[], None] = lambda: None,
        wake_courier: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._run_alerts, self._wake_courier = run_alerts, wake_courier
        self._reporter = Reporter(worker, queues, concurrency)
        self._stopped = threading.Event()
        self._rounds = 0
        self._is_elected = False
        self._broker_failed = False
        self._outage = database.OutageLog(logger)

    def run(self) -> None:
        try:
            while not self._stopped.wait(RECONCILE_SECONDS if self._rounds else 0):
                self._run_round()
                liveness.report()
        finally:
            connections.close_all()

    @property
    def is_elected(self) -> bool:
        """Whether this worker repairs the site, as of its last round."""
        return self._is_elected

    def stop(self) -> None:
        """End the thread, wait for it, and delete the worker's row."""
        self._stopped.set()
        self.join(timeout=10)
        self._reporter.end()

    def _run_round(self) -> None:
        # The connection is not checked first, which would cost a statement: if it is broken, the next round has a new one.
        try:
            if self._is_elected or self._rounds % ROUNDS_PER_HEARTBEAT == 0:
                self._is_elected = self._reporter.report(broker_failed=self._broker_failed)
                # The row remembers it. Only a worker that reconciles can say it again.
                self._broker_failed = False
            if self._is_elected:
                report = reconcile()
                self._broker_failed = not report.broker_answered
                if report:
                    logger.info("Reconciled: %s", report)
                if report.messages_due:
                    self._wake_courier()
                if report.alerts_due:
                    self._run_alerts()
            self._rounds += 1
            self._outage.end()
        except Exception as error:
            # A worker without a heartbeat counts as dead.
            if is_away(error):
                self._outage.warn("The heartbeat waits for the database: %s", database.first_line(error))
            else:
                logger.exception("A round of the heartbeat failed; it goes on")
            self._rounds += 1
            if isinstance(error, database.ERRORS):
                connections.close_all()
                # Report in the next round, whoever was elected before. Wait for it, as before any round but the first.
                self._rounds, self._is_elected = ROUNDS_PER_HEARTBEAT, False


_heartbeat: Heartbeat | None = None


def start(
    worker: str,
    queues: list[str],
    concurrency: int,
    *,
    run_alerts: Callable[[], None],
    wake_courier: Callable[[], None],
) -> None:
    """Start this process's heartbeat.

    If it is elected, it calls `run_alerts` when a round of the alerts is due, and `wake_courier` when a message is.
    """
    global _heartbeat
    connections.close_all()
    _heartbeat = Heartbeat(worker, queues, concurrency, run_alerts=run_alerts, wake_courier=wake_courier)
    _heartbeat.start()


def is_elected() -> bool:
    """Whether this process is the worker that repairs the site."""
    return _heartbeat is not None and _heartbeat.is_elected


def release_jobs(worker: str) -> None:
    """Mark the worker as stopping. Its running jobs stop within one HTTP call and continue on other workers."""
    try:
        database.on_live_connection(Worker.objects.filter(name=worker).update, stopping_at=Now())
        outcomes.request_release(worker)
    except database.ERRORS as error:
        logger.warning("Could not release the jobs of %s: %s", worker, database.first_line(error))


def stop() -> None:
    """Stop this process's heartbeat and delete the worker's row."""
    if _heartbeat is not None:
        _heartbeat.stop()
