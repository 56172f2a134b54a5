"""Figures of jobs, workers and the quota."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, MODERATOR, NOBODY, PLAIN, delete, get, head

REQUESTS: list[Any] = [
    get("admin/jobs/metrics"),
    head("admin/jobs/metrics"),
    get("admin/jobs/metrics?x=1"),
    get("admin/jobs/metrics", NOBODY),
    get("admin/jobs/metrics", PLAIN),
    get("admin/jobs/trends"),
    get("admin/jobs/trends?period=7d"),
    get("admin/jobs/trends?period=30d"),
    get("admin/jobs/trends?period=1y"),
    get("admin/jobs/trends?from=1"),
    get("admin/jobs/trends", NOBODY),
    get("admin/jobs/trends", PLAIN),
    [get("admin/jobs/metrics"), get("admin/jobs/metrics", headers={"If-None-Match": "{last.etag}"})],
    get("admin/jobs/stuck"),
    head("admin/jobs/stuck"),
    get("admin/jobs/stuck?x=1"),
    get("admin/jobs/stuck", NOBODY),
    get("admin/jobs/stuck", PLAIN),
    get("admin/workers"),
    head("admin/workers"),
    get("admin/workers?x=1"),
    get("admin/workers", NOBODY),
    get("admin/workers", PLAIN),
    [delete("admin/workers/celery@north-2"), delete("admin/workers/celery@north-2"), get("admin/workers")],
    delete("admin/workers/celery@north-1"),
    delete("admin/workers/celery@north-2", MODERATOR),
    delete("admin/workers/celery@north-2", ADMIN, {"x": 1}),
    delete("admin/workers/celery@north-2?x=1"),
    get("admin/quota"),
    head("admin/quota"),
    get("admin/quota?x=1"),
    get("admin/quota", NOBODY),
    get("admin/quota", PLAIN),
    get("admin/quota/history?days=1"),
    get("admin/quota/history?days=5"),
    get("admin/quota/history?days=0"),
    get("admin/quota/history?days=366"),
    get("admin/quota/history?days=x"),
    get("admin/quota/history?limit=1"),
    get("admin/quota/history", NOBODY),
    get("admin/quota/history", PLAIN),
]
