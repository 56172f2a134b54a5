"""Figures of jobs: rates, durations, series over time, and stuck attempts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Sum

from .. import counters
from ..choices import ACTIVE_STATUSES, TERMINAL_STATUSES, JobStatus, JobType
from ..counters import Selection
from ..engine import clock
from ..models import JobError, SyncJob

PERIODS = {"24h": dt.timedelta(hours=24), "7d": dt.timedelta(days=7), "30d": dt.timedelta(days=30)}
SHORTEST_STUCK_SECONDS = 60

_SLICES, _PER_SLICE = 10, 20
BUCKET_SAMPLE = _SLICES * _PER_SLICE
"""A point of `durations` samples at most this many jobs, spread evenly over its hour or day."""
_DAY_SLICES = 100
DAY_SAMPLE = _DAY_SLICES * _PER_SLICE
"""The times of `metrics` sample at most this many jobs of the last 24 hours, so their cost doesn't grow."""

_RATE = """
    SELECT count(*) / 60.0 FROM syncjobs_syncjob
     WHERE status = ANY(%(ended)s) AND job_type = ANY(%(types)s) AND completed_at >= %(hour)s"""
# The first jobs created in each slice of each bucket. All-bands jobs are left out: they last as long as their children wait.
_SAMPLE = """
      FROM unnest(%(buckets)s::timestamptz[]) AS bucket (since)
     CROSS JOIN generate_series(0, %(slices)s - 1) AS slice
     CROSS JOIN LATERAL (
          SELECT status, fans_out, extract(epoch FROM completed_at - started_at)::float8 AS took,
                 extract(epoch FROM started_at - created_at)::float8 AS waited
            FROM syncjobs_syncjob
           WHERE created_at >= bucket.since + slice * %(step)s::interval / %(slices)s
             AND created_at < bucket.since + (slice + 1) * %(step)s::interval / %(slices)s
           ORDER BY created_at, id LIMIT %(per_slice)s) AS job
     WHERE job.took IS NOT NULL AND NOT job.fans_out"""
_DAY_TIMES = f"""
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY 1000 * took),
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY 1000 * waited) {_SAMPLE}"""
_DURATIONS = f"""
    SELECT bucket.since, count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY took) {_SAMPLE}
       AND job.status = 'COMPLETED' GROUP BY 1"""
_STUCK = """
    WITH running AS MATERIALIZED (
             SELECT a.job_id, a.number, a.worker, a.started_at, j.job_type, j.band_name,
                    extract(epoch FROM now() - a.started_at)::float8 AS running
               FROM syncjobs_attempt a JOIN syncjobs_syncjob j ON j.id = a.job_id
              WHERE a.outcome = 'RUNNING' AND NOT j.fans_out AND a.started_at < now() - %(shortest)s * interval '1 second'),
         usual AS (
             SELECT kind.job_type, took.seconds FROM (SELECT DISTINCT job_type FROM running) AS kind
              CROSS JOIN LATERAL (
                  SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS seconds
                    FROM (SELECT extract(epoch FROM completed_at - started_at)::float8 AS took FROM syncjobs_syncjob
                           WHERE status = 'COMPLETED' AND job_type = kind.job_type AND started_at IS NOT NULL
                           ORDER BY created_at DESC, id DESC LIMIT 200) AS recent) AS took)
    SELECT job_id, number, worker, started_at, job_type, band_name, seconds, running
      FROM running JOIN usual USING (job_type)
     WHERE running > COALESCE(seconds, 0) ORDER BY running DESC"""


def last_errors(job_ids: Collection[int]) -> dict[int, str]:
    """Return the message of each job's newest error, including those of attempts that are retried automatically."""
    if not job_ids:
        return {}
    newest = JobError.objects.filter(job_id__in=job_ids).order_by("job_id", "-pk").distinct("job_id")
    return dict(newest.values_list("job_id", "message"))


class Again(NamedTuple):
    """The queued or running job that does the work of another one again: its retry, or one that covers it."""

    job_id: int
    is_retry: bool


def active_again(covered_by: Mapping[int, int | None]) -> dict[int, Again]:
    """Return which queued or running job does the work of each job again, if one does.

    `covered_by` has the jobs' ids, and of each the id of the job that covers it, or None.
    """
    if not covered_by:
        return {}
    # Statuses are compared here. If the queries had them, PostgreSQL would start with all active jobs.
    others = {other for other in covered_by.values() if other}
    covering = SyncJob.objects.filter(pk__in=others).order_by().values_list("pk", "status") if others else ()
    active = {other for other, status in covering if status in ACTIVE_STATUSES}
    found = {job_id: Again(other, is_retry=False) for job_id, other in covered_by.items() if other and other in active}
    retries = SyncJob.objects.filter(retry_of__in=covered_by).order_by("pk").values_list("retry_of", "pk", "status")
    for job_id, retry, status in retries:
        if job_id is not None and status in ACTIVE_STATUSES:
            found[job_id] = Again(retry, is_retry=True)
    return found


def metrics() -> dict[str, Any]:
    """Return counts of jobs by status, and rates and times (ms); a rate or time is None without data.

    The success rate is that of the jobs created in the last 24 hours that have completed or failed. `per_minute` counts
    the jobs that ended in the last hour. Times are of a sample of the jobs created in the last 24 hours.
    """
    now = clock.now()
    day = now - PERIODS["24h"]
    counts = dict.fromkeys(JobStatus.values, 0)
    for cell in counters.cells(Selection()):
        counts[cell.status] += cell.n
    ended = dict.fromkeys(JobStatus.values, 0)
    for cell in counters.cells(Selection(statuses=(JobStatus.COMPLETED, JobStatus.FAILED), start=day)):
        ended[cell.status] += cell.n
    completed, failed = ended[JobStatus.COMPLETED], ended[JobStatus.FAILED]
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "ended": list(TERMINAL_STATUSES),
            "types": JobType.values,
            "hour": now - dt.timedelta(hours=1),
        }
        cursor.execute(_RATE, values)
        (per_minute,) = cursor.fetchone()
        cursor.execute(_DAY_TIMES, _sampling([day], PERIODS["24h"], _DAY_SLICES))
        durations, waits = cursor.fetchone()
    return {
        "counts": counts,
        "success_rate": completed / (completed + failed) if completed + failed else None,
        "per_minute": round(float(per_minute), 2),
        "duration_p50": durations and round(durations[0]),
        "duration_p95": durations and round(durations[1]),
        "wait_p50": waits and round(waits[0]),
        "wait_p95": waits and round(waits[1]),
        "as_of": now,
    }


def start_of(period: str, now: dt.datetime) -> dt.datetime:
    """Return when the series of the period begin: a whole hour (24h) or day in UTC, at least the period before `now`."""
    return _buckets(period, now)[1][0]


def trends(period: str) -> list[dict[str, Any]]:
    """Return the jobs created in each hour (24h) or day of the period, in UTC, with their number by current status."""
    step, starts = _buckets(period, clock.now())
    series = {since: dict.fromkeys(JobStatus.values, 0) for since in starts}
    for cell in counters.series(Selection(start=starts[0]), hourly=step == counters.HOUR):
        if cell.since in series:
            series[cell.since][cell.status] += cell.n
    return [
        {"since": since, "created": sum(by.values()), **{name.lower(): n for name, n in by.items()}}
        for since, by in series.items()
    ]


def durations(period: str) -> list[dict[str, Any]]:
    """Return p50 and p95 of how long completed jobs took (seconds), by hour (24h) or day of creation in UTC.

    They are of a sample of at most BUCKET_SAMPLE jobs a point, of size `jobs`, and None if there are none. All-bands jobs
    are left out: they last as long as their children wait.
    """
    step, starts = _buckets(period, clock.now())
    with connection.cursor() as cursor:
        cursor.execute(_DURATIONS, _sampling(starts, step, _SLICES))
        by_bucket = {since: (jobs, times) for since, jobs, times in cursor.fetchall()}
    series = []
    for since in starts:
        jobs, times = by_bucket.get(since, (0, (None, None)))
        series.append({"since": since, "jobs": jobs, "p50": times[0], "p95": times[1]})
    return series


def _sampling(buckets: list[dt.datetime], step: dt.timedelta, slices: int) -> dict[str, Any]:
    return {"buckets": buckets, "step": step, "slices": slices, "per_slice": _PER_SLICE}


def _buckets(period: str, now: dt.datetime) -> tuple[dt.timedelta, list[dt.datetime]]:
    """Return the step, and the starts of the hours (24h) or days in the period in UTC, oldest first."""
    now = now.astimezone(dt.UTC)
    step = counters.HOUR if period == "24h" else counters.DAY
    begin = (now - PERIODS[period]).replace(minute=0, second=0, microsecond=0)
    if step == counters.DAY:
        begin = begin.replace(hour=0)
    return step, [begin + number * step for number in range((now - begin) // step + 1)]


def stuck() -> list[dict[str, Any]]:
    """Return attempts that run longer than a minute and than p95 of their job type; `factor` is the ratio to that."""
    with connection.cursor() as cursor:
        cursor.execute(_STUCK, {"shortest": SHORTEST_STUCK_SECONDS})
        rows = cursor.fetchall()
    return [
        {
            "job_id": job_id,
            "attempt": number,
            "worker": worker,
            "started_at": started,
            "job_type": job_type,
            "band_name": band or None,
            "usual_seconds": usual,
            "running_seconds": running,
            "factor": round(running / usual, 1) if usual else None,
        }
        for job_id, number, worker, started, job_type, band, usual, running in rows
    ]


def children(job: SyncJob) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of a job's children by status, and the sums of their results by column."""
    names = ("videos_found", "videos_added", "videos_updated", "videos_unavailable", "quota_used", "error_count")
    sums = job.children.order_by().values("status").annotate(n=Count("pk"), **{name: Sum(name) for name in names})
    rows: list[Any] = list(sums)
    return {row["status"]: row["n"] for row in rows}, {name: sum(row[name] for row in rows) for name in names}
