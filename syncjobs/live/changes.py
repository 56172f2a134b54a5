"""The change feed: changes of jobs and queues in the order of commits. Readers miss none and get none twice.

Triggers write each change in its own transaction (sql/job_changes.sql). A reader's position is a snapshot: the set of
transactions that had ended when it last read. It is sent the changes that the next snapshot includes and the last one
did not, however late a transaction commits that began early.
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
from django.db.models import QuerySet, Subquery
from django.db.models.functions import Now
from django.db.models.lookups import LessThan

from bands.text import camel_case

from ..exceptions import InvalidInput
from ..models import JobChange, SyncJob
from .health import AlertCounts, Health

KEEP_SECONDS = 600
MOST_AT_ONCE = 2000
"""More changes than this between two reads are sent as a single `many`."""
HEARTBEAT = b"event: heartbeat\ndata: {}\n"
_PURGE_LOCK = 7_460_002
_PURGE_BATCH = 5000
_MAX_POSITION = 60_000
_POSITION = re.compile(r"(\d{1,18}):(\d{1,18}):((?:\d{1,18}(?:,\d{1,18})*)?)\Z", re.ASCII)
_JOB_TYPE, _BAND_ID, _PARENT_ID = map(camel_case, ("job_type", "band_id", "parent_id"))
_FOUND, _ADDED, _UPDATED = map(camel_case, ("videos_found", "videos_added", "videos_updated"))

# Transaction ids mean nothing in another cluster, on another timeline of it or in a table that was restored.
_ORIGIN = """(SELECT concat_ws(':', system_identifier, timeline_id, 'syncjobs_jobchange'::regclass::oid)
                FROM pg_control_system(), pg_control_checkpoint())"""
_READ = f"""
    SELECT pg_current_snapshot()::text, horizon.xact, horizon.origin = {_ORIGIN}, change.*
      FROM syncjobs_jobchangehorizon AS horizon LEFT JOIN LATERAL (
          SELECT xact, kind, job_id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
                 videos_found + COALESCE(child.found, 0) AS found, videos_added + COALESCE(child.added, 0) AS added,
                 videos_updated + COALESCE(child.updated, 0) AS updated, deleted, paused, at
            FROM syncjobs_jobchange AS changed
            -- An all-bands job reports the sums of its children.
            LEFT JOIN LATERAL (
                SELECT sum(c.videos_found) AS found, sum(c.videos_added) AS added, sum(c.videos_updated) AS updated
                  FROM syncjobs_syncjob AS c
                 WHERE changed.band_id IS NULL AND changed.progress_done > 0 AND c.parent_id = changed.job_id
            ) AS child ON true
           WHERE xact >= %(beyond)s OR xact = ANY(%(running)s)
           ORDER BY id LIMIT %(most)s) AS change ON true"""  # noqa: S608 - a constant
_COUNT = """
    SELECT place, (SELECT count(*) FROM (
               SELECT FROM syncjobs_jobchange
                WHERE xact >= beyond OR xact = ANY(string_to_array(running, ',')::bigint[]) LIMIT %(most)s) AS unseen)
      FROM unnest(%(beyond)s::bigint[], %(running)s::text[]) WITH ORDINALITY AS position (beyond, running, place)"""
_START_ANEW = f"""
    WITH known AS (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS before,
                          pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS until),
         anew AS (UPDATE syncjobs_jobchangehorizon SET xact = before - 1, origin = {_ORIGIN}
                    FROM known WHERE origin <> {_ORIGIN} RETURNING before, until)
    DELETE FROM syncjobs_jobchange USING anew WHERE xact < before OR xact >= until"""  # noqa: S608 - a constant
_PURGE = """
    WITH old AS (DELETE FROM syncjobs_jobchange WHERE (xact, id) IN (
                     SELECT xact, id FROM syncjobs_jobchange
                      WHERE at < %(before)s AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                      ORDER BY xact, id LIMIT %(batch)s) RETURNING xact),
         newest AS (SELECT max(xact) AS xact, count(*) AS n FROM old),
         raised AS (UPDATE syncjobs_jobchangehorizon AS h SET xact = greatest(h.xact, newest.xact) FROM newest WHERE n > 0)
    SELECT n FROM newest"""


@dataclass(frozen=True, slots=True)
class Position:
    """A point in the order of commits: all transactions before `beyond` had ended, except for those still `running`."""

    beyond: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the output of `str()`, which is a pg_snapshot of PostgreSQL. Raises InvalidInput."""
        match = _POSITION.match(text) if len(text) <= _MAX_POSITION else None
        if match is None:
            raise InvalidInput("Last-Event-ID must be the id of the last event, unchanged.", field="Last-Event-ID")
        running = frozenset(int(part) for part in match[3].split(",") if part)
        return cls(int(match[2]), running)

    def __str__(self) -> str:
        return f"{self.floor}:{self.beyond}:{','.join(map(str, sorted(self.running)))}"

    @property
    def floor(self) -> int:
        """The transaction before which all changes are known."""
        return min(self.running, default=self.beyond)

    def knows(self, xact: int) -> bool:
        """Whether the transaction's changes were visible at this position."""
        return xact < self.beyond and xact not in self.running


@dataclass(frozen=True, slots=True)
class Change:
    """A change, ready to be sent."""

    xact: int
    event: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """The changes up to `now` that at least one position has not seen. Those with more than are sent are `behind`."""

    now: Position
    purged: int
    changes: tuple[Change, ...]
    behind: frozenset[Position] = frozenset()

    def since(self, position: Position | None) -> bytes:
        """Return the events that bring a reader from its position to `now`; empty if nothing changed.

        It is `reset` if the position is unknown, of another database, or so old that later changes have been purged.
        """
        if position is None or position.floor <= self.purged or position.beyond > self.now.beyond:
            events = _event("reset", {})
        elif position in self.behind:
            events = _event("many", {})
        else:
            events = b"".join(change.event for change in self.changes if not position.knows(change.xact))
        return events + self.mark if events else b""

    @property
    def mark(self) -> bytes:
        """Return the field that tells the reader its position. It is not an event."""
        return b"id: %s\n\n" % str(self.now).encode()


def note_jobs(jobs: QuerySet[SyncJob]) -> None:
    """Record jobs as changed although their rows are the same: something else has changed what pages show of them."""
    names = ("status", "job_type", "band_id", "parent_id", "progress_done", "progress_total")
    found = ("videos_found", "videos_added", "videos_updated")
    rows = list(jobs.values("pk", "queue_id", *names, *found)[: MOST_AT_ONCE + 1])
    if len(rows) > MOST_AT_ONCE:
        JobChange.objects.create(kind="many")
        return
    JobChange.objects.bulk_create(
        JobChange(kind="job", job_id=row.pop("pk"), queue=row.pop("queue_id"), **row) for row in rows
    )


def position() -> str:
    """Return the current position. A page read after it shows every change before it, and the feed sends the others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        return str(cursor.fetchone()[0])


async def read(database: psycopg.AsyncConnection[Any], positions: Iterable[Position]) -> Reading:
    """Read the changes that any of these positions lacks. Raises psycopg.Error.

    That is one statement, unless there are too many changes for one position at least. Then each position is counted for
    itself, so that an old one costs the others nothing.

    If the database was restored from a backup, its changes are forgotten first, and every reader starts over once.
    """
    known = list(positions)
    behind: frozenset[Position] = frozenset()
    rows = await _rows(database, known, MOST_AT_ONCE + 1)
    if not rows[0][2]:
        await database.execute(_START_ANEW)
        rows = await _rows(database, known, MOST_AT_ONCE + 1)
    if len(rows) > MOST_AT_ONCE:
        behind = await _behind(database, known)
        # No limit, so that none of the other positions' changes is missing; what they lack was just counted.
        rows = await _rows(database, [position for position in known if position not in behind], None)
    now, purged = Position.parse(rows[0][0]), int(rows[0][1])
    events = tuple(Change(int(row[3]), _event_of(*row[4:])) for row in rows if row[3] is not None)
    return Reading(now, purged, events, behind)


async def _rows(database: psycopg.AsyncConnection[Any], positions: list[Position], most: int | None) -> list[Any]:
    beyond = min((each.beyond for each in positions), default=2**63 - 1)
    running = {xact for each in positions for xact in each.running if xact < beyond}
    return await (await database.execute(_READ, {"beyond": beyond, "running": list(running), "most": most})).fetchall()


async def _behind(database: psycopg.AsyncConnection[Any], positions: list[Position]) -> frozenset[Position]:
    """Return the positions that lack more than MOST_AT_ONCE changes."""
    values = {
        "beyond": [each.beyond for each in positions],
        "running": [",".join(map(str, each.running)) for each in positions],
        "most": MOST_AT_ONCE + 1,
    }
    counts = await (await database.execute(_COUNT, values)).fetchall()
    return frozenset(positions[place - 1] for place, count in counts if count > MOST_AT_ONCE)


def _event_of(
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
            _JOB_TYPE: job_type,
            "queue": queue,
            _BAND_ID: None if band_id is None else str(band_id),
            _PARENT_ID: None if parent_id is None else str(parent_id),
            "progress": {"done": done, "total": total},
            _FOUND: found,
            _ADDED: added,
            _UPDATED: updated,
            "deleted": deleted,
            "at": at,
        },
    )


def health_event(health: Health) -> bytes:
    """Return the event that tells the health of the site. It does not change the viewer's position."""
    problems = [
        {"code": each.code, "name": each.name, "since": each.since, "urgent": each.urgent} for each in health.problems
    ]
    workers = [{"name": name, "state": state} for name, state in health.states]
    return _event("health", {"problems": problems, "workers": workers, "version": health.version})


def alerts_event(alerts: AlertCounts) -> bytes:
    """Return the event that tells how many alerts there are. It does not change the viewer's position."""
    data = {"attention": alerts.attention, "critical": alerts.critical, "version": alerts.version}
    return _event("alerts", data)


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


def has_old() -> LessThan:
    """Return a condition for queries: whether `purge()` would delete changes. It reads the oldest change only."""
    oldest = JobChange.objects.order_by("xact", "id").values("at")[:1]
    return LessThan(Subquery(oldest), Now() - dt.timedelta(seconds=1.1 * KEEP_SECONDS))


def purge() -> int:
    """Delete a batch of the changes older than KEEP_SECONDS; return how many, 0 if another process is purging.

    Changes of transactions that a reader's position may still list as running are kept, so that the reader gets them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
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
