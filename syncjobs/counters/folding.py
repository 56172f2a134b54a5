"""Add deltas to the counts, compare the counts with COUNT(*), and rebuild them."""

from __future__ import annotations

from django.db import connection, transaction

from ..sql import query
from . import errors, metrics

_FOLD_LOCK = 7_460_001
_VACUUM_ABOVE_BYTES = 256 * 1024
# A role that may not would only fill the log of PostgreSQL. Before version 17, nobody but the owner may.
_NEEDS_VACUUM = """
    SELECT pg_relation_size(oid) > %s AND CASE
               WHEN pg_has_role(relowner, 'USAGE') THEN true
               WHEN current_setting('server_version_num')::int >= 170000 THEN has_table_privilege(oid, 'MAINTAIN')
               ELSE false
           END
      FROM pg_class WHERE oid = %s::regclass"""


def fold() -> int:
    """Add the deltas to the counts and return how many counts changed; 0 if another process is folding."""
    changed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM syncjobs_jobdelta), EXISTS (SELECT FROM syncjobs_errordelta),"
            " EXISTS (SELECT FROM syncjobs_metricdelta), EXISTS (SELECT FROM syncjobs_jobmarkdelta),"
            " pg_try_advisory_xact_lock(%s)",
            [_FOLD_LOCK],
        )
        has_jobs, has_errors, has_events, has_marks, is_locked = cursor.fetchone()
        if is_locked and has_jobs:
            cursor.execute(query("fold_jobs"))
            changed += int(cursor.rowcount)
            cursor.execute("DELETE FROM syncjobs_bandnamecount WHERE n = 0")
        if is_locked and has_marks:
            cursor.execute(query("fold_marks"))
            changed += int(cursor.rowcount)
            cursor.execute("DELETE FROM syncjobs_joblabelcount WHERE n = 0")
        if is_locked and (has_jobs or has_marks):
            cursor.execute("DELETE FROM syncjobs_jobcount WHERE n = 0")
        if is_locked and has_errors:
            changed += errors.fold(cursor)
        if is_locked and (has_jobs or has_errors or has_events):
            # Also without events, to note that the fold works.
            metrics.fold(cursor)
    if changed or has_events or has_marks:
        _vacuum_deltas()
    return changed


def _vacuum_deltas() -> None:
    """Remove the folded deltas: every read scans them, and autovacuum runs once a minute at most. Skip it without the right."""
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        for table, vacuum in (
            ("syncjobs_jobdelta", "VACUUM (SKIP_LOCKED) syncjobs_jobdelta"),
            ("syncjobs_jobmarkdelta", "VACUUM (SKIP_LOCKED) syncjobs_jobmarkdelta"),
            ("syncjobs_errordelta", "VACUUM (SKIP_LOCKED) syncjobs_errordelta"),
            ("syncjobs_metricdelta", "VACUUM (SKIP_LOCKED) syncjobs_metricdelta"),
        ):
            cursor.execute(_NEEDS_VACUUM, [_VACUUM_ABOVE_BYTES, table])
            if cursor.fetchone()[0]:
                cursor.execute(vacuum)


def wrong_cells() -> int:
    """Return how many counts differ from COUNT(*), in one snapshot. Reads all jobs and errors."""
    with connection.cursor() as cursor:
        cursor.execute(query("wrong_counts"))
        return int(cursor.fetchone()[0])


def rebuild() -> None:
    """Count all jobs and errors again. Nobody can write any meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "LOCK TABLE syncjobs_syncjob, syncjobs_errorgroup, syncjobs_joberror IN SHARE ROW EXCLUSIVE MODE"
        )
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_FOLD_LOCK])
        cursor.execute(query("rebuild_counts"))
