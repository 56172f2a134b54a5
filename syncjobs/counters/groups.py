"""How many errors, and how many jobs, an error group has: counted like jobs (migration 0006)."""

from __future__ import annotations

from typing import Any

DELTAS = "(SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM syncjobs_errordelta GROUP BY 1)"
"""What is not yet folded, as a table expression."""
_TRUTH = """
    SELECT fingerprint, count(e.id) AS errors, count(DISTINCT e.job_id) AS jobs
      FROM syncjobs_errorgroup LEFT JOIN syncjobs_joberror e ON e.group_id = fingerprint GROUP BY 1"""
WRONG = f"""
    SELECT count(*) FROM ({_TRUTH}) AS truth JOIN syncjobs_errorgroup g USING (fingerprint)
      LEFT JOIN {DELTAS} AS delta ON delta.group_id = fingerprint
     WHERE (truth.errors, truth.jobs) <> (g.count + COALESCE(delta.errors, 0), g.job_count + COALESCE(delta.jobs, 0))"""  # noqa: S608


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
