"""Adds the deltas to the counts, proves the counts equal to COUNT(*), and counts anew."""

from __future__ import annotations

from django.db import connection, transaction

from . import errors

_FOLD_LOCK = 7_460_001
_VACUUM_ABOVE_BYTES = 256 * 1024

# What each grain has for band_id, since and across. Times that a job doesn't have are 'infinity'.
_HAS = "CASE WHEN isfinite({0}) THEN '-infinity' ELSE {0} END"
_DAY = "date_trunc('day', {}, 'UTC')"
_QUARTER = "date_bin('6 hours', {}, '2000-01-01 00:00+00')"
_BY_QUARTER = {
    0: ("-1", _HAS.format("started"), _HAS.format("ended")),
    1: ("band_id", _HAS.format("started"), _HAS.format("ended")),
    2: ("-1", _DAY.format("hour"), "'-infinity'"),
    4: ("band_id", _QUARTER.format("hour"), "'-infinity'"),
    10: ("-1", _DAY.format("started"), _DAY.format("hour")),
    13: ("band_id", _QUARTER.format("started"), _QUARTER.format("hour")),
    20: ("-1", _DAY.format("ended"), _DAY.format("hour")),
    23: ("band_id", _QUARTER.format("ended"), _QUARTER.format("hour")),
}
_BY_HOUR = {
    3: ("-1", "hour", "'-infinity'"),
    11: ("-1", "started", "hour"),
    12: ("-1", "hour", _DAY.format("started")),
    21: ("-1", "ended", "hour"),
    22: ("-1", "hour", _DAY.format("ended")),
}


def _grains(source: str, grains: dict[int, tuple[str, str, str]]) -> str:
    def case(column: int) -> str:
        whens = " ".join(f"WHEN {grain} THEN {columns[column]}" for grain, columns in grains.items())
        return f"CASE grain {whens} END"

    wanted = ", ".join(str(grain) for grain in grains)
    return f"""
    SELECT grain, {case(0)} AS band_id, {case(1)}::timestamptz AS since, {case(2)}::timestamptz AS across,
           job_type, status, sum(n) AS n
      FROM {source} CROSS JOIN unnest(ARRAY[{wanted}]::smallint[]) AS grain
     GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0"""  # noqa: S608 - no values are put in


_COLUMNS = "grain, band_id, since, across, job_type, status"
_FOLD = f"""
    WITH taken AS (DELETE FROM syncjobs_jobdelta RETURNING *),
         named AS (INSERT INTO syncjobs_bandnamecount (band_name, n)
                   SELECT band_name, sum(n) FROM taken WHERE band_name <> '' GROUP BY 1 HAVING sum(n) <> 0
                   ON CONFLICT (band_name) DO UPDATE SET n = syncjobs_bandnamecount.n + EXCLUDED.n),
         cell AS (SELECT band_id, hour, started, ended, job_type, status, sum(n) AS n
                    FROM taken GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0)
    INSERT INTO syncjobs_jobcount ({_COLUMNS}, n)
    {_grains("cell", _BY_QUARTER | _BY_HOUR)}
    ON CONFLICT ({_COLUMNS}) DO UPDATE SET n = syncjobs_jobcount.n + EXCLUDED.n"""  # noqa: S608

# Ten million jobs are told apart by band and quarter, and by hour, but never by band and hour: those would be millions.
_TRUTH = f"""
    by_quarter AS MATERIALIZED (
        SELECT COALESCE(band_id, 0) AS band_id, {_QUARTER.format("created_at")} AS hour,
               COALESCE({_QUARTER.format("started_at")}, 'infinity') AS started,
               COALESCE({_QUARTER.format("completed_at")}, 'infinity') AS ended, job_type, status, count(*) AS n
          FROM syncjobs_syncjob GROUP BY 1, 2, 3, 4, 5, 6),
    by_hour AS MATERIALIZED (
        SELECT date_trunc('hour', created_at, 'UTC') AS hour,
               COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity') AS started,
               COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity') AS ended, job_type, status, count(*) AS n
          FROM syncjobs_syncjob GROUP BY 1, 2, 3, 4, 5),
    truth AS ({_grains("by_quarter", _BY_QUARTER)} UNION ALL {_grains("by_hour", _BY_HOUR)})"""  # noqa: S608
_WRONG = f"""
    WITH {_TRUTH}, delta AS ({_grains("syncjobs_jobdelta", _BY_QUARTER | _BY_HOUR)}),
         told AS (SELECT {_COLUMNS}, sum(n) AS n
                    FROM (SELECT {_COLUMNS}, n FROM syncjobs_jobcount UNION ALL SELECT * FROM delta) AS both_parts
                   GROUP BY {_COLUMNS} HAVING sum(n) <> 0)
    SELECT count(*) FROM truth FULL JOIN told USING ({_COLUMNS}) WHERE truth.n IS DISTINCT FROM told.n"""  # noqa: S608
_NAMES_TRUTH = "SELECT band_name, count(*) AS n FROM syncjobs_syncjob WHERE band_name <> '' GROUP BY 1"
_WRONG_NAMES = f"""
    WITH truth AS ({_NAMES_TRUTH}),
         told AS (SELECT band_name, sum(n) AS n
                    FROM (SELECT band_name, n FROM syncjobs_bandnamecount
                          UNION ALL SELECT band_name, n FROM syncjobs_jobdelta WHERE band_name <> '') AS both_parts
                   GROUP BY 1 HAVING sum(n) <> 0)
    SELECT count(*) FROM truth FULL JOIN told USING (band_name) WHERE truth.n IS DISTINCT FROM told.n"""  # noqa: S608
JOBS_ANEW = f"WITH {_TRUTH} INSERT INTO syncjobs_jobcount ({_COLUMNS}, n) SELECT {_COLUMNS}, n FROM truth"  # noqa: S608
NAMES_ANEW = f"INSERT INTO syncjobs_bandnamecount (band_name, n) {_NAMES_TRUTH}"


def fold() -> int:
    """Add the deltas to the counts; returns how many cells that changed, 0 when another process is at it already."""
    changed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM syncjobs_jobdelta), EXISTS (SELECT FROM syncjobs_errordelta),"
            " pg_try_advisory_xact_lock(%s)",
            [_FOLD_LOCK],
        )
        of_jobs, of_errors, is_ours = cursor.fetchone()
        if is_ours and of_jobs:
            cursor.execute(_FOLD)
            changed += int(cursor.rowcount)
            cursor.execute("DELETE FROM syncjobs_jobcount WHERE n = 0")
        if is_ours and of_errors:
            changed += errors.fold(cursor)
    if changed:
        for table in ("syncjobs_jobdelta", "syncjobs_errordelta"):
            _vacuum(table)
    return changed


def _vacuum(table: str) -> None:
    """Every read goes through what folded deltas leave behind, and autovacuum comes by once a minute at most."""
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size(%s)", [table])
        if cursor.fetchone()[0] > _VACUUM_ABOVE_BYTES:
            cursor.execute(f"VACUUM (SKIP_LOCKED) {table}")


def wrong_cells() -> int:
    """How many counts differ from COUNT(*), in one snapshot. Reads the whole table of jobs."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({_WRONG}) + ({_WRONG_NAMES}) + ({errors.WRONG})")
        return int(cursor.fetchone()[0])


def rebuild() -> None:
    """Count all jobs and errors anew. Nobody can write any meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "LOCK TABLE syncjobs_syncjob, syncjobs_errorgroup, syncjobs_joberror IN SHARE ROW EXCLUSIVE MODE"
        )
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLD_LOCK])
        cursor.execute("DELETE FROM syncjobs_jobdelta")
        cursor.execute("DELETE FROM syncjobs_jobcount")
        cursor.execute("DELETE FROM syncjobs_bandnamecount")
        cursor.execute(JOBS_ANEW)
        cursor.execute(NAMES_ANEW)
        errors.rebuild(cursor)
