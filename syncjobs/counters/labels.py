"""Counts of jobs by the name of their band and by who requested them."""

from __future__ import annotations

from psycopg.sql import SQL

from .jobs import Part
from .selection import Labeled


def parts_of(labeled: Labeled) -> list[Part]:
    """Return statements whose rows have numbers of the jobs with one of the labels, as those of counters.jobs do."""
    errors = SQL(" AND with_errors") if labeled.with_errors else SQL("")
    column = SQL("band_name" if labeled.kind == "name" else "requester")
    labels = list(labeled.labels)
    columns = SQL("SELECT NULL::timestamptz, NULL::timestamptz, status, job_type, n")
    counted = SQL("{} FROM syncjobs_joblabelcount WHERE kind = %s AND label = ANY(%s){}").format(columns, errors)
    delta = SQL("{} FROM syncjobs_jobmarkdelta WHERE {} = ANY(%s){}").format(columns, column, errors)
    return [(counted, [labeled.kind, labels]), (delta, [labels])]
