"""How the jobs are doing: rates, durations, series and what is stuck."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection
from django.utils import timezone

from . import counters
from .choices import JobStatus
from .counters import Selection

PERIODS = {"24h": dt.timedelta(hours=24), "7d": dt.timedelta(days=7), "30d": dt.timedelta(days=30)}
SHORTEST_STUCK_SECONDS = 60

_ENDED = """
    SELECT count(*) FILTER (WHERE status = 'COMPLETED'), count(*) FILTER (WHERE status = 'FAILED'),
           count(*) FILTER (WHERE completed_at >= %(hour)s) / 60.0,
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM completed_at - started_at)::float8),
           percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY 1000 * extract(epoch FROM started_at - created_at)::float8)
      FROM syncjobs_syncjob WHERE completed_at >= %(day)s AND started_at IS NOT NULL"""
_STUCK = """
    SELECT a.job_id, a.number, a.worker, a.started_at, j.job_type, j.band_name, usual.seconds,
           extract(epoch FROM now() - a.started_at)::float8 AS running
      FROM syncjobs_attempt a JOIN syncjobs_syncjob j ON j.id = a.job_id
      CROSS JOIN LATERAL (
          SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY took) AS seconds
            FROM (SELECT extract(epoch FROM completed_at - started_at)::float8 AS took FROM syncjobs_syncjob
                   WHERE status = 'COMPLETED' AND job_type = j.job_type AND started_at IS NOT NULL
                   ORDER BY created_at DESC, id DESC LIMIT 200) AS recent) AS usual
     WHERE a.outcome = 'RUNNING' AND NOT j.fans_out
       AND extract(epoch FROM now() - a.started_at) > greatest(COALESCE(usual.seconds, 0), %(shortest)s)
     ORDER BY running DESC"""


def metrics() -> dict[str, Any]:
    """Counts of all jobs by status; rates and times (ms) of those that ended in the last 24 hours, None when none did."""
    now = timezone.now()
    counts = dict.fromkeys(JobStatus.values, 0)
    for cell in counters.cells(Selection()):
        counts[cell.status] += cell.n
    with connection.cursor() as cursor:
        cursor.execute(_ENDED, {"hour": now - dt.timedelta(hours=1), "day": now - PERIODS["24h"]})
        completed, failed, per_minute, durations, waits = cursor.fetchone()
    return {
        "counts": counts,
        "successRate": completed / (completed + failed) if completed + failed else None,
        "perMinute": round(float(per_minute), 2),
        "durationP50": durations and round(durations[0]),
        "durationP95": durations and round(durations[1]),
        "waitP50": waits and round(waits[0]),
        "waitP95": waits and round(waits[1]),
        "asOf": now,
    }


def trends(period: str) -> list[dict[str, Any]]:
    """Jobs by the hour (24h) or day they were created in, UTC, each with how many of them have which status now."""
    now = timezone.now()
    step = counters.HOUR if period == "24h" else counters.DAY
    begin = (now - PERIODS[period]).replace(minute=0, second=0, microsecond=0)
    if step == counters.DAY:
        begin = begin.replace(hour=0)
    series: dict[dt.datetime, dict[str, int]] = {}
    at = begin
    while at <= now:
        series[at] = dict.fromkeys(JobStatus.values, 0)
        at += step
    for cell in counters.series(Selection(start=begin), hourly=step == counters.HOUR):
        if cell.since in series:
            series[cell.since][cell.status] += cell.n
    return [
        {"since": since, "created": sum(by.values()), **{name.lower(): n for name, n in by.items()}}
        for since, by in series.items()
    ]


def stuck() -> list[dict[str, Any]]:
    """Attempts that run longer than 95 of 100 jobs of their type did, and longer than a minute; `factor` says how far."""
    with connection.cursor() as cursor:
        cursor.execute(_STUCK, {"shortest": SHORTEST_STUCK_SECONDS})
        rows = cursor.fetchall()
    return [
        {
            "jobId": str(job_id),
            "attempt": number,
            "worker": worker,
            "startedAt": started,
            "jobType": job_type,
            "bandName": band or None,
            "usualSeconds": usual,
            "runningSeconds": running,
            "factor": round(running / usual, 1) if usual else None,
        }
        for job_id, number, worker, started, job_type, band, usual, running in rows
    ]
