"""How many errors and jobs an error group has, and how many jobs a band's name: counted like jobs by the rest."""

from __future__ import annotations

from typing import Any

from django.db import connection

DELTAS = "(SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM syncjobs_errordelta GROUP BY 1)"
"""What is not yet folded, as a table expression."""
BY_BAND = """(SELECT group_id, band_id, sum(n) AS n
       FROM (SELECT group_id, band_id, n FROM syncjobs_errorbandcount
             UNION ALL SELECT group_id, band_id, errors FROM syncjobs_errordelta WHERE band_id <> 0) AS parts
      GROUP BY 1, 2 HAVING sum(n) <> 0)"""
"""How many errors each group has of each band, those of no band left out, as a table expression."""
_TRUTH = """
    SELECT fingerprint, count(e.id) AS errors, count(DISTINCT e.job_id) AS jobs
      FROM syncjobs_errorgroup LEFT JOIN syncjobs_joberror e ON e.group_id = fingerprint GROUP BY 1"""
_BANDS_TRUTH = "SELECT group_id, band_id, count(*) AS n FROM syncjobs_joberror WHERE band_id IS NOT NULL GROUP BY 1, 2"
_WRONG_GROUPS = f"""
    SELECT count(*) FROM ({_TRUTH}) AS truth JOIN syncjobs_errorgroup g USING (fingerprint)
      LEFT JOIN {DELTAS} AS delta ON delta.group_id = fingerprint
     WHERE (truth.errors, truth.jobs) <> (g.count + COALESCE(delta.errors, 0), g.job_count + COALESCE(delta.jobs, 0))"""  # noqa: S608
_WRONG_BANDS = f"""
    SELECT count(*) FROM ({_BANDS_TRUTH}) AS truth
      FULL JOIN {BY_BAND} AS told USING (group_id, band_id)
     WHERE truth.n IS DISTINCT FROM told.n"""  # noqa: S608

_BAND_COUNT = "(SELECT count(*) FROM syncjobs_errorbandcount c WHERE c.group_id = fingerprint AND c.n > 0)"
WRONG = f"""
    SELECT ({_WRONG_GROUPS}) + ({_WRONG_BANDS})
           + (SELECT count(*) FROM syncjobs_errorgroup WHERE band_count <> {_BAND_COUNT})"""  # noqa: S608
ANEW = (
    "DELETE FROM syncjobs_errorbandcount",
    f"INSERT INTO syncjobs_errorbandcount (group_id, band_id, n) {_BANDS_TRUTH}",
    f"UPDATE syncjobs_errorgroup g SET count = truth.errors, job_count = truth.jobs FROM ({_TRUTH}) AS truth"  # noqa: S608
    " WHERE truth.fingerprint = g.fingerprint AND (g.count, g.job_count) <> (truth.errors, truth.jobs)",
    f"UPDATE syncjobs_errorgroup SET band_count = {_BAND_COUNT} WHERE band_count <> {_BAND_COUNT}",  # noqa: S608
)


def jobs_of_group(fingerprint: str) -> int:
    """How many jobs have an error of this group; 0 if there is no such group."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE((SELECT job_count FROM syncjobs_errorgroup WHERE fingerprint = %s), 0)"
            " + COALESCE((SELECT sum(jobs) FROM syncjobs_errordelta WHERE group_id = %s), 0)",
            [fingerprint, fingerprint],
        )
        return int(cursor.fetchone()[0])


def searchable(text: str) -> tuple[list[tuple[str, int]], list[tuple[str, str, int]]]:
    """What a search goes by, each with its number of jobs: names of bands that hold the text, and all error groups.

    The text is in lower case with single blanks. Of groups, the fingerprint and the message.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT NULL, band_name, sum(n)
              FROM (SELECT band_name, n FROM syncjobs_bandnamecount
                    UNION ALL SELECT band_name, n FROM syncjobs_jobdelta WHERE band_name <> '') AS both_parts
             WHERE strpos(lower(regexp_replace(band_name, '\\s+', ' ', 'g')), %s) > 0
             GROUP BY band_name HAVING sum(n) <> 0
            UNION ALL
            SELECT fingerprint, message, job_count + COALESCE(delta.jobs, 0)
              FROM syncjobs_errorgroup LEFT JOIN {DELTAS} AS delta ON delta.group_id = fingerprint
             ORDER BY 1, 2""",  # noqa: S608
            [text],
        )
        rows = cursor.fetchall()
    names = [(name, int(n)) for fingerprint, name, n in rows if fingerprint is None]
    return names, [(fingerprint, message, int(n)) for fingerprint, message, n in rows if fingerprint is not None]


def fold(cursor: Any) -> int:
    """Add the deltas to the groups; returns how many groups that changed. In the caller's transaction and lock."""
    # Locked in the order in which errors are recorded, or the two would deadlock.
    cursor.execute(
        "SELECT fingerprint FROM syncjobs_errorgroup WHERE fingerprint IN (SELECT group_id FROM syncjobs_errordelta)"
        " ORDER BY fingerprint FOR NO KEY UPDATE"
    )
    locked = [fingerprint for (fingerprint,) in cursor.fetchall()]
    cursor.execute(
        """
        WITH taken AS (DELETE FROM syncjobs_errordelta WHERE group_id = ANY(%s) RETURNING *),
             bands AS (INSERT INTO syncjobs_errorbandcount (group_id, band_id, n)
                       SELECT group_id, band_id, sum(errors) FROM taken
                        WHERE band_id <> 0 GROUP BY 1, 2 HAVING sum(errors) <> 0
                       ON CONFLICT (group_id, band_id) DO UPDATE SET n = syncjobs_errorbandcount.n + EXCLUDED.n),
             added AS (SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM taken GROUP BY 1)
        UPDATE syncjobs_errorgroup SET count = count + added.errors, job_count = job_count + added.jobs
          FROM added WHERE fingerprint = added.group_id""",
        [locked],
    )
    changed = int(cursor.rowcount)
    cursor.execute("DELETE FROM syncjobs_errorbandcount WHERE n = 0")
    cursor.execute(
        f"UPDATE syncjobs_errorgroup SET band_count = {_BAND_COUNT}"  # noqa: S608
        f" WHERE fingerprint = ANY(%s) AND band_count <> {_BAND_COUNT}",
        [locked],
    )
    return changed


def rebuild(cursor: Any) -> None:
    """Count the errors of all groups anew, in the caller's transaction and lock."""
    cursor.execute("DELETE FROM syncjobs_errordelta")
    for statement in ANEW:
        cursor.execute(statement)
