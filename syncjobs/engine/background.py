"""Threads that do work in rounds, beside Celery's tasks: all of the pool's processes may be busy or hung."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connections

from ..exceptions import is_away
from . import database

logger = logging.getLogger(__name__)


class Background(threading.Thread):
    """Runs rounds until `stop()`, and survives a database that is down for a while.

    The round learns whether this process is elected, which decides how long it waits for the next one.
    """

    def __init__(
        self,
        name: str,
        run_round: Callable[[bool], None],
        is_elected: Callable[[], bool],
        *,
        elected_seconds: float,
        other_seconds: float,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._run_one, self._is_elected = run_round, is_elected
        self._elected_seconds, self._other_seconds = elected_seconds, other_seconds
        self._stopped = threading.Event()
        self._outage = database.OutageLog(logger)

    def run(self) -> None:
        try:
            while not self._stopped.wait(self._elected_seconds if self._is_elected() else self._other_seconds):
                self._run_round()
        finally:
            connections.close_all()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._stopped.set()

    def _run_round(self) -> None:
        try:
            self._run_one(self._is_elected())
            self._outage.end()
        except Exception as error:
            if is_away(error):
                self._outage.warn("The %s waits for the database: %s", self.name, database.first_line(error))
            else:
                logger.exception("A round of the %s failed; it goes on", self.name)
            if isinstance(error, database.ERRORS):
                connections.close_all()
        if not self._is_elected():
            connections.close_all()  # Most processes have nothing to do here for hours.
