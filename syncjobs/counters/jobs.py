"""Read the counts and the deltas that are not folded yet, always in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from ..choices import JobStatus, JobType
from .selection import (
    DAY,
    HOUR,
    OF_ERRORS,
    QUARTER,
    Cell,
    Grain,
    Selection,
    Split,
    Uncounted,
    ceil,
    floor,
    of_part,
    split,
)

_ALL_BANDS = -1
_FEW_KINDS = 4
_MOST_CELLS = 10_000_000
"""More than can exist: a limit keeps PostgreSQL from starting parallel workers for a millisecond of work."""
_TRUNCATED = {
    HOUR: "{}",  # Deltas are by the hour.
    QUARTER: "date_bin('6 hours', {}, '2000-01-01 00:00+00')",
    DAY: "date_trunc('day', {}, 'UTC')",
}


@dataclass(frozen=True, slots=True)
class _Axis:
    """Columns and grains that count jobs by one of their times. `created` is the column of a count with their creation."""

    column: str
    of_delta: str
    of_total: str
    created: str
    day: Grain
    hour: Grain
    of_hour: Grain
    day_of_hour: str
    band_quarter: Grain


_AXES = {
    "created_at": _Axis(
        "created_at",
        "hour",
        "'-infinity'::timestamptz",
        "since",
        Grain.DAY,
        Grain.HOUR,
        Grain.HOUR,
        "date_trunc('day', since, 'UTC')",
        Grain.BAND_QUARTER,
    ),
    "started_at": _Axis(
        "started_at",
        "started",
        "since",
        "across",
        Grain.STARTED_DAY,
        Grain.STARTED_HOUR,
        Grain.STARTED_OF_HOUR,
        "across",
        Grain.STARTED_BAND_QUARTER,
    ),
    "completed_at": _Axis(
        "completed_at",
        "ended",
        "across",
        "across",
        Grain.ENDED_DAY,
        Grain.ENDED_HOUR,
        Grain.ENDED_OF_HOUR,
        "across",
        Grain.ENDED_BAND_QUARTER,
    ),
}
COLUMNS = SQL("(since, hour, status, job_type, n)")
"""The columns of each part of a statement."""
Part = tuple[Composable, list[Any]]
_Range = tuple[dt.datetime | None, dt.datetime | None]


def cells(selection: Selection, *, time: str = "created_at", by_time: bool = False) -> list[Cell]:
    """Count the selection's jobs by status and type, and by whether they have the `time` (a column of a job).

    With `by_time`, or if the selection has dates, also by the day of that time (a quarter of a day for a band's jobs).
    The cells come from one snapshot; their `n` sum to the number of jobs, and none is 0.
    """
    axis = _AXES[time]
    return _fetch(_parts(selection, axis, by_time=selection.is_dated or by_time))


def parts_of(selection: Selection) -> list[Part]:
    """Return statements whose rows, named COLUMNS, have numbers of the selection's jobs."""
    return _parts(selection, _AXES["created_at"], by_time=selection.is_dated)


def _parts(selection: Selection, axis: _Axis, *, by_time: bool) -> list[Part]:
    if by_time:
        label = DAY if selection.band_id is None else QUARTER
        return [*_by_day(selection, axis), *_other_part(selection, axis, label)]
    return [*_undated(selection, axis), *_other_part(selection, axis, None)]


def part_of_uncounted(uncounted: Uncounted) -> Part:
    """Return such a statement that reads the jobs."""
    selection = uncounted.selection
    delayed: Part = SQL(" AND status = 'QUEUED' AND run_at > statement_timestamp()"), []
    requested: Part = SQL(" AND requested_by_label = %s"), [uncounted.requester]
    where, values = _where(
        *([delayed] if uncounted.is_delayed else []),
        *([requested] if uncounted.requester else []),
        *([(SQL(f" AND {of_part(selection.part)}"), [])] if selection.part else []),
        _of_band(selection),
        _between("created_at", (selection.start, selection.end)),
        _kinds(selection),
    )
    statement = SQL(
        "SELECT NULL::timestamptz, NULL::timestamptz, status, job_type, count(*) FROM syncjobs_syncjob"
        " WHERE {errors}{where} GROUP BY 3, 4"
    )
    return statement.format(errors=SQL("error_count > 0" if selection.with_errors else "true"), where=where), values


def hours_of(selection: Selection, low: dt.datetime, high: dt.datetime, *, time: str = "created_at") -> list[Cell]:
    """Count the selection's jobs whose `time` is within these days by hour, except for those that `cells` counted one by one."""
    axis, parts = _AXES[time], split(selection, HOUR)
    if not parts.has_whole:
        return []
    created = parts.low, parts.high
    return _fetch(
        [
            _counted(selection, axis.hour, "since", _between(axis.created, created), _between("since", (low, high))),
            _not_yet_counted(selection, axis.of_delta, _between("hour", created), _between(axis.of_delta, (low, high))),
        ]
    )


def series(selection: Selection, *, hourly: bool) -> list[Cell]:
    """Count the selection's jobs of all bands by hour or day of creation. Its `start` is a whole hour or day."""
    every = replace(selection, band_id=None)
    label = _TRUNCATED[HOUR if hourly else DAY].format("hour")
    bounds = selection.start, None
    return _fetch(
        [
            _counted(every, Grain.HOUR if hourly else Grain.DAY, "since", _between("since", bounds)),
            _not_yet_counted(every, label, _between("hour", bounds)),
        ]
    )


def count(selection: Selection) -> int:
    """Return how many jobs the selection has."""
    return total(cells(selection))


def total(cells: Iterable[Cell]) -> int:
    """Return the number of jobs in these cells."""
    return sum(cell.n for cell in cells)


def _fetch(parts: list[Part]) -> list[Cell]:
    if not parts:
        return []
    statement = SQL(
        "SELECT CASE WHEN isfinite(since) THEN since END, status, job_type, sum(n), hour, since = 'infinity'"
        " FROM ({parts}) AS part {columns}"
        " GROUP BY since, hour, status, job_type HAVING sum(n) <> 0 ORDER BY since"
    ).format(parts=SQL(" UNION ALL ").join(SQL("({})").format(sql) for sql, _ in parts), columns=COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(), [value for _, values in parts for value in values])
        return [
            Cell(since, status, job_type, int(n), hour, untimed)
            for since, status, job_type, n, hour, untimed in cursor.fetchall()
        ]


def _undated(selection: Selection, axis: _Axis) -> list[Part]:
    has_time = (
        axis.of_total
        if axis.of_delta == "hour"
        else f"CASE WHEN isfinite({axis.of_delta}) THEN '-infinity' ELSE {axis.of_delta} END"
    )
    grain = Grain.TOTAL if selection.band_id is None else Grain.BAND
    return [_counted(selection, grain, axis.of_total), _not_yet_counted(selection, has_time)]


def _by_day(selection: Selection, axis: _Axis) -> list[Part]:
    """Read whole days (and, for all bands, whole hours at the edges) from the counts, and the rest from the jobs."""
    step = HOUR if selection.band_id is None else QUARTER
    label = DAY if selection.band_id is None else QUARTER
    parts = split(selection, step)
    statements = [_one_by_one(selection, axis, label, *edge) for edge in parts.edges]
    if not parts.has_whole:
        return statements
    whole = parts.low, parts.high
    statements.append(_not_yet_counted(selection, _TRUNCATED[label].format(axis.of_delta), _between("hour", whole)))
    if selection.band_id is not None:
        return [*statements, _counted(selection, axis.band_quarter, "since", _between(axis.created, whole))]
    days, hours = _days_and_hours(parts)
    if days:
        statements.append(_counted(selection, axis.day, "since", _between(axis.created, days)))
    return statements + [_counted(selection, axis.of_hour, axis.day_of_hour, _between("since", each)) for each in hours]


def _days_and_hours(parts: Split) -> tuple[_Range | None, list[_Range]]:
    first = ceil(parts.low, DAY) if parts.low else None
    last = floor(parts.high, DAY) if parts.high else None
    if first and last and first >= last:
        return None, [(parts.low, parts.high)]
    hours: list[_Range] = []
    if parts.low and first and parts.low < first:
        hours.append((parts.low, first))
    if parts.high and last and last < parts.high:
        hours.append((last, parts.high))
    return (first, last), hours


def _between(column: str, bounds: _Range) -> Part:
    low, high = bounds
    conditions = [SQL(" AND {} >= %s")] * (low is not None) + [SQL(" AND {} < %s")] * (high is not None)
    name = Identifier(column)
    return Composed([condition.format(name) for condition in conditions]), [bound for bound in bounds if bound]


def _kinds(selection: Selection) -> Part:
    sql, values = [], []
    if selection.statuses:
        sql.append(SQL(" AND status = ANY(%s)"))
        values.append(list(selection.statuses))
    if selection.types:
        sql.append(SQL(" AND job_type = ANY(%s)"))
        values.append(list(selection.types))
    return Composed(sql), values


def _where(*conditions: Part) -> Part:
    return Composed([sql for sql, _ in conditions]), [value for _, values in conditions for value in values]


def _of_band(selection: Selection) -> Part:
    return (SQL(""), []) if selection.band_id is None else (SQL(" AND band_id = %s"), [selection.band_id])


def _counted(selection: Selection, grain: Grain, label: str, *conditions: Part) -> Part:
    where, values = _where(*conditions, _kinds(selection))
    statement = SQL(
        "SELECT {label} AS since, NULL::timestamptz AS hour, status, job_type, n FROM syncjobs_jobcount"
        " WHERE grain = %s AND band_id = %s{where}"
    ).format(label=SQL(label), where=where)
    band = _ALL_BANDS if selection.band_id is None else selection.band_id
    return statement, [grain + OF_ERRORS * selection.with_errors, band, *values]


def _not_yet_counted(selection: Selection, label: str, *conditions: Part) -> Part:
    where, values = _where(_of_band(selection), *conditions, _kinds(selection))
    source = "syncjobs_jobmarkdelta WHERE with_errors" if selection.with_errors else "syncjobs_jobdelta WHERE true"
    statement = SQL("SELECT {label}, NULL, status, job_type, n FROM {source}{where}")
    return statement.format(label=SQL(label), source=SQL(source), where=where), values


def _other_part(selection: Selection, axis: _Axis, label: dt.timedelta | None) -> list[Part]:
    """Subtract the queued jobs of the part that isn't selected, which the counts don't know; by `label` if not None."""
    if not selection.part or (selection.statuses and JobStatus.QUEUED not in selection.statuses):
        return []
    if label is None:
        since, hour = f"CASE WHEN {axis.column} IS NOT NULL THEN '-infinity'::timestamptz END", "NULL::timestamptz"
    else:
        since, hour = _TRUNCATED[label].format(axis.column), f"date_trunc('hour', {axis.column}, 'UTC')"
    created = _between("created_at", (selection.start, selection.end))
    where, values = _where(_of_band(selection), created, _kinds(replace(selection, statuses=())))
    statement = SQL(
        "SELECT COALESCE({since}, 'infinity'), {hour}, status, job_type, -count(*) FROM syncjobs_syncjob"
        " WHERE NOT {of_part} AND {errors}{where} GROUP BY 1, 2, 3, 4"
    ).format(
        since=SQL(since),
        hour=SQL(hour),
        of_part=SQL(of_part(selection.part)),
        errors=SQL("error_count > 0" if selection.with_errors else "true"),
        where=where,
    )
    return [(statement, values)]


def _one_by_one(
    selection: Selection, axis: _Axis, label: dt.timedelta, low: dt.datetime, high: dt.datetime, sign: int
) -> Part:
    kinds, kind_values = _kinds(selection)
    number = (len(selection.statuses) or len(JobStatus)) * (len(selection.types) or len(JobType))
    # An index on kinds finds a few kinds quickly. For more, one scan through all kinds reads less.
    nothing: Part = SQL(""), []
    inside, outside = ((kinds, kind_values), nothing) if number <= _FEW_KINDS else (nothing, (kinds, kind_values))
    where, values = _where(_of_band(selection), _between("created_at", (low, high)), inside)
    statement = SQL(
        "SELECT * FROM (SELECT COALESCE({since}, 'infinity'), date_trunc('hour', {column}, 'UTC'), status, job_type,"
        " %s * count(*) FROM syncjobs_syncjob WHERE {errors}{where} GROUP BY 1, 2, 3, 4 LIMIT {most}) AS edge WHERE true{outside}"
    ).format(
        since=SQL(_TRUNCATED[label].format(axis.column)),
        column=Identifier(axis.column),
        errors=SQL("error_count > 0" if selection.with_errors else "true"),
        where=where,
        most=Literal(_MOST_CELLS),
        outside=outside[0],
    )
    return statement, [sign, *values, *outside[1]]
