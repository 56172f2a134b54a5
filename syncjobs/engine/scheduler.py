"""The scheduler of beat. It reports itself alive, goes by the database's clock, and needs no Redis to trigger jobs."""

from __future__ import annotations

import datetime as dt
import logging
import socket
import time
from typing import Any

from django.db import connection, connections, transaction

from ..exceptions import is_away
from . import broker, clock, database, liveness
from .crontab import CronScheduler, Entry
from .heartbeat import Reporter

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
RESEND_SECONDS = 5.0
"""The pause before the tasks are run or sent again that the database or Redis did not accept."""


class Scheduler(CronScheduler):
    """Reports from the loop that runs what is due, so a loop that hangs is not shown as alive.

    The row of a schedule is the truth: a schedule is due if its row says so, and its run is stored there together with the
    job. What beat has in memory only says when to look.
    """

    producer = None
    """Beat's own producer waits for Redis for ever."""
    _last_timestamp: dt.datetime | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reporter = Reporter(f"beat@{socket.gethostname()}", [], 0, is_scheduler=True)
        self._reported_at: float | None = None
        self._read_again_at: float | None = None
        self._outage = database.OutageLog(logger)
        self._is_set_up = False
        self._is_ticking = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Do nothing: the first tick that reaches the database installs Celery's own schedules."""

    def update_from_dict(self, mapping: dict[str, dict[str, Any]]) -> None:
        """Install schedules. The library's method logs any error and goes on; here, the next tick tries again."""
        entries = [self.Entry.from_entry(name, app=self.app, **fields) for name, fields in mapping.items()]
        self.schedule.update({entry.name: entry for entry in entries if entry.model.enabled})

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due. Return the seconds until the next tick."""
        self._is_ticking = True
        liveness.report()
        try:
            return self._tick(*args, **kwargs)
        finally:
            self._is_ticking = False

    def _tick(self, *args: Any, **kwargs: Any) -> float:
        try:
            if self._reported_at is None or time.monotonic() - self._reported_at >= HEARTBEAT_SECONDS - 0.5:
                self._reporter.report()
                self._reported_at = time.monotonic()
                self._run_alerts()
            if not self._is_set_up:
                super().setup_schedule()
                self._is_set_up = True
            if self._read_again_at is not None and time.monotonic() >= self._read_again_at:
                self._forget()
            pause = float(super().tick(*args, **kwargs))
        except database.ERRORS as error:
            if is_away(error):
                self._outage.warn("The scheduler waits for the database: %s", database.first_line(error))
            else:
                logger.exception("A tick of the scheduler failed; it goes on")
            connections.close_all()
            self._forget()
            # The database's clock may have been set meanwhile.
            self._reported_at = None
            return 1.0
        self._outage.end()
        return min(pause, HEARTBEAT_SECONDS)

    def _run_alerts(self) -> None:
        """Run a round of the alerts here if it is late: no worker may be left to do it."""
        if task := self.app.tasks.get(broker.ALERTS_TASK):
            task.apply()

    def close(self) -> None:
        """Delete the scheduler's row.

        Celery's signal handler calls this, perhaps within a tick, whose statement occupies the connection. It then ends the
        tick and calls this again.
        """
        super().close()
        if not self._is_ticking:
            self._reporter.end()

    def _forget(self) -> None:
        """Read all schedules again in the next tick."""
        self._initial_read, self._heap, self._read_again_at = True, None, None

    def schedule_changed(self) -> bool:
        """Whether a person has changed a schedule. Any other time counts: the clocks of web servers may differ."""
        before, self._last_timestamp = self._last_timestamp, self.Changes.last_change()
        return bool(before != self._last_timestamp)

    def reserve(self, entry: Entry) -> Entry:
        """Return the entry after its run, which `apply_entry` stores."""
        after: Entry = next(entry)
        return after

    def apply_entry(self, entry: Entry, producer: Any = None) -> None:
        """Run a due task and store the run. A task that is neither run nor sent stays due."""
        task = self.app.tasks.get(entry.task)
        if task is not None and entry.task == broker.TRIGGER_TASK:
            is_stored = self._run(entry, task)
        else:
            is_stored = self._send(entry) and self._store_run(entry)
        if not is_stored:
            self._read_again_at = time.monotonic() + RESEND_SECONDS

    def _run(self, entry: Entry, task: Any) -> bool:
        """Run the task here, in the transaction that stores the run, so that it happens once, with or without Redis.

        Return False if a deadlock or the like has undone both: the others run, and this one is tried again.
        """
        with transaction.atomic():
            if not self._store_run(entry):
                return False
            try:
                with transaction.atomic():
                    task.apply(entry.args, entry.kwargs, headers={"periodic_task_name": entry.name}, throw=True)
            except Exception as error:
                if connection.needs_rollback:  # The connection is lost, so nothing can be stored.
                    raise
                if is_away(error):
                    logger.warning("The schedule %s stays due: %s", entry.name, database.first_line(error))
                    transaction.set_rollback(True)
                    return False
                logger.exception("The schedule %s failed", entry.name)
        return True

    def _send(self, entry: Entry) -> bool:
        try:
            self.apply_async(entry, advance=False)
        except Exception as error:  # noqa: BLE001 - Celery wraps all of them in its own
            logger.warning("%s. It stays due.", database.first_line(error))
            return False
        return True

    def _store_run(self, entry: Entry) -> bool:
        """Note the run in the schedule's row. Return False if it isn't due there: another beat ran it, or a person changed it."""
        with transaction.atomic():
            locked = self.Model.objects.enabled().select_for_update(of=("self",), no_key=True)
            row = locked.filter(pk=entry.model.pk).first()
            if row is None or not self.Entry(row, app=self.app).is_due().is_due:
                return False
            # Not save(), which would make beat read all schedules again. The clock is the one that `is_due` has used: the
            # database's own may have been set back since it was read.
            self.Model.objects.filter(pk=row.pk).update(
                last_run_at=clock.approximate(), total_run_count=row.total_run_count + 1
            )
        return True
