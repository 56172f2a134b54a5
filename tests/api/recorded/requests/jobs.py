"""Lists of jobs."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import JOBS, NOBODY, PLAIN, Ask, each, fresh, get, head, ids
from tests.api.recorded.world import BROKEN, GONE

_JOB_FILTERS = f"""
    status=FAILED
    status=FAILED&status=CANCELLED
    status=FAILED,CANCELLED
    status=
    jobType=FULL_SYNC
    jobType=STATS_REFRESH,ENRICH&status=QUEUED
    bandId=11
    bandId=999
    queue=maintenance
    queue=maintenance&jobType=FULL_SYNC
    requestedBy=MODERATOR&limit=100
    requestedBy=schedule: Night
    parentId=1006
    error={BROKEN}
    error={GONE}&status=FAILED
    error=ffff
    due=now
    due=later
    delayReason=QUOTA_STATS
    delayReason=RETRY
    search=1003
    search=brass
    search=503
    search=Deleted
    search=nothing like it
    startDate={{hour-4}}
    endDate={{day-3}}&limit=100
    startDate={{day-5}}&endDate={{day-3}}
    startDate={{day-5}}&endDate={{day-5}}&status=COMPLETED
    sortBy=startedAt&limit=5
    sortBy=completedAt&sortOrder=asc&limit=5
    sortBy=createdAt&sortOrder=asc&limit=5
    sortBy=startedAt&sortOrder=asc&status=QUEUED
    page=2&limit=7
    page=3&limit=7&sortBy=completedAt
    page=99
    page=2&limit=3&bandId=11&status=COMPLETED
    page=2&limit=2&search=503&sortOrder=asc
"""
_JOB_REFUSALS = """
    nonsense=1
    status=BROKEN
    jobType=full_sync
    bandId=x
    bandId=0
    bandId=1&bandId=2
    queue=nowhere
    parentId=-1
    error=XYZ
    due=soon
    delayReason=NEVER
    startDate=yesterday
    startDate=2026-02-31
    startDate=2026-11-24T25:00:00
    startDate=2026-11-24&endDate=2026-11-20
    sortBy=band
    sortOrder=up
    page=0
    page=x
    limit=0
    limit=101
    search=%00
    requestedBy=%00
    page=0&limit=0
"""
REQUESTS: list[Any] = [
    get(f"{JOBS}?limit=100"),
    ids(JOBS),
    head(JOBS),
    *each(ids, JOBS, _JOB_FILTERS),
    *each(get, JOBS, _JOB_REFUSALS),
    get(f"{JOBS}?search={'x' * 201}"),
    get(JOBS, NOBODY),
    get(JOBS, PLAIN),
    get(JOBS, headers={"Authorization": "Bearer nonsense"}),
    get(JOBS, headers={"Authorization": "Bearer"}),
    get(JOBS, headers={"Accept": "text/csv"}),
    fresh(JOBS),
    [ids(JOBS), ids(JOBS), Ask("HEAD", f"/api/{JOBS}", headers={"If-None-Match": "{last.etag}"})],
    get(JOBS, headers={"If-None-Match": 'W/"other"'}, ids_only=True),
]
