"""Jobs as rows of a list. Building model instances, and the statement every time, would take longer than the query."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection
from django.db.models import QuerySet

from ..counters import Kinds
from ..models import SyncJob
from ..models.querysets import SUMMED
from . import filters
from .pages import Order


class JobRow(NamedTuple):
    """The fields of a job in a list, named as in the model."""

    pk: int
    band_id: int | None
    band_name: str
    job_type: str
    status: str
    queue_id: str
    priority: int
    videos_found: int
    videos_added: int
    videos_updated: int
    videos_unavailable: int
    error_texts: list[str]
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    created_at: dt.datetime
    queue_position: int | None
    progress_done: int
    progress_total: int | None
    quota_used: int
    run_at: dt.datetime
    delay_reason: str
    attempts_made: int
    retry_of_id: int | None
    covered_by_id: int | None
    requested_by_label: str
    cancel_requested_at: dt.datetime | None
    parent_id: int | None
    fans_out: bool
    error_count: int
    child_sums: list[int] | None


def read_page(query: filters.JobQuery, page: int, limit: int, kinds: Kinds | None = None) -> tuple[list[JobRow], int]:
    """Return the jobs of a page, and the total of the list. `kinds` are the counts that the caller knows."""
    jobs, total = query.rows(page, limit, kinds)
    return read(jobs, query.order), total


def read(jobs: QuerySet[SyncJob], order: Order) -> list[JobRow]:
    """Read a queryset's jobs in order. It may only filter."""
    try:
        where, where_values = jobs.query.get_compiler(connection=connection).compile(jobs.query.where)
    except EmptyResultSet:
        return []
    except FullResultSet:
        where, where_values = "TRUE", ()
    select, values = _select()
    by, direction = f'"{SyncJob._meta.db_table}".', "DESC" if order.descending else "ASC"
    with connection.cursor() as cursor:
        cursor.execute(
            f'{select} WHERE {where} ORDER BY {by}"{order.column}" {direction} NULLS LAST, {by}"id" {direction}',
            [*values, *where_values],
        )
        rows = map(JobRow._make, cursor.fetchall())
        return [row if row.child_sums is None else _with_child_sums(row, row.child_sums) for row in rows]


def _with_child_sums(row: JobRow, sums: list[int]) -> JobRow:
    """Add the sums to the figures of an all-bands job."""
    return row._replace(**{name: getattr(row, name) + total for name, total in zip(SUMMED, sums, strict=True)})


@functools.cache
def _select() -> tuple[str, tuple[Any, ...]]:
    return filters.for_display(SyncJob.objects.order_by()).values_list(*JobRow._fields).query.sql_with_params()
