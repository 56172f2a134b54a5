"""Error groups with their figures, over a window of time or over all time, quick however many jobs there are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils import timezone

from . import counters

_RECENT_JOBS = 5

_IN_WINDOW = """
    SELECT group_id, count(*) AS n, max(created_at) AS last_at
      FROM syncjobs_joberror WHERE created_at >= %(since)s GROUP BY group_id"""
_BANDS_IN_WINDOW = """
    (SELECT count(DISTINCT band_id) FROM syncjobs_joberror e
      WHERE e.group_id = fingerprint AND e.created_at >= %(since)s)"""
# All time: nothing is counted here, the groups and the triggers' counts know.
_EVER = f"""
    SELECT fingerprint AS group_id, count + COALESCE(delta.errors, 0) AS n, last_seen_at AS last_at
      FROM syncjobs_errorgroup LEFT JOIN {counters.UNFOLDED_ERRORS} AS delta ON delta.group_id = fingerprint
     WHERE count + COALESCE(delta.errors, 0) > 0"""  # noqa: S608
_PAGE = """
    WITH figure AS ({figures}),
         page AS (SELECT g.*, f.n, f.last_at, sum(f.n) OVER () AS total
                    FROM figure f JOIN syncjobs_errorgroup g ON g.fingerprint = f.group_id
                   WHERE (%(acknowledged)s::boolean IS NULL OR (g.acknowledged_at IS NOT NULL) = %(acknowledged)s::boolean)
                   ORDER BY f.n DESC, g.fingerprint LIMIT %(limit)s)
    SELECT fingerprint, reason, message, sample, is_permanent, acknowledged_at, acknowledged_by, note, first_seen_at,
           n, last_at, total, {bands} AS bands,
           ARRAY(SELECT job_id FROM syncjobs_joberror e WHERE e.group_id = fingerprint
                  ORDER BY created_at DESC LIMIT %(recent)s) AS jobs,
           (SELECT json_object_agg(to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:00:00"Z"'), n ORDER BY hour)
              FROM (SELECT date_bin('1 hour', created_at, '2000-01-01 00:00+00') AS hour, count(*) AS n
                      FROM syncjobs_joberror e WHERE e.group_id = fingerprint AND e.created_at >= %(day)s
                     GROUP BY 1) AS hours) AS per_hour
      FROM page ORDER BY n DESC, fingerprint"""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """An error group and its figures in the window. `per_hour` is of the last 24 hours, hours without errors left out."""

    fingerprint: str
    reason: str
    message: str
    sample: str
    is_permanent: bool
    acknowledged_at: dt.datetime | None
    acknowledged_by: str
    note: str
    first_seen_at: dt.datetime
    count: int
    last_at: dt.datetime
    bands: int
    recent_jobs: list[int]
    per_hour: dict[str, int]


def groups(
    since: dt.datetime | None, *, acknowledged: bool | None = None, limit: int = 20
) -> tuple[list[GroupFigures], int]:
    """The most frequent groups with an error since then (None: ever), and how many errors all such groups have."""
    values: dict[str, Any] = {
        "since": since,
        "acknowledged": acknowledged,
        "limit": limit,
        "recent": _RECENT_JOBS,
        "day": timezone.now() - dt.timedelta(hours=24),
    }
    with connection.cursor() as cursor:
        figures, bands = (_IN_WINDOW, _BANDS_IN_WINDOW) if since else (_EVER, counters.BANDS_OF_GROUP)
        cursor.execute(_PAGE.format(figures=figures, bands=bands), values)
        columns = [column.name for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    total = int(rows[0]["total"]) if rows else 0
    return [
        GroupFigures(
            **{name: row[name] for name in columns[:9]},
            count=int(row["n"]),
            last_at=row["last_at"],
            bands=int(row["bands"]),
            recent_jobs=row["jobs"],
            per_hour=row["per_hour"] or {},
        )
        for row in rows
    ], total
