"""Pages of the list of jobs: exact totals, and as quick at the end of ten million as at the start.

A deep page seeks: the counts tell which day, and which hour, holds its first row; OFFSET runs inside that only. The rows
of a page are found in indexes alone, merged from one stretch for each status and type that occurs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OrderBy, QuerySet
from django.db.models.expressions import RawSQL

from . import counters
from .counters import DAY, Cell, Selection
from .models import SyncJob

SHALLOW = 1000
"""Rows that are skipped one by one before seeking pays."""
SORTED_AT_ONCE = 50_000
"""Rows that are sorted rather than looked for in an index by another time than that of creation."""


@dataclass(frozen=True, slots=True)
class Order:
    """By a time of the job's, ties by id; jobs that have none of it come last either way."""

    column: str = "created_at"
    descending: bool = True

    def columns(self) -> tuple[OrderBy, OrderBy]:
        """For `order_by()`."""
        if self.descending:
            return F(self.column).desc(nulls_last=True), F("pk").desc()
        return F(self.column).asc(nulls_last=True), F("pk").asc()

    def reversed_columns(self) -> tuple[OrderBy, OrderBy]:
        """From the last row to the first."""
        if self.descending:
            return F(self.column).asc(nulls_first=True), F("pk").asc()
        return F(self.column).desc(nulls_first=True), F("pk").desc()


def page(selection: Selection, order: Order, offset: int, limit: int) -> tuple[int, Any]:
    """How many jobs the selection has, and those of a page, unsorted, as a condition for `pk__in`."""
    seeks = order.column == "created_at" and offset >= SHALLOW
    found = counters.cells(selection, by_time=seeks)
    total = counters.total(found)
    if offset >= total:
        return total, []
    if order.column != "created_at":
        return total, _by_other_time(selection, order, offset, min(limit, total - offset), total)
    bound = None
    if seeks:
        bound, offset = _seek(selection, order, found, offset)
    return total, RawSQL(*_created(selection, order, found, bound, offset, limit))  # noqa: S611 - values are parameters


def in_order(jobs: QuerySet[SyncJob], order: Order) -> list[SyncJob]:
    """The page's rows, sorted."""
    return list(jobs.order_by(*order.columns()))


def selected(selection: Selection) -> QuerySet[SyncJob]:
    """The selection's jobs as a queryset."""
    jobs = SyncJob.objects.all()
    if selection.statuses:
        jobs = jobs.filter(status__in=selection.statuses)
    if selection.types:
        jobs = jobs.filter(job_type__in=selection.types)
    if selection.band_id is not None:
        jobs = jobs.filter(band_id=selection.band_id)
    if selection.start:
        jobs = jobs.filter(created_at__gte=selection.start)
    return jobs.filter(created_at__lt=selection.end) if selection.end else jobs


def _by_other_time(selection: Selection, order: Order, offset: int, limit: int, total: int) -> Any:
    """Few rows are sorted; of many, an index is read from whichever end is nearer."""
    jobs = selected(selection)
    if total <= SORTED_AT_ONCE and not selection.is_everything:
        inner, values = jobs.order_by().values("id", order.column).query.sql_with_params()
        direction = "DESC" if order.descending else "ASC"
        # OFFSET 0 keeps the planner from walking the index of all jobs in the hope of meeting these soon.
        sql = (
            f"(SELECT id FROM ({inner} OFFSET 0) AS few"  # noqa: S608
            f" ORDER BY {order.column} {direction} NULLS LAST, id {direction} OFFSET %s LIMIT %s)"
        )
        return RawSQL(sql, [*values, offset, limit])  # noqa: S611 - values are parameters
    if offset > total // 2:
        return jobs.order_by(*order.reversed_columns()).values("pk")[total - offset - limit : total - offset]
    return jobs.order_by(*order.columns()).values("pk")[offset : offset + limit]


def _seek(selection: Selection, order: Order, found: Sequence[Cell], offset: int) -> tuple[dt.datetime | None, int]:
    """Where the stretch of time begins (in the order's direction) that holds the row, and how many rows to skip in it."""
    bound, offset, stretch = _walk(found, order, offset)
    if selection.band_id is None and stretch is not None and _is_whole_day(selection, stretch):
        # Of a descending walk the bound is the day's end, of an ascending one its beginning.
        inner, rest, _ = _walk(counters.hours_of(selection, stretch), order, offset)
        if inner is not None:
            return inner, rest
        return bound, rest
    return bound, offset


def _walk(found: Sequence[Cell], order: Order, offset: int) -> tuple[dt.datetime | None, int, dt.datetime | None]:
    stretches: dict[dt.datetime, int] = {}
    for cell in found:
        assert cell.since is not None
        stretches[cell.since] = stretches.get(cell.since, 0) + cell.n
    bound: dt.datetime | None = None
    for since in sorted(stretches, reverse=order.descending):
        if not order.descending:
            bound = since
        if offset < stretches[since]:
            return bound, offset, since
        offset -= stretches[since]
        if order.descending:
            bound = since
    return bound, offset, None


def _is_whole_day(selection: Selection, since: dt.datetime) -> bool:
    since = since.astimezone(dt.UTC)
    if (since.hour, since.minute, since.second, since.microsecond) != (0, 0, 0, 0):
        return False
    return not (selection.start and selection.start > since) and not (selection.end and selection.end < since + DAY)


def _created(
    selection: Selection, order: Order, found: Sequence[Cell], bound: dt.datetime | None, offset: int, limit: int
) -> tuple[str, list[object]]:
    direction = "DESC" if order.descending else "ASC"
    ordering = f"ORDER BY created_at {direction}, id {direction}"
    within, values = "", []
    if selection.start:
        within += " AND created_at >= %s"
        values.append(selection.start)
    if selection.end:
        within += " AND created_at < %s"
        values.append(selection.end)
    if bound:
        within += " AND created_at < %s" if order.descending else " AND created_at >= %s"
        values.append(bound)
    if not (selection.statuses or selection.types or selection.band_id is not None):
        return (
            f"(SELECT id FROM syncjobs_syncjob WHERE true{within} {ordering} OFFSET %s LIMIT %s)",  # noqa: S608
            [*values, offset, limit],
        )
    stretches, parameters = [], []
    of_band = "" if selection.band_id is None else " AND band_id = %s"
    for status, job_type in sorted({(cell.status, cell.job_type) for cell in found}):
        stretches.append(
            f"(SELECT created_at, id FROM syncjobs_syncjob WHERE status = %s AND job_type = %s{of_band}{within}"  # noqa: S608
            f" {ordering} LIMIT %s)"
        )
        band = [] if selection.band_id is None else [selection.band_id]
        parameters += [status, job_type, *band, *values, offset + limit]
    merged = " UNION ALL ".join(stretches)
    return f"(SELECT id FROM ({merged}) AS stretch {ordering} OFFSET %s LIMIT %s)", [*parameters, offset, limit]  # noqa: S608
