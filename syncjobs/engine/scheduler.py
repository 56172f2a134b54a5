"""The scheduler of beat, which reports itself alive and survives a database that is away."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from django.db import connections

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
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due. Return the seconds until the next tick."""
        try:
            pause = float(super().tick(*args, **kwargs))
            if self._reported_at is None or time.monotonic() - self._reported_at >= HEARTBEAT_SECONDS - 0.5:
                self._reporter.report()
                self._reported_at = time.monotonic()
        except database.ERRORS as error:
            logger.warning("The scheduler could not reach the database: %s", database.first_line(error))
            connections.close_all()
            return 1.0
        return min(pause, HEARTBEAT_SECONDS)
