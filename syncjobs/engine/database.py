"""Go on after the database was away: restarted, switched over, read-only or out of connections."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection, connections

from . import pool

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

ERRORS = (DatabaseError, InterfaceError)
RETRY_SECONDS = 0.5
_LOG_SECONDS = 60.0
# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exceptions, operator
# interventions that end the session, too many connections, a full disk, read-only transactions, and sessions ended while
# idle in one.
_AWAY = ("08", "57P", "53300", "53100", "25006", "25P03")


def is_away(error: BaseException) -> bool:
    """Whether the error says that the database is away, so that the same statements may succeed later."""
    if isinstance(error, InterfaceError):  # The connection is closed.
        return True
    if not isinstance(error, DatabaseError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:  # The client's own errors: no connection, or a connection that broke.
        return isinstance(error, OperationalError)
    return str(state).startswith(_AWAY)


def on_live_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function after replacing a database connection that broke since this thread last used it."""
    if not connection.in_atomic_block:
        close_old_connections()
    return function(*args, **kwargs)


def when_back(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call the function, and again until the database is not away. For work that may be repeated, in a worker's process.

    A call whose commit was not confirmed is repeated too, so the function must find out what has been done already.
    """
    logged_at = None
    while True:
        try:
            result = on_live_connection(function, *args, **kwargs)
        except ERRORS as error:
            if not is_away(error) or connection.in_atomic_block:
                raise  # A caller's transaction is lost with its connection.
            pool.failed()
            if logged_at is None or time.monotonic() - logged_at > _LOG_SECONDS:
                logger.warning("Waiting for the database: %s", first_line(error))
                logged_at = time.monotonic()
            connections.close_all()
            time.sleep(RETRY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        else:
            if logged_at is not None:
                logger.info("The database is back")
                pool.succeeded()
            return result


def first_line(error: BaseException) -> str:
    """Return the error's type and first line: libpq's messages have several."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
