"""How many errors and jobs an error group has, and how many jobs a band's name: counted like jobs by the rest."""

from __future__ import annotations

from typing import Any

from django.db import connection

DELTAS = "(SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM syncjobs_errordelta GROUP BY 1)"
"""What is not yet folded, as a table expression."""
_TRUTH = """
    SELECT fingerprint, count(e.id) AS errors, count(DISTINCT e.job_id) AS jobs
      FROM syncjobs_errorgroup LEFT JOIN syncjobs_joberror e ON e.group_id = fingerprint GROUP BY 1"""
WRONG = f"""
    SELECT count(*) FROM ({_TRUTH}) AS truth JOIN syncjobs_errorgroup g USING (fingerprint)
      LEFT JOIN {DELTAS} AS delta ON delta.group_id = fingerprint
     WHERE (truth.errors, truth.jobs) <> (g.count + COALESCE(delta.errors, 0), g.job_count + COALESCE(delta.jobs, 0))"""  # noqa: S608


def jobs_of_group(fingerprint: str) -> int:
    """How many jobs have an error of this group; 0 if there is no such group."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE((SELECT job_count FROM syncjobs_errorgroup WHERE fingerprint = %s), 0)"
            " + COALESCE((SELECT sum(jobs) FROM syncjobs_errordelta WHERE group_id = %s), 0)",
            [fingerprint, fingerprint],
        )
        return int(cursor.fetchone()[0])


def band_names(text: str) -> list[tuple[str, int]]:
    """The names of bands on jobs that hold the text, which is in lower case with single blanks, and how many jobs have them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT band_name, sum(n) FROM (SELECT band_name, n FROM syncjobs_bandnamecount
                                            UNION ALL SELECT band_name, n FROM syncjobs_jobdelta WHERE band_name <> '') AS both_parts
             WHERE strpos(lower(regexp_replace(band_name, '\\s+', ' ', 'g')), %s) > 0
             GROUP BY 1 HAVING sum(n) <> 0 ORDER BY 1""",
            [text],
        )
        return [(name, int(n)) for name, n in cursor.fetchall()]


def fold(cursor: Any) -> int:
    """Add the deltas to the groups; returns how many groups that changed. In the caller's transaction and lock."""
    # Locked in the order in which errors are recorded, or the two would deadlock.
    cursor.execute(
        "SELECT fingerprint FROM syncjobs_errorgroup WHERE fingerprint IN (SELECT group_id FROM syncjobs_errordelta)"
        " ORDER BY fingerprint FOR UPDATE"
    )
    locked = [fingerprint for (fingerprint,) in cursor.fetchall()]
    cursor.execute(
        """
        WITH taken AS (DELETE FROM syncjobs_errordelta WHERE group_id = ANY(%s) RETURNING *),
             added AS (SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM taken GROUP BY 1)
        UPDATE syncjobs_errorgroup SET count = count + added.errors, job_count = job_count + added.jobs
          FROM added WHERE fingerprint = added.group_id""",
        [locked],
    )
    return int(cursor.rowcount)


def rebuild(cursor: Any) -> None:
    """Count the errors of all groups anew, in the caller's transaction and lock."""
    cursor.execute("DELETE FROM syncjobs_errordelta")
    cursor.execute(
        f"UPDATE syncjobs_errorgroup g SET count = truth.errors, job_count = truth.jobs FROM ({_TRUTH}) AS truth"  # noqa: S608
        " WHERE truth.fingerprint = g.fingerprint AND (g.count, g.job_count) <> (truth.errors, truth.jobs)"
    )
