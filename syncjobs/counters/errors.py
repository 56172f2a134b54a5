"""Counts of errors and jobs per error group, and of jobs per band name: counted like the jobs themselves."""

from __future__ import annotations

from typing import Any

from django.db import connection

from ..sql import query


def jobs_of_group(fingerprint: str) -> int:
    """Return how many jobs have an error of this group; 0 if there is no such group."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE((SELECT job_count FROM syncjobs_errorgroup WHERE fingerprint = %s), 0)"
            " + COALESCE((SELECT sum(jobs) FROM syncjobs_errordelta WHERE group_id = %s), 0)",
            [fingerprint, fingerprint],
        )
        return int(cursor.fetchone()[0])


def searchable(text: str) -> tuple[list[tuple[str, int]], list[tuple[str, str, int]]]:
    """Return the band names that contain the text, and all error groups, each with its number of jobs.

    The text is in lower case with single blanks. A group is given as its fingerprint, message and number of jobs.
    """
    with connection.cursor() as cursor:
        cursor.execute(query("searchable"), {"text": text})
        rows = cursor.fetchall()
    names = [(name, int(n)) for fingerprint, name, n in rows if fingerprint is None]
    return names, [(fingerprint, message, int(n)) for fingerprint, message, n in rows if fingerprint is not None]


def fold(cursor: Any) -> int:
    """Add the deltas to the groups and return how many groups changed. The caller has the transaction and the fold lock."""
    # Lock in the order in which errors are recorded, or the two would deadlock.
    cursor.execute(
        "SELECT fingerprint FROM syncjobs_errorgroup WHERE fingerprint IN (SELECT group_id FROM syncjobs_errordelta)"
        " ORDER BY fingerprint FOR NO KEY UPDATE"
    )
    locked = [fingerprint for (fingerprint,) in cursor.fetchall()]
    cursor.execute(query("fold_errors"), {"groups": locked})
    changed = int(cursor.rowcount)
    cursor.execute("DELETE FROM syncjobs_errorbandcount WHERE n = 0")
    cursor.execute(
        "UPDATE syncjobs_errorgroup SET band_count = bands.n"
        "  FROM (SELECT g.fingerprint AS group_id, count(c.n) FILTER (WHERE c.n > 0) AS n FROM syncjobs_errorgroup AS g"
        "          LEFT JOIN syncjobs_errorbandcount AS c ON c.group_id = g.fingerprint"
        "         WHERE g.fingerprint = ANY(%s) GROUP BY 1) AS bands"
        " WHERE fingerprint = bands.group_id AND band_count <> bands.n",
        [locked],
    )
    return changed
