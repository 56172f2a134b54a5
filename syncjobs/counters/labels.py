"""Counts of jobs by the name of their band and by who requested them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Literal

from django.db import connection

_SUM = """
    SELECT status, job_type, sum(n)
      FROM (SELECT status, job_type, with_errors, n FROM syncjobs_joblabelcount WHERE kind = %(kind)s AND label = ANY(%(labels)s)
            UNION ALL
            SELECT status, job_type, with_errors, n FROM syncjobs_jobmarkdelta
             WHERE CASE %(kind)s WHEN 'name' THEN band_name ELSE requester END = ANY(%(labels)s)) AS part
     WHERE with_errors OR NOT %(with_errors)s
     GROUP BY 1, 2 HAVING sum(n) <> 0"""


def labeled(
    kind: Literal["name", "by"], labels: Collection[str], *, with_errors: bool = False
) -> Counter[tuple[str, str]]:
    """Count the jobs with one of these labels, or those of them with errors, by status and type."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM, {"kind": kind, "labels": list(labels), "with_errors": with_errors})
        return Counter({(status, job_type): int(n) for status, job_type, n in cursor.fetchall()})
