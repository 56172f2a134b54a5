"""The database's clock, which decides everything that two hosts must agree on: the hosts' own clocks may differ.

Queries compare times with `Now()` where they can, which costs no statement of its own.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

logger = logging.getLogger(__name__)

_observed: tuple[dt.datetime, float] | None = None
"""The database's time that this process read last, and time.monotonic() at that moment."""

TOLERATED_SECONDS = 2.0
"""A host's clock that differs more from the database's is reported."""
OBSERVE_SECONDS = 30.0
"""How often a web server reads the database's clock."""


def now() -> dt.datetime:
    """Return the database's time, even in a transaction that began long ago. Costs one statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        moment: dt.datetime = cursor.fetchone()[0]
    observe(moment)
    return moment


def observe(moment: dt.datetime) -> None:
    """Note the database's time, which a response has just brought."""
    global _observed
    _observed = (moment, time.monotonic())


def approximate() -> dt.datetime:
    """Return about the database's time, without a statement: its last known time and what has passed since.

    For what is shown, and for loops that measure it all the time. It is the host's own time until the database's is known.
    """
    if _observed is None:
        return timezone.now()
    moment, at = _observed
    return moment + dt.timedelta(seconds=time.monotonic() - at)


def skew() -> float:
    """Return by how many seconds this host's clock is ahead of the database's; negative if it is behind.

    It is measured against the middle of the statement, so a slow connection does not look like a wrong clock.
    """
    before = time.monotonic()
    moment = now()
    round_trip = time.monotonic() - before
    return skew_of(moment, round_trip)


def skew_of(moment: dt.datetime, round_trip: float) -> float:
    """Return this host's skew, given the database's time in the answer that has just arrived and its round trip in seconds."""
    return round(time.time() - round_trip / 2 - moment.timestamp(), 3)


def report(process: str, seconds: float) -> None:
    """Log the skew of a process that starts: a warning if it is too large."""
    if is_wrong(seconds):
        logger.warning(
            "The clock of %s is %.1f s %s the database's. Synchronize the hosts' clocks (NTP).",
            process,
            abs(seconds),
            "ahead of" if seconds > 0 else "behind",
        )
    else:
        logger.info("The clock of %s differs from the database's by %.3f s", process, seconds)


def report_in_background(process: str) -> None:
    """Report the skew of a process that starts, which waits neither for this nor for the database, and keep measuring."""

    threading.Thread(target=_measure, args=(process,), name="clock", daemon=True).start()


def _measure(process: str) -> None:
    """Report the skew once, and go on observing the database's clock for `approximate`."""
    is_reported = False
    while True:
        try:
            seconds = skew()
            if not is_reported:
                report(process, seconds)
            is_reported = True
        except (DatabaseError, InterfaceError) as error:
            if not is_reported:
                logger.warning(
                    "Could not compare the clock of %s with the database's: %s", process, type(error).__name__
                )
        finally:
            connection.close()
        time.sleep(OBSERVE_SECONDS)


def is_wrong(seconds: float | None) -> bool:
    """Whether a skew is too large to be ignored."""
    return seconds is not None and abs(seconds) > TOLERATED_SECONDS
