"""Pages of the list of jobs: exact totals, and as fast at the end of ten million jobs as at the start.

A page is located by its offset in ascending order. The counts show which period contains it: a day, then an hour (a quarter
of a day for a band's jobs). OFFSET skips rows from the nearer end of that period. Only indexes are read: one range per
status and type that occurs in the period, merged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import BooleanField, F, OrderBy, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from psycopg.sql import SQL, Composable, Composed, Identifier

from .. import counters
from ..choices import JobStatus, QueuedPart
from ..counters import DAY, HOUR, QUARTER, Cell, Selection
from ..counters.selection import of_part
from ..models import SyncJob
from ..models.querysets import SyncJobQuerySet

FIRST, LAST = (instant.replace(tzinfo=dt.UTC) for instant in (dt.datetime.min, dt.datetime.max))
SHALLOW = 1000
"""Up to this offset, skipping rows one by one is faster than seeking."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by one timestamp, then id; NULLs last."""

    column: str = "created_at"
    descending: bool = True

    def columns(self) -> tuple[OrderBy, OrderBy]:
        """Return the arguments of `order_by()`."""
        if self.column == "created_at":
            # It is never NULL, and PostgreSQL only uses an index if the order doesn't place NULLs.
            return (
                (F("created_at").desc(), F("pk").desc()) if self.descending else (F("created_at").asc(), F("pk").asc())
            )
        if self.descending:
            return F(self.column).desc(nulls_last=True), F("pk").desc()
        return F(self.column).asc(nulls_last=True), F("pk").asc()


@dataclass(frozen=True, slots=True)
class _Mark:
    """The number of jobs whose time is before an instant."""

    position: int
    instant: dt.datetime


_Statement = tuple[Composable, list[Any]]


def page(
    selection: Selection, order: Order, offset: int, limit: int, known: Mapping[tuple[str, str], int] | None = None
) -> tuple[int, SyncJobQuerySet]:
    """Return how many jobs the selection has, and the unsorted jobs of a page.

    `known` are the selection's jobs by status and type if the caller has counted them.
    """
    by_other_time = order.column != "created_at"
    seeks = offset >= SHALLOW or (by_other_time and selection.is_dated)
    if known is None or seeks or by_other_time:
        counted = counters.cells(selection, time=order.column, by_time=seeks)
    else:
        counted = [Cell(None, *kind, n) for kind, n in known.items() if n]
    total = counters.total(counted)
    untimed = sum(cell.n for cell in counted if cell.untimed)
    reads = []
    for place, is_timed in (
        (_place(offset, limit, 0, total - untimed, order), True),
        (_place(offset, limit, total - untimed, total, order), False),
    ):
        if place is not None:
            cells = [cell for cell in counted if cell.untimed is not is_timed]
            if is_timed and seeks:
                reads.append(_seek(selection, order, cells, *place))
            else:
                count = total - untimed if is_timed else untimed
                reads.append(_read(selection, order, cells, place, (_Mark(0, FIRST), _Mark(count, LAST)), is_timed))
    if not reads:
        return total, SyncJob.objects.none()
    ids = SQL(" UNION ALL ").join(sql for sql, _ in reads)
    return total, with_ids(ids, [value for _, values in reads for value in values])


def with_ids(ids: Composable, values: Sequence[Any]) -> SyncJobQuerySet:
    """Return the jobs whose ids the statement selects, in the same statement."""
    # ANY(ARRAY(…)) goes through the index in one run where IN (…) would descend into it for each row.
    condition = SQL('"syncjobs_syncjob"."id" = ANY(ARRAY({}))').format(ids).as_string()
    return SyncJob.objects.filter(RawSQL(condition, values, output_field=BooleanField()))  # noqa: S611 - composed by psycopg


def in_order(jobs: QuerySet[SyncJob], order: Order) -> list[SyncJob]:
    """Return the jobs, sorted."""
    return list(jobs.order_by(*order.columns()))


def selected(selection: Selection) -> SyncJobQuerySet:
    """Return the selection's jobs as a queryset."""
    jobs = SyncJob.objects.all()
    if selection.statuses:
        jobs = jobs.filter(status__in=selection.statuses)
    if selection.types:
        jobs = jobs.filter(job_type__in=selection.types)
    if selection.band_id is not None:
        jobs = jobs.filter(band_id=selection.band_id)
    if selection.with_errors:
        jobs = jobs.filter(error_count__gt=0)
    if selection.part:
        is_due = Q(run_at__lte=Now()) if selection.part == QueuedPart.WAITING else Q(run_at__gt=Now())
        jobs = jobs.filter(~Q(status=JobStatus.QUEUED) | is_due)
    if selection.start:
        jobs = jobs.filter(created_at__gte=selection.start)
    return jobs.filter(created_at__lt=selection.end) if selection.end else jobs


def _place(offset: int, limit: int, first: int, last: int, order: Order) -> tuple[int, int] | None:
    """Return which of the rows listed from `first` to `last` the page shows, numbered in ascending order."""
    low, high = max(offset, first), min(offset + limit, last)
    if low >= high:
        return None
    return (last - high, last - low) if order.descending else (low - first, high - first)


def _seek(selection: Selection, order: Order, cells: list[Cell], low: int, high: int) -> _Statement:
    """Read rows `low` to `high` of the jobs that have the time, between the nearest marks known from the counts."""
    marks = _marks(cells, 0, DAY if selection.band_id is None else QUARTER)
    start, end = _around(marks, low, high)
    far = min(low - start.position, end.position - high) >= SHALLOW
    # With dates and another order, rows created outside the dates are read and skipped; that needs a short period too.
    if selection.band_id is None and (far or (order.column != "created_at" and selection.is_dated)):
        first = start.instant
        last = max(mark.instant for mark in marks if mark.position < high)
        if last - first <= DAY:
            hours = counters.hours_of(selection, first, last + DAY, time=order.column)
            hours += [replace(cell, since=cell.hour) for cell in cells if cell.hour and _is_in(cell, first, last)]
            cells = hours + [cell for cell in cells if not _is_in(cell, first, last)]
            before = [mark for mark in marks if mark.instant < first]
            after = [mark for mark in marks if mark.instant > last]
            start, end = _around([*before, *_marks(hours, start.position, HOUR), *after], low, high)
    inside = [cell for cell in cells if cell.since and start.instant <= cell.since < end.instant]
    return _read(selection, order, inside, (low, high), (start, end), is_timed=True)


def _marks(cells: Iterable[Cell], position: int, step: dt.timedelta) -> list[_Mark]:
    """Return the start of each period that has jobs, and the end of the last one."""
    periods: dict[dt.datetime, int] = {}
    for cell in cells:
        if cell.since is not None:
            periods[cell.since] = periods.get(cell.since, 0) + cell.n
    marks = []
    end = dt.datetime.min.replace(tzinfo=dt.UTC)
    for since in sorted(since for since, n in periods.items() if n):
        marks.append(_Mark(position, since))
        position += periods[since]
        end = since + step
    return [*marks, _Mark(position, end)]


def _around(marks: list[_Mark], low: int, high: int) -> tuple[_Mark, _Mark]:
    start = [mark for mark in marks if mark.position <= low][-1]
    return start, next((mark for mark in marks if mark.position >= high), marks[-1])


def _is_in(cell: Cell, first: dt.datetime, last: dt.datetime) -> bool:
    return cell.since is not None and first <= cell.since <= last


def _read(
    selection: Selection,
    order: Order,
    cells: Iterable[Cell],
    place: tuple[int, int],
    marks: tuple[_Mark, _Mark],
    is_timed: bool,
) -> _Statement:
    """Select the ids of the rows at this place, starting from the nearer of the two marks."""
    (low, high), (start, end) = place, marks
    up, down = max(0, low - start.position), max(0, end.position - high)
    direction, skipped = ("ASC", up) if up <= down else ("DESC", down)
    column = Identifier(order.column)
    ordering = SQL("ORDER BY {0} {1}, id {1}").format(column, SQL(direction))
    where, values = within(selection, order, start.instant, end.instant, is_timed)
    has_kinds = selection.statuses or selection.types or selection.with_errors or selection.part
    if order.column == "created_at" and not has_kinds:
        statement = SQL("(SELECT id FROM syncjobs_syncjob WHERE true{} {} OFFSET %s LIMIT %s)")
        return statement.format(where, ordering), [*values, skipped, high - low]
    run = SQL("(SELECT {}, id FROM syncjobs_syncjob WHERE status = %s AND job_type = %s{} {} LIMIT %s)")
    kinds = _kinds(cells)
    runs = SQL(" UNION ALL ").join([run.format(column, where, ordering)] * len(kinds))
    parameters = [value for kind in kinds for value in (*kind, *values, skipped + high - low)]
    statement = SQL("(SELECT id FROM ({}) AS run {} OFFSET %s LIMIT %s)")
    return statement.format(runs, ordering), [*parameters, skipped, high - low]


def within(selection: Selection, order: Order, low: dt.datetime, high: dt.datetime, is_timed: bool) -> _Statement:
    """Return conditions, each with AND before it: the selection without statuses and types, and times from low to high."""
    conditions: list[tuple[str, str, Any]] = [
        ("band_id", "=", selection.band_id),
        ("created_at", ">=", selection.start),
        ("created_at", "<", selection.end),
        (order.column, ">=", None if low == FIRST else low),
        (order.column, "<", None if high == LAST else high),
    ]
    narrowing = [each for each in conditions if each[2] is not None]
    sql = [SQL(" AND {} {} %s").format(Identifier(column), SQL(sign)) for column, sign, _ in narrowing]
    if selection.with_errors:
        sql.append(Composed([SQL(" AND error_count > 0")]))
    if selection.part:
        sql.append(Composed([SQL(f" AND {of_part(selection.part)}")]))
    if order.column != "created_at":
        test = "NOT NULL" if is_timed else "NULL"
        sql.append(SQL(" AND {} IS {}").format(Identifier(order.column), SQL(test)))
    return Composed(sql), [value for _, _, value in narrowing]


def _kinds(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """Return the statuses and types that occur."""
    counted: dict[tuple[str, str], int] = {}
    for cell in cells:
        kind = cell.status, cell.job_type
        counted[kind] = counted.get(kind, 0) + cell.n
    return sorted(kind for kind, n in counted.items() if n)
