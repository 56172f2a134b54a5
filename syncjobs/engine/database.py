"""Go on after the database was away: restarted, switched over, read-only or out of connections."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, close_old_connections, connection, connections

from ..exceptions import is_away
from . import pool

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

ERRORS = (DatabaseError, InterfaceError)
RETRY_SECONDS = 0.5
_LOG_SECONDS = 60.0


class OutageLog:
    """Logs a warning once a minute while something is away, and at once if it goes away again."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._logged_at: float | None = None

    def warn(self, message: str, *arguments: object) -> None:
        """Log the warning, unless one was logged within the last minute of this outage."""
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= _LOG_SECONDS:
            self._logger.warning(message, *arguments)
            self._logged_at = now

    def end(self) -> bool:
        """Note that nothing is away. Return whether an outage was logged."""
        was_logged, self._logged_at = self._logged_at is not None, None
        return was_logged


def on_live_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function after replacing a database connection that broke since this thread last used it."""
    if not connection.in_atomic_block:
        close_old_connections()
    return function(*args, **kwargs)


def when_back(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function, and again until the database is not away. For work that may be repeated, in a worker's process.

    A call whose commit was not confirmed is repeated too, so the function must find out what has been done already.
    """
    outage = OutageLog(logger)
    while True:
        try:
            result = on_live_connection(function, *args, **kwargs)
        except ERRORS as error:
            if not is_away(error) or connection.in_atomic_block:
                raise  # A caller's transaction is lost with its connection.
            pool.failed()
            outage.warn("Waiting for the database: %s", first_line(error))
            connections.close_all()
            time.sleep(RETRY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        else:
            if outage.end():
                logger.info("The database is back")
                pool.succeeded()
            return result


def first_line(error: BaseException) -> str:
    """Return the error's type and first line: libpq's messages have several."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
