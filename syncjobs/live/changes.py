"""What changes about jobs and queues, told in the order of commits; nothing is missed and nothing told twice.

Triggers write each change in its own transaction (migration 0009). A reader's position is a snapshot: which
transactions had ended when it last looked. What it has yet to hear is what its next snapshot sees and its last did
not, however late a transaction commits that began early.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import orjson
import psycopg
from django.db import connection, transaction

from ..exceptions import InvalidInput

KEEP_SECONDS = 600
MOST_AT_ONCE = 2000
"""More changes than these between two looks are told as one `many`."""
_PURGE_LOCK = 7_460_002
_PURGE_BATCH = 5000
_MAX_POSITION = 60_000
_POSITION = re.compile(r"(\d{1,18}):(\d{1,18}):((?:\d{1,18}(?:,\d{1,18})*)?)\Z", re.ASCII)

_READ = """
    SELECT pg_current_snapshot()::text, horizon.xact, change.*
      FROM syncjobs_jobchangehorizon AS horizon LEFT JOIN LATERAL (
          SELECT xact, kind, job_id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
                 videos_found, videos_added, videos_updated, deleted, paused, at
            FROM syncjobs_jobchange WHERE xact >= %(beyond)s OR xact = ANY(%(running)s)
           ORDER BY id LIMIT %(most)s) AS change ON true"""
_PURGE = """
    WITH old AS (DELETE FROM syncjobs_jobchange WHERE (xact, id) IN (
                     SELECT xact, id FROM syncjobs_jobchange
                      WHERE at < %(before)s AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                      ORDER BY xact, id LIMIT %(batch)s) RETURNING xact),
         newest AS (SELECT max(xact) AS xact, count(*) AS n FROM old),
         noted AS (UPDATE syncjobs_jobchangehorizon AS h SET xact = greatest(h.xact, newest.xact) FROM newest WHERE n > 0)
    SELECT n FROM newest"""


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the order of commits: all transactions before `beyond` had ended, but for those still `running`."""

    beyond: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str()` wrote: PostgreSQL's pg_snapshot. Raises InvalidInput."""
        match = _POSITION.match(text) if len(text) <= _MAX_POSITION else None
        if match is None:
            raise InvalidInput("Send back the last id that an event had, as it was.", field="Last-Event-ID")
        running = frozenset(int(part) for part in match[3].split(",") if part)
        return cls(int(match[2]), running)

    def __str__(self) -> str:
        return f"{self.floor}:{self.beyond}:{','.join(map(str, sorted(self.running)))}"

    @property
    def floor(self) -> int:
        """Everything before this is known."""
        return min(self.running, default=self.beyond)

    def knows(self, xact: int) -> bool:
        """Whether what the transaction changed could be seen from here."""
        return xact < self.beyond and xact not in self.running


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed, ready to be sent."""

    xact: int
    event: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """All changes up to `now` that some position lacked, or `is_too_much` and none of them."""

    now: Position
    purged: int
    changes: tuple[Change, ...]
    is_too_much: bool

    def since(self, position: Position | None) -> bytes:
        """The events that bring a reader from its position to `now`; empty when nothing changed.

        `reset` for a reader whose position is unknown, of another database, or so old that changes since were purged.
        """
        if position is None or position.floor <= self.purged or position.beyond > self.now.beyond:
            events = _event("reset", {})
        elif self.is_too_much:
            events = _event("many", {})
        else:
            events = b"".join(change.event for change in self.changes if not position.knows(change.xact))
        return events + self.mark if events else b""

    @property
    def mark(self) -> bytes:
        """Tells the reader its position; no event of its own."""
        return b"id: %s\n\n" % str(self.now).encode()


def position() -> str:
    """Where the feed is now: what a page that is read from here on shows already, or will be told from here on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])


async def read(database: psycopg.AsyncConnection[Any], positions: Iterable[Position]) -> Reading:
    """What any of these positions lacks, in one statement. Raises psycopg.Error."""
    beyond = min((each.beyond for each in positions), default=2**63 - 1)
    running = {xact for each in positions for xact in each.running if xact < beyond}
    cursor = await database.execute(_READ, {"beyond": beyond, "running": list(running), "most": MOST_AT_ONCE + 1})
    rows = await cursor.fetchall()
    now, purged = Position.parse(rows[0][0]), int(rows[0][1])
    is_too_much = len(rows) > MOST_AT_ONCE
    told = () if is_too_much else tuple(Change(int(row[2]), _told(*row[3:])) for row in rows if row[2] is not None)
    return Reading(now, purged, told, is_too_much)


def _told(
    kind: str,
    job_id: int,
    status: str,
    job_type: str,
    queue: str,
    band_id: int | None,
    parent_id: int | None,
    done: int,
    total: int | None,
    found: int,
    added: int,
    updated: int,
    deleted: bool,
    paused: bool,
    at: dt.datetime,
) -> bytes:
    if kind == "many":
        return _event("many", {})
    if kind == "queue":
        return _event("queue", {"name": queue, "paused": paused, "at": at})
    return _event(
        "job",
        {
            "id": str(job_id),
            "status": status,
            "jobType": job_type,
            "queue": queue,
            "bandId": None if band_id is None else str(band_id),
            "parentId": None if parent_id is None else str(parent_id),
            "progress": {"done": done, "total": total},
            "videosFound": found,
            "videosAdded": added,
            "videosUpdated": updated,
            "deleted": deleted,
            "at": at,
        },
    )


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


def purge() -> int:
    """Forget a batch of the changes older than KEEP_SECONDS; returns how many, 0 when another process is at it.

    None of a transaction that some reader's position may still have as running, so that such a reader finds out.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # The oldest alone is looked at first: this runs every second, and there is mostly nothing to do.
        cursor.execute(
            "SELECT now() - make_interval(secs => %s) FROM (SELECT at FROM syncjobs_jobchange ORDER BY xact, id LIMIT 1)"
            " AS oldest WHERE at < now() - make_interval(secs => %s) AND pg_try_advisory_xact_lock(%s)",
            [KEEP_SECONDS, KEEP_SECONDS * 1.1, _PURGE_LOCK],
        )
        row = cursor.fetchone()
        if row is None:
            return 0
        cursor.execute(_PURGE, {"before": row[0], "batch": _PURGE_BATCH})
        return int(cursor.fetchone()[0])
