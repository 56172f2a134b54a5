"""The jobs before and after a job in a list, at the same cost however many jobs there are.

The counts say nothing here: the neighbor is the first job past this one in the list's order, read from one index range per
status and type. Under a search or an error group it comes from the ranges of its matches; any other filter costs what a
page of its list costs.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q
from psycopg.sql import SQL, Composable, Identifier

from .. import counters
from ..choices import JobStatus, JobType
from ..models import SyncJob
from . import pages
from .filters import JobQuery
from .pages import Order

_MAX_ID = 2**63 - 1
_Statement = tuple[Composable, list[Any]]


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The ids of the jobs before and after a job, None at an end of the list."""

    previous: int | None
    next: int | None


def neighbors(query: JobQuery, job: SyncJob) -> Neighbors:
    """Return the neighbors of the job in the list, or of its place if it is no longer in it."""
    return Neighbors(_past(query, job, not query.order.descending), _past(query, job, query.order.descending))


def _past(query: JobQuery, job: SyncJob, is_down: bool) -> int | None:
    """Return the first job past this one, towards earlier times and smaller ids if `is_down`; no time is past every time.

    Jobs without the time come last, whatever the order.
    """
    at = getattr(job, query.order.column)
    is_forward = is_down == query.order.descending
    if at is not None:
        found = _first(query, is_down, at, job.pk)
        may_lack_time = is_forward and query.order.column != "created_at"
        return _first(query, is_down, None, None) if found is None and may_lack_time else found
    found = _first(query, is_down, None, job.pk)
    if found is not None or is_forward:
        return found
    return _first(query, is_down, *((pages.LAST, _MAX_ID) if is_down else (pages.FIRST, 0)))


def _first(query: JobQuery, is_down: bool, at: dt.datetime | None, job_id: int | None) -> int | None:
    """Return the first job past the time and id, or without the time past the id (None: past no id)."""
    if query.is_counted:
        return _read(*_of_selection(query, is_down, at, job_id))
    if query.matches is not None and query.order.column == "created_at" and at is not None and job_id is not None:
        statement = query.matches.past(at, job_id, is_down=is_down)
        return None if statement is None else _read(*statement)
    order = Order(query.order.column, descending=is_down)
    side = "lt" if is_down else "gt"
    if at is None:
        place = Q(**{f"{order.column}__isnull": True})
        place &= Q() if job_id is None else Q(**{f"pk__{side}": job_id})
    else:
        place = Q(**{f"{order.column}__{side}": at}) | Q(**{order.column: at, f"pk__{side}": job_id})
        # Implied by that, but only so does an index skip the jobs before the place.
        place &= Q(**{f"{order.column}__{side}e": at})
    return query.jobs.filter(place).order_by(*order.columns()).values_list("pk", flat=True).first()


def _of_selection(query: JobQuery, is_down: bool, at: dt.datetime | None, job_id: int | None) -> _Statement:
    selection, column = query.selection, Identifier(query.order.column)
    sign, direction = SQL("<" if is_down else ">"), SQL("DESC" if is_down else "ASC")
    low, high = _bounds(query) if at is not None else (pages.FIRST, pages.LAST)
    where, values = pages.within(selection, query.order, low, high, at is not None)
    if at is not None:
        where, values = where + SQL(" AND ({}, id) {} (%s, %s)").format(column, sign), [*values, at, job_id]
    elif job_id is not None:
        where, values = where + SQL(" AND id {} %s").format(sign), [*values, job_id]
    ordering = SQL("ORDER BY {0} {1}, id {1} LIMIT 1").format(column, direction)
    statement = SQL(
        "SELECT found.id FROM unnest(%s::text[]) AS a (status) CROSS JOIN unnest(%s::text[]) AS b (job_type)"
        " CROSS JOIN LATERAL (SELECT {0}, id FROM syncjobs_syncjob"
        " WHERE syncjobs_syncjob.status = a.status AND syncjobs_syncjob.job_type = b.job_type{1} {2}) AS found {2}"
    ).format(column, where, ordering)
    kinds = [list(selection.statuses or JobStatus.values), list(selection.types or JobType.values)]
    return statement, [*kinds, *values]


def _bounds(query: JobQuery) -> tuple[dt.datetime, dt.datetime]:
    """Return between which times of the order's column the jobs lie that were created within the dates.

    Without them, a search for the next job would read all that were created outside the dates.
    """
    if query.order.column == "created_at" or not query.selection.is_dated:
        return pages.FIRST, pages.LAST
    cells = counters.cells(query.selection, time=query.order.column, by_time=True)
    starts = [cell.since for cell in cells if cell.since is not None and cell.n > 0]
    return (min(starts), max(starts) + counters.DAY) if starts else (pages.FIRST, pages.LAST)


def _read(statement: Composable, values: list[Any]) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(), values)
        row = cursor.fetchone()
    return None if row is None else int(row[0])
