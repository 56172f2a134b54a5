"""How many jobs there are, exactly, at any size.

Triggers on the jobs' table append deltas (band, hour, type, status, ±n); `fold` adds them to the counts and removes them
in one transaction; reads add up both in one statement. So a figure is exact in the snapshot it is read in, and writers
never meet at a counter's row. Migration 0004 has the tables and triggers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from django.db import connection, transaction

_ALL_BANDS = -1
_FOLD_LOCK = 7_460_001
_VACUUM_ABOVE_BYTES = 256 * 1024
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


class Grain(IntEnum):
    """What a row of the table of counts tells apart, besides type and status."""

    TOTAL = 0
    BAND = 1
    DAY = 2
    HOUR = 3
    BAND_DAY = 4


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs by what the counts tell apart. Empty tuples and None don't narrow; `end` is excluded."""

    statuses: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    band_id: int | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None

    @property
    def is_everything(self) -> bool:
        return not (self.statuses or self.types or self.band_id or self.start or self.end)


@dataclass(frozen=True, slots=True)
class Cell:
    """`n` jobs of one status and type, created from `since` (None: at any time) to the next cell's."""

    since: dt.datetime | None
    status: str
    job_type: str
    n: int


# ---- Reading


def cells(selection: Selection, *, by_time: bool = False) -> list[Cell]:
    """The selection's jobs by status and type; with `by_time` also by day, and by less at the edges of its dates.

    One statement, so all of it is of one snapshot. The cells' `n` sum to the jobs there are; none is 0.
    """
    dated = bool(selection.start or selection.end)
    parts = _parts(selection) if dated or by_time else [_undated(selection)]
    return _fetch(parts)


def hours_of(selection: Selection, day: dt.datetime) -> list[Cell]:
    """The selection's jobs of one whole day by hour, whatever their band."""
    return _fetch(_counted(Grain.HOUR, replace(selection, band_id=None), day, day + DAY))


def series(selection: Selection, *, hourly: bool) -> list[Cell]:
    """The selection's jobs by whole hour or day, from an aligned `start` on, whatever their band."""
    return _fetch(
        _counted(Grain.HOUR if hourly else Grain.DAY, replace(selection, band_id=None), selection.start, None)
    )


def count(selection: Selection) -> int:
    """How many jobs the selection has."""
    return sum(cell.n for cell in cells(selection))


_Part = tuple[str, list[Any]]


def _fetch(parts: list[_Part]) -> list[Cell]:
    sql = " UNION ALL ".join(text for text, _ in parts)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT since, status, job_type, sum(n) FROM ({sql}) AS part GROUP BY 1, 2, 3 HAVING sum(n) <> 0 ORDER BY 1",  # noqa: S608
            [value for _, given in parts for value in given],
        )
        return [Cell(since, status, job_type, int(n)) for since, status, job_type, n in cursor.fetchall()]


def _narrowing(selection: Selection) -> tuple[str, list[Any]]:
    sql, values = "", []
    if selection.statuses:
        sql += " AND status = ANY(%s)"
        values.append(list(selection.statuses))
    if selection.types:
        sql += " AND job_type = ANY(%s)"
        values.append(list(selection.types))
    return sql, values


def _undated(selection: Selection) -> _Part:
    grain = Grain.TOTAL if selection.band_id is None else Grain.BAND
    narrow, values = _narrowing(selection)
    band = _ALL_BANDS if selection.band_id is None else selection.band_id
    of_band = "" if selection.band_id is None else " AND band_id = %s"
    sql = (
        f"SELECT NULL::timestamptz AS since, status, job_type, n FROM syncjobs_jobcount WHERE grain = %s AND band_id = %s{narrow}"  # noqa: S608
        f" UNION ALL SELECT NULL, status, job_type, n FROM syncjobs_jobdelta WHERE true{of_band}{narrow}"
    )
    return sql, [grain, band, *values, *([] if selection.band_id is None else [band]), *values]


def _parts(selection: Selection) -> list[_Part]:
    """Whole days from the counts, whole hours at the edges too where bands don't matter, and the rest from the jobs."""
    if selection.start and selection.end and selection.start >= selection.end:
        return [_undated(replace(selection, statuses=("",)))]
    step = HOUR if selection.band_id is None else DAY
    low = _ceil(selection.start, step) if selection.start else None
    high = _floor(selection.end, step) if selection.end else None
    if low and high and low >= high:
        return [_rows(selection, selection.start, selection.end)]
    parts: list[_Part] = []
    if selection.start and low and selection.start < low:
        parts.append(_rows(selection, selection.start, low))
    if selection.end and high and high < selection.end:
        parts.append(_rows(selection, high, selection.end))
    if selection.band_id is not None:
        return parts + _counted(Grain.BAND_DAY, selection, low, high)
    first_day, last_day = _ceil(low, DAY) if low else None, _floor(high, DAY) if high else None
    if first_day and last_day and first_day >= last_day:
        return parts + _counted(Grain.HOUR, selection, low, high)
    if low and first_day and low < first_day:
        parts += _counted(Grain.HOUR, selection, low, first_day)
    if high and last_day and last_day < high:
        parts += _counted(Grain.HOUR, selection, last_day, high)
    return parts + _counted(Grain.DAY, selection, first_day, last_day)


def _counted(grain: Grain, selection: Selection, low: dt.datetime | None, high: dt.datetime | None) -> list[_Part]:
    narrow, narrowed = _narrowing(selection)
    band = _ALL_BANDS if selection.band_id is None else selection.band_id
    bounds = [(low, ">="), (high, "<")]
    between = "".join(f" AND since {sign} %s" for bound, sign in bounds if bound)
    values = [bound for bound, _ in bounds if bound]
    truncated = "hour" if grain == Grain.HOUR else "date_trunc('day', hour, 'UTC')"
    of_band = "" if selection.band_id is None else " AND band_id = %s"
    return [
        (
            f"SELECT since, status, job_type, n FROM syncjobs_jobcount WHERE grain = %s AND band_id = %s{between}{narrow}",  # noqa: S608
            [grain, band, *values, *narrowed],
        ),
        (
            f"SELECT {truncated} AS since, status, job_type, n FROM syncjobs_jobdelta"  # noqa: S608
            f" WHERE true{of_band}{between.replace('since', 'hour')}{narrow}",
            [*([] if selection.band_id is None else [band]), *values, *narrowed],
        ),
    ]


def _rows(selection: Selection, low: dt.datetime | None, high: dt.datetime | None) -> _Part:
    narrow, narrowed = _narrowing(selection)
    of_band = "" if selection.band_id is None else " AND band_id = %s"
    sql = (
        f"SELECT %s::timestamptz AS since, status, job_type, count(*) AS n FROM syncjobs_syncjob"  # noqa: S608
        f" WHERE created_at >= %s AND created_at < %s{of_band}{narrow} GROUP BY 2, 3"
    )
    return sql, [low, low, high, *([] if selection.band_id is None else [selection.band_id]), *narrowed]


def _floor(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    instant = instant.astimezone(dt.UTC)
    hour = 0 if step == DAY else instant.hour
    return instant.replace(hour=hour, minute=0, second=0, microsecond=0)


def _ceil(instant: dt.datetime, step: dt.timedelta) -> dt.datetime:
    floor = _floor(instant, step)
    return floor if floor == instant else floor + step


# ---- Folding and proving

_GRAINS = """
    SELECT grain, CASE WHEN grain IN (1, 4) THEN band_id ELSE -1 END AS band_id,
           CASE grain WHEN 2 THEN date_trunc('day', hour, 'UTC') WHEN 4 THEN date_trunc('day', hour, 'UTC')
                      WHEN 3 THEN hour ELSE '-infinity' END AS since,
           job_type, status, sum(n) AS n
      FROM {source} CROSS JOIN generate_series(0, 4) AS grain
     GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0"""
_FOLD = f"""
    WITH taken AS (DELETE FROM syncjobs_jobdelta RETURNING band_id, hour, job_type, status, n),
         cell AS (SELECT band_id, hour, job_type, status, sum(n) AS n FROM taken GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0)
    INSERT INTO syncjobs_jobcount (grain, band_id, since, job_type, status, n)
    {_GRAINS.format(source="cell")}
    ON CONFLICT (grain, band_id, since, job_type, status) DO UPDATE SET n = syncjobs_jobcount.n + EXCLUDED.n"""  # noqa: S608 - no values are put in
_TRUTH = """
    SELECT COALESCE(band_id, 0) AS band_id, date_trunc('hour', created_at, 'UTC') AS hour, job_type, status, count(*) AS n
      FROM syncjobs_syncjob GROUP BY 1, 2, 3, 4"""
_WRONG = f"""
    WITH truth AS ({_TRUTH}), expected AS ({_GRAINS.format(source="truth")}),
         delta AS ({_GRAINS.format(source="syncjobs_jobdelta")}),
         told AS (SELECT grain, band_id, since, job_type, status, sum(n) AS n
                    FROM (SELECT grain, band_id, since, job_type, status, n FROM syncjobs_jobcount
                          UNION ALL SELECT * FROM delta) AS both_parts
                   GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0)
    SELECT count(*) FROM (SELECT * FROM expected) AS e
      FULL JOIN told AS t USING (grain, band_id, since, job_type, status)
     WHERE e.n IS DISTINCT FROM t.n"""  # noqa: S608


def fold() -> int:
    """Add the deltas to the counts; returns how many cells that changed, 0 when another process is at it already."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM syncjobs_jobdelta) AND pg_try_advisory_xact_lock(%s)", [_FOLD_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(_FOLD)
        changed = int(cursor.rowcount)
        cursor.execute("DELETE FROM syncjobs_jobcount WHERE n = 0")
    _vacuum_deltas()
    return changed


def _vacuum_deltas() -> None:
    """Every read goes through what folded deltas leave behind, and autovacuum comes by once a minute at most."""
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('syncjobs_jobdelta')")
        if cursor.fetchone()[0] > _VACUUM_ABOVE_BYTES:
            cursor.execute("VACUUM (SKIP_LOCKED) syncjobs_jobdelta")


def wrong_cells() -> int:
    """How many cells differ from COUNT(*), in one snapshot. Reads the whole table of jobs."""
    with connection.cursor() as cursor:
        cursor.execute(_WRONG)
        return int(cursor.fetchone()[0])


def rebuild() -> None:
    """Count all jobs anew. Nobody can write jobs meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE syncjobs_syncjob IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLD_LOCK])
        cursor.execute("DELETE FROM syncjobs_jobdelta")
        cursor.execute("DELETE FROM syncjobs_jobcount")
        cursor.execute(f"INSERT INTO syncjobs_jobdelta (band_id, hour, job_type, status, n) {_TRUTH}")
        cursor.execute(_FOLD)


def total(found: Iterable[Cell]) -> int:
    """The jobs in these cells."""
    return sum(cell.n for cell in found)
