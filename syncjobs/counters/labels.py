"""Counts of jobs by the name of their band and by who requested them."""

from __future__ import annotations

from psycopg.sql import SQL

from .jobs import Part
from .selection import Labeled, of_part


def parts_of(labeled: Labeled) -> list[Part]:
    """Return statements whose rows have numbers of the jobs with one of the labels, as those of counters.jobs do."""
    errors = SQL(" AND with_errors") if labeled.with_errors else SQL("")
    column = SQL("band_name" if labeled.kind == "name" else "requester")
    labels = list(labeled.labels)
    columns = SQL("SELECT NULL::timestamptz, NULL::timestamptz, status, job_type, n")
    counted = SQL("{} FROM syncjobs_joblabelcount WHERE kind = %s AND label = ANY(%s){}").format(columns, errors)
    delta = SQL("{} FROM syncjobs_jobmarkdelta WHERE {} = ANY(%s){}").format(columns, column, errors)
    return [(counted, [labeled.kind, labels]), (delta, [labels]), *_other_part(labeled)]


def _other_part(labeled: Labeled) -> list[Part]:
    """Subtract the queued jobs of the part that isn't selected."""
    if not labeled.part:
        return []
    errors = SQL(" AND error_count > 0") if labeled.with_errors else SQL("")
    statement = SQL(
        "SELECT NULL::timestamptz, NULL::timestamptz, status, job_type, -count(*) FROM syncjobs_syncjob"
        " WHERE NOT {} AND {} = ANY(%s){} GROUP BY 3, 4"
    ).format(SQL(of_part(labeled.part)), SQL("band_name" if labeled.kind == "name" else "requested_by_label"), errors)
    return [(statement, [list(labeled.labels)])]
