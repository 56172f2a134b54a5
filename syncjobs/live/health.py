"""What has stopped answering: workers, the scheduler, YouTube. Deadlines pass by the database's clock."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connection

from ..models.workers import WORKER_SILENCE_SECONDS
from ..sql import query

YOUTUBE_SILENCE_SECONDS = 18
"""Calls to YouTube that bring no answer for this long are a problem; less is an ordinary retry.

It is longer than a call may take plus the time until its result is recorded: at the renewal of the lease at the latest.
"""
YOUTUBE_PAUSE_SECONDS = 300
"""Calls that are further apart say nothing about the time between them."""
LATE_ROUND_SECONDS = 90
"""A round of the alerts takes place every 15 seconds. If the last one ended longer ago, alerts may be missing."""
_PARAMETERS: dict[str, int | str] = {
    "silence": WORKER_SILENCE_SECONDS,
    "task": "syncjobs.trigger",
    "youtube_silence": YOUTUBE_SILENCE_SECONDS,
    "youtube_pause": YOUTUBE_PAUSE_SECONDS,
    "late_round": LATE_ROUND_SECONDS,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not answer or does not run.

    `code` is one of worker_silent, worker_failing (`name` is the worker), no_worker (`name` is a queue that has work),
    no_scheduler, youtube_silent and alerts_late. It is not `urgent` if other workers do the work of this one.
    """

    code: str
    name: str = ""
    since: dt.datetime | None = None
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """How many alerts need attention, and how many of those are critical. `version` changes with any unresolved alert."""

    attention: int = 0
    critical: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The problems, and the state of each worker and scheduler ("alive", "stopping", "failing" or "silent") by name.

    YouTube counts as silent at `youtube_silent_at` if calls go on and bring no answer until then; None if it answered last.
    """

    problems: tuple[Problem, ...]
    states: tuple[tuple[str, str], ...]
    alerts: AlertCounts = AlertCounts()
    youtube_silent_at: dt.datetime | None = None
    position: str = ""
    """The position in the stream of changes (see changes.py) at which this was read."""
    served: frozenset[str] = frozenset()
    """The queues that a worker serves."""
    is_evaluated: bool = False
    """Whether the conditions of the alerts have ever been looked at."""

    @property
    def version(self) -> str:
        """A text that changes with any problem and with the state of any worker."""
        known = [(problem.code, problem.name, problem.urgent) for problem in self.problems]
        return f"{zlib.crc32(repr((known, self.states)).encode()):08x}"


def current() -> Health:
    """Return the health of the site now."""
    with connection.cursor() as cursor:
        cursor.execute(query("health"), dict(_PARAMETERS))
        return _health_of(cursor.fetchall())


async def read(database: psycopg.AsyncConnection[Any]) -> Health:
    """Return the health of the site now, for code on the event loop. Raises psycopg.Error."""
    return _health_of(await (await database.execute(query("health").encode(), _PARAMETERS)).fetchall())


def _health_of(rows: Sequence[tuple[Any, ...]]) -> Health:
    unserved, lacks_scheduler, youtube_since, silent_at, round_at, is_evaluated = rows[0][:6]
    attention, critical, alerts, position = rows[0][6:10]
    workers = [row[10:] for row in rows if row[10] is not None]
    served = {queue for _name, _is_scheduler, queues, state, _at in workers if state == "alive" for queue in queues}
    problems = [Problem("no_worker", queue) for queue in unserved]
    for name, is_scheduler, queues, state, heartbeat_at in workers:
        if is_scheduler or state not in ("silent", "failing"):
            continue
        since = heartbeat_at if state == "silent" else None
        problems.append(Problem(f"worker_{state}", name, since, urgent=not served.issuperset(queues)))
    if lacks_scheduler:
        problems.append(Problem("no_scheduler"))
    if youtube_since is not None:
        problems.append(Problem("youtube_silent", since=youtube_since))
    if round_at is not None:
        problems.append(Problem("alerts_late", since=round_at, urgent=False))
    states = tuple((name, state) for name, _is_scheduler, _queues, state, _at in workers)
    counts = AlertCounts(attention, critical, f"{zlib.crc32(alerts.encode()):08x}")
    return Health(tuple(problems), states, counts, silent_at, position, frozenset(served), is_evaluated)
