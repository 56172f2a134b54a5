"""Fill a PostgreSQL of its own with a realistic history of N jobs: `make seed-jobs N=10000000`.

Skewed bands, 60 days, 3 % failed over 300 error groups of which the largest has a fifth. What was there before is lost,
which is why it goes into services of its own (SYNCMONITOR_INSTANCE=bench-N).
"""

from __future__ import annotations

import os
import sys
import time

BANDS, GROUPS, DAYS = 500, 300, 60

_JOBS = """
INSERT INTO syncjobs_syncjob (
    id, job_type, status, queue, priority, band_id, band_name, fans_out, params, run_at, delay_reason, attempts_made,
    failures_in_a_row, checkpoint, videos_found, videos_added, videos_updated, videos_unavailable, progress_done,
    progress_total, quota_used, error_count, requested_by_label, origin, cancel_requested_by, created_at, started_at,
    completed_at)
SELECT i, kind, state,
       CASE WHEN kind IN ('FULL_SYNC', 'INCREMENTAL_SYNC') THEN 'video-sync'
            WHEN kind IN ('SINGLE_VIDEO', 'ENRICH') THEN 'video-processing' ELSE 'maintenance' END,
       20, band, CASE WHEN band IS NULL THEN '' ELSE 'Band ' || band END, false, '{}', created, '', 1, 0, '{}',
       i %% 50, i %% 3, i %% 7, 0, i %% 50, i %% 50, 2, CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END,
       CASE WHEN i %% 20 = 0 THEN 'pat' ELSE 'schedule: Incremental sync of all bands' END, 'SCHEDULE', '', created,
       CASE WHEN state <> 'QUEUED' THEN created + (random() * 600) * interval '1 second' END,
       CASE WHEN state NOT IN ('QUEUED', 'IN_PROGRESS') THEN created + (600 + random() * 120) * interval '1 second' END
  FROM (SELECT i, kind, created,
               CASE WHEN kind IN ('ENRICH', 'STATS_REFRESH', 'AVAILABILITY_CHECK', 'PRUNE') THEN NULL
                    ELSE 1 + floor(%(bands)s * chance_of_band ^ 3)::bigint END AS band,
               CASE WHEN i > %(n)s - 200 THEN 'QUEUED' WHEN i > %(n)s - 220 THEN 'IN_PROGRESS'
                    WHEN chance < 0.03 THEN 'FAILED' WHEN chance < 0.04 THEN 'CANCELLED' ELSE 'COMPLETED' END AS state
          FROM (SELECT i, random() AS chance, random() AS chance_of_band,
                       now() - make_interval(secs => (%(n)s - i + random())::float8 * %(days)s * 86400 / %(n)s) AS created,
                       (ARRAY['INCREMENTAL_SYNC', 'FULL_SYNC', 'SINGLE_VIDEO', 'ENRICH', 'STATS_REFRESH',
                              'AVAILABILITY_CHECK', 'PRUNE'])
                           [CASE WHEN i %% 1000 = 7 THEN 7 ELSE (ARRAY[1,1,1,1,1,1,1,2,3,4,4,5,6])[1 + floor(random() * 13)::int] END] AS kind
                  FROM generate_series(1, %(n)s) AS i) AS chances) AS jobs
"""
_ERRORS = """
INSERT INTO syncjobs_joberror (job_id, attempt_number, group_id, band_id, reason, message, item_id, will_retry, created_at)
SELECT id, 1, lpad(to_hex(kind), 16, '0'), band_id, 'reason' || kind,
       'Error of kind ' || kind || ' for item ' || id || ': the server said no', '', false, completed_at
  FROM (SELECT id, band_id, completed_at,
               CASE WHEN random() < 0.2 THEN 1 ELSE 2 + floor(%(groups)s * random() ^ 2)::int END AS kind
          FROM syncjobs_syncjob WHERE status = 'FAILED') AS failed
"""
_GROUPS = """
INSERT INTO syncjobs_errorgroup (fingerprint, reason, message, sample, is_permanent, count, first_seen_at, last_seen_at,
                                 acknowledged_by, note)
SELECT group_id, min(reason), regexp_replace(min(message), 'item \\d+', 'item <n>'), max(message), true, count(*),
       min(created_at), max(created_at), '', ''
  FROM syncjobs_joberror GROUP BY group_id
"""


def seed(count: int) -> None:
    """Replace all jobs by `count` new ones."""
    from django.db import connection

    from syncjobs import counters

    def execute(sql: str, values: dict[str, int] | None = None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)

    execute("TRUNCATE syncjobs_syncjob, syncjobs_errorgroup, bands_band CASCADE")
    execute(
        "INSERT INTO bands_band (id, name, slug, school_name, nickname, city, state, conference, band_type, search_keywords,"
        " primary_color, secondary_color, is_active, is_featured, channel_reference, channel_id, channel_handle,"
        " channel_title, uploads_playlist_id, extra_playlists, consecutive_failures, channel_problem, created_at, updated_at)"
        " SELECT i, 'Band ' || i, 'band-' || i, '', '', '', '', '', '', '{}', '', '', true, false, '', '', '', '', '', '{}',"
        " 0, '', now(), now() FROM generate_series(1, %(bands)s) AS i",
        {"bands": BANDS},
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'syncjobs_syncjob' AND indexname <> 'syncjobs_syncjob_pkey'"
        )
        indexes = cursor.fetchall()
    for name, _ in indexes:
        execute(f'DROP INDEX "{name}"')
    execute("SET maintenance_work_mem = '1GB'")
    execute("SET session_replication_role = replica")
    execute(_JOBS, {"n": count, "bands": BANDS, "days": DAYS})
    execute("SELECT setval(pg_get_serial_sequence('syncjobs_syncjob', 'id'), %(n)s)", {"n": count})
    execute(_ERRORS, {"groups": GROUPS - 2})
    execute(_GROUPS)
    execute("SET session_replication_role = origin")
    for _, definition in indexes:
        execute(definition)
    counters.rebuild()
    execute("VACUUM ANALYZE")


def fill(count: int) -> None:
    """Seed, unless there are as many jobs already."""
    from syncjobs.models import SyncJob

    if SyncJob.objects.count() != count:
        seed(count)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdecimal() else 0
    if not 1000 <= count <= 100_000_000:
        sys.exit("Say how many jobs, from 1000 to 100000000: make seed-jobs N=10000000")
    prepare(count)
    from syncjobs.models import SyncJob

    began = time.monotonic()
    seed(count)
    sys.stdout.write(f"{SyncJob.objects.count()} jobs in {time.monotonic() - began:.0f} s\n")


def prepare(count: int, *, migrate: bool = True) -> None:
    """Django on services of its own for this many jobs."""
    os.environ |= {
        "DEBUG": "true",
        "SYNCMONITOR_INSTANCE": f"bench-{count}",
        "DJANGO_SETTINGS_MODULE": "syncmonitor.settings",
    }
    os.environ.setdefault("YOUTUBE_API_KEY", "simulated-key")
    from syncmonitor import embedded

    embedded.ensure()
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.DEBUG = False  # or every statement would be remembered
    if migrate:
        call_command("migrate", verbosity=0)


if __name__ == "__main__":
    main()
