"""Count several sets of jobs by status and type, in one statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection
from psycopg.sql import SQL, Literal

from . import jobs, labels
from .selection import Labeled, Selection, Uncounted

Kinds = Counter[tuple[str, str]]
"""Numbers of jobs by status and type."""
Countable = Selection | Labeled | Uncounted


def kinds(sets: Sequence[Countable]) -> list[Kinds]:
    """Count the jobs of each set by status and type, all in one snapshot."""
    counted: list[Kinds] = [Counter() for _ in sets]
    if sets:
        sql, values = statement(sets)
        with connection.cursor() as cursor:
            cursor.execute(sql.as_string(), values)
            for place, status, job_type, n in cursor.fetchall():
                counted[place][status, job_type] = int(n)
    return counted


def statement(sets: Sequence[Countable]) -> jobs.Part:
    """Return the statement of `kinds`, for others to include: `place` is that of the set, from 0, and `n` is not 0."""
    parts = [
        (SQL("SELECT {}, status, job_type, n FROM ({}) AS part {}").format(Literal(place), sql, jobs.COLUMNS), values)
        for place, each in enumerate(sets)
        for sql, values in _parts_of(each)
    ]
    whole = SQL(
        "SELECT place, status, job_type, sum(n)::bigint AS n FROM ({}) AS part (place, status, job_type, n)"
        " GROUP BY 1, 2, 3 HAVING sum(n) <> 0"
    )
    return whole.format(SQL(" UNION ALL ").join(sql for sql, _ in parts)), [
        value for _, values in parts for value in values
    ]


def _parts_of(countable: Countable) -> list[jobs.Part]:
    if isinstance(countable, Labeled):
        return labels.parts_of(countable)
    if isinstance(countable, Uncounted):
        return [jobs.part_of_uncounted(countable)]
    return jobs.parts_of(countable)
