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

    `seconds` is the pause between rounds; None waits for `wake()`. A round that is not followed by another one soon closes
    its connection itself: each new connection costs the database three statements.
    """

    def __init__(self, name: str, run_round: Callable[[], None], *, seconds: float | None) -> None:
        super().__init__(name=name, daemon=True)
        self._run_one, self._seconds = run_round, seconds
        self._is_awake = threading.Event()
        self._is_stopped = False
        self._outage = database.OutageLog(logger)

    def run(self) -> None:
        try:
            while True:
                self._is_awake.wait(self._seconds)
                self._is_awake.clear()
                if self._is_stopped:
                    return
                self._run_round()
        finally:
            connections.close_all()

    def wake(self) -> None:
        """Run a round now, or after the present one."""
        self._is_awake.set()

    def stop(self) -> None:
        """End the thread after what it is doing."""
        self._is_stopped = True
        self._is_awake.set()

    def _run_round(self) -> None:
        try:
            self._run_one()
            self._outage.end()
        except Exception as error:
            if is_away(error):
                self._outage.warn("The %s waits for the database: %s", self.name, database.first_line(error))
            else:
                logger.exception("A round of the %s failed; it goes on", self.name)
            if isinstance(error, database.ERRORS):
                connections.close_all()
