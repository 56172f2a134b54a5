"""Figures about jobs: metrics, trends and jobs that run too long."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from syncjobs.choices import JobStatus, Role
from syncjobs.engine import outcomes
from syncjobs.models import Attempt, SyncJob
from tests.clients import Api
from tests.factories import claim, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Api:
    return Api(Role.ADMIN)


def test_metrics_and_trends_count_the_jobs(admin: Api) -> None:
    empty = admin.get("admin/jobs/metrics").json()
    assert (empty["successRate"], empty["durationP50"], empty["counts"]["FAILED"]) == (None, None, 0)
    for number in range(4):
        queue_job("PRUNE")  # type: ignore[arg-type]
        if number == 0:
            outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
        else:
            outcomes.complete(claim("maintenance"))
    result = admin.get("admin/jobs/metrics").json()
    assert (result["successRate"], result["counts"]["COMPLETED"], result["perMinute"]) == (0.75, 3, 0.07)
    assert result["durationP95"] >= result["durationP50"] >= 0
    SyncJob.objects.filter(status=JobStatus.FAILED).update(created_at=timezone.now() - dt.timedelta(days=3))
    for period, created, points in (("24h", 3, 25), ("7d", 4, 8), ("30d", 4, 31)):
        series = admin.get("admin/jobs/trends", period=period).json()["series"]
        assert (sum(point["created"] for point in series), len(series)) == (created, points)
    assert admin.get("admin/jobs/trends", period="1y").json()["errors"][0]["field"] == "period"


def test_a_job_that_runs_longer_than_usual_is_stuck(admin: Api) -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    claim("maintenance")
    assert admin.get("admin/jobs/stuck").json()["data"] == []
    Attempt.objects.filter(job=job).update(started_at=timezone.now() - dt.timedelta(minutes=10))
    (row,) = admin.get("admin/jobs/stuck").json()["data"]
    assert (row["jobId"], row["factor"], round(row["runningSeconds"], -1)) == (str(job.pk), None, 600)
