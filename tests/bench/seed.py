"""Fill a separate PostgreSQL with a realistic history of N jobs: `make seed-jobs N=10000000`.

Skewed bands, 60 days, 3 % failed in 300 error groups, of which the largest has a fifth of the errors. Existing jobs are
deleted, so the bench uses services of its own (SYNCMONITOR_INSTANCE=bench-N).
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from syncjobs.engine.fingerprints import fingerprint, normalize

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
               CASE WHEN i > %(n)s - %(queued)s THEN 'QUEUED' WHEN i > %(n)s - %(queued)s - %(running)s THEN 'IN_PROGRESS'
                    WHEN chance < 0.03 THEN 'FAILED' WHEN chance < 0.04 THEN 'CANCELLED' ELSE 'COMPLETED' END AS state
          FROM (SELECT i, random() AS chance, random() AS chance_of_band,
                       now() - make_interval(secs => (%(n)s - i + random())::float8 * %(days)s * 86400 / %(n)s) AS created,
                       (ARRAY['INCREMENTAL_SYNC', 'FULL_SYNC', 'SINGLE_VIDEO', 'ENRICH', 'STATS_REFRESH',
                              'AVAILABILITY_CHECK', 'PRUNE'])
                           [CASE WHEN i %% 1000 = 7 THEN 7 ELSE (ARRAY[1,1,1,1,1,1,1,2,3,4,4,5,6])[1 + floor(random() * 13)::int] END] AS kind
                  FROM generate_series(1, %(n)s) AS i) AS chances) AS jobs
"""
_ERRORS = """
INSERT INTO syncjobs_joberror (job_id, attempt_number, group_id, band_id, reason, message, item_id, will_retry,
                               created_at, job_created_at)
SELECT id, 1, kinds.fingerprint[kind], band_id, 'reason' || kind, replace(kinds.text[kind], '12345', id::text), '', false,
       completed_at, created_at
  FROM (SELECT id, band_id, created_at, completed_at,
               CASE WHEN random() < 0.2 THEN 1 ELSE 2 + floor(%(others)s * random() ^ 2)::int END AS kind
          FROM syncjobs_syncjob WHERE status = 'FAILED') AS failed
 CROSS JOIN (SELECT %(fingerprints)s::text[] AS fingerprint, %(texts)s::text[] AS text) AS kinds
"""
_GROUPS = """
INSERT INTO syncjobs_errorgroup (fingerprint, reason, message, sample, is_permanent, count, job_count, band_count, first_seen_at,
                                 last_seen_at, acknowledged_by, note)
SELECT fingerprint, 'reason' || kind, message, text, true, 0, 0, 0, met.first_at, met.last_at, '', ''
  FROM unnest(%(fingerprints)s::text[], %(messages)s::text[], %(texts)s::text[])
       WITH ORDINALITY AS kinds (fingerprint, message, text, kind)
  JOIN (SELECT group_id, min(created_at) AS first_at, max(created_at) AS last_at FROM syncjobs_joberror GROUP BY 1) AS met
       ON met.group_id = fingerprint
"""
_WHAT = ("playlist", "channel", "video", "page", "thumbnail", "caption", "comment", "statistics", "description", "title",
         "upload", "stream", "subscription", "section", "rating")  # fmt: skip
_WHY = ("was not found", "is private", "was refused", "timed out", "is not readable", "broke off", "has no owner",
        "was deleted", "is too long", "is not allowed here", "has moved", "is blocked", "expired", "is empty",
        "is not available", "came twice", "has no date", "is malformed", "was rejected", "is locked")  # fmt: skip
SHARED_TEXT = f"{_WHAT[0]} {_WHY[0]}"
"""Text that only the errors of the largest group contain."""


def _kinds() -> dict[str, list[str]]:
    texts = [f"The {what} {why}: item 12345, after 3 tries." for why in _WHY for what in _WHAT][:GROUPS]
    return {
        "texts": texts,
        "messages": [normalize(text) for text in texts],
        "fingerprints": [fingerprint(f"reason{kind}", text) for kind, text in enumerate(texts, 1)],
    }


def _execute(sql: str, values: dict[str, Any] | None = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def seed(count: int) -> None:
    """Replace all jobs by `count` new ones. If it is interrupted, the database stays as it was."""
    from django.db import transaction

    with transaction.atomic():
        _replace(count)
    _execute("VACUUM ANALYZE")


def _replace(count: int) -> None:
    from django.db import connection

    from syncjobs import counters

    _execute("TRUNCATE syncjobs_syncjob, syncjobs_errorgroup, bands_band CASCADE")
    _execute(
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
        _execute(f'DROP INDEX "{name}"')
    _execute("SET LOCAL maintenance_work_mem = '1GB'")
    _execute("SET LOCAL session_replication_role = replica")
    queued = min(200, count // 1000)
    _execute(_JOBS, {"n": count, "bands": BANDS, "days": DAYS, "queued": queued, "running": 20})
    _execute("SELECT setval(pg_get_serial_sequence('syncjobs_syncjob', 'id'), %(n)s)", {"n": count})
    seed_errors()
    _execute("SET LOCAL session_replication_role = origin")
    for _, definition in indexes:
        _execute(definition)
    counters.rebuild()


def seed_errors() -> None:
    """Add an error to each failed job. Triggers must be off; the caller rebuilds the counts."""
    kinds = _kinds()
    _execute(_ERRORS, {**kinds, "others": GROUPS - 2})
    _execute(_GROUPS, kinds)


def fill(count: int) -> None:
    """Seed, unless the database has that many jobs already."""
    from syncjobs.models import SyncJob

    if SyncJob.objects.count() != count:
        seed(count)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdecimal() else 0
    if not 1000 <= count <= 100_000_000:
        sys.exit("N must be from 1000 to 100000000: make seed-jobs N=10000000")
    prepare(count)
    from syncjobs.models import SyncJob

    began = time.monotonic()
    seed(count)
    sys.stdout.write(f"{SyncJob.objects.count()} jobs in {time.monotonic() - began:.0f} s\n")


def prepare(name: int | str, *, migrate: bool = True) -> None:
    """Set Django up on separate services with this name, which is the number of jobs where that varies."""
    os.environ |= {
        "DEBUG": "true",
        "SYNCMONITOR_INSTANCE": f"bench-{name}",
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
