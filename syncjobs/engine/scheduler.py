"""The scheduler of beat, which reports itself alive and survives a database that is away."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import socket
import time
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import close_old_connections, connections

from . import database
from .crontab import CronScheduler
from .heartbeat import Reporter

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0


class Scheduler(CronScheduler):
    """Reports from the loop that sends what is due, so a loop that hangs is not shown as alive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._reporter = Reporter(f"beat@{socket.gethostname()}", [], 0, is_scheduler=True)
        self._reported_at: float | None = None
        self._is_set_up = False
        self._last_timestamp: dt.datetime | None = None
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Read the schedules. If the database is away when beat starts, `tick` reads them later."""
        try:
            super().setup_schedule()
            self._is_set_up = True
        except database.ERRORS as error:
            self._wait(error)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Return the seconds until the next tick."""
        try:
            if not self._is_set_up:
                super().setup_schedule()
                self._is_set_up = True
            pause = float(super().tick(*args, **kwargs))
            if self._reported_at is None or time.monotonic() - self._reported_at >= HEARTBEAT_SECONDS - 0.5:
                self._reporter.report()
                self._reported_at = time.monotonic()
        except database.ERRORS as error:
            self._wait(error)
            return 1.0
        return min(pause, HEARTBEAT_SECONDS)

    def schedule_changed(self) -> bool:
        """Whether a person changed a schedule since the last call. Raises one of `database.ERRORS`."""
        # The superclass logs such an error with a traceback, and so would each tick of an outage.
        close_old_connections()
        last, now = self._last_timestamp, self.Changes.last_change()
        self._last_timestamp = now
        return bool(now and now > (last or now))

    def reserve(self, entry: Any) -> Any:
        """Note the run of a schedule. Return the schedule with its next run."""
        # The superclass keeps the old one, which is due again whenever the schedules are put in order anew.
        new = self._schedule[entry.name] = super().reserve(entry)
        return new

    def all_as_schedule(self) -> dict[str, Any]:
        """Read all schedules. Raises one of `database.ERRORS`."""
        # A run that is not stored yet would be due again.
        self._store_runs()
        schedules: dict[str, Any] = super().all_as_schedule()
        return schedules

    def sync(self) -> None:
        """Store when the schedules last ran. What can't be stored now is stored at the next call."""
        try:
            self._store_runs()
        except database.ERRORS as error:
            self._wait(error)

    def _store_runs(self) -> None:
        for name in list(self._dirty):
            with contextlib.suppress(KeyError, ObjectDoesNotExist):
                self._schedule[name].save()
            self._dirty.discard(name)

    def _wait(self, error: BaseException) -> None:
        """Have the next tick read the schedules again, because this one may have missed a change."""
        logger.warning("The scheduler could not reach the database: %s", database.first_line(error))
        connections.close_all()
        self._initial_read, self._heap = True, None
