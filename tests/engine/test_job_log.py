"""One line in the log for each step of a job, with durations, counts and units."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

import pytest
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from syncjobs.choices import DelayReason, JobStatus
from syncjobs.engine import log_context, outcomes
from syncjobs.models import Attempt, SyncJob
from syncjobs.operations import jobs as operations
from syncjobs.sync.context import JobContext, JobMeter
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, claim, fanned_out, full_sync, queue_job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    caplog.set_level(logging.INFO)

    def read() -> list[logging.LogRecord]:
        return [record for record in caplog.records if record.name == "syncjobs.engine.job_log"]

    return read


Lines = Callable[[], list[logging.LogRecord]]


def _lose(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=Now() - dt.timedelta(seconds=1))
    outcomes.mark_lost(attempt.pk)


def test_a_sync_is_logged_with_its_durations_counts_and_units(youtube: Simulator, lines: Lines) -> None:
    band, _channel = band_with_videos(youtube.world, 60)
    job = full_sync(band)
    started, ended = lines()
    for line in (started, ended):
        assert (line.job, line.attempt, line.job_type) == (job.pk, 1, "FULL_SYNC")  # type: ignore[attr-defined]
        assert (line.band, line.band_id, line.worker) == ("Herons", band.pk, "w1")  # type: ignore[attr-defined]
    assert started.event == "job_started"  # type: ignore[attr-defined]
    assert 0 <= started.waited_seconds < 60  # type: ignore[attr-defined]
    assert ended.event == "job_completed"  # type: ignore[attr-defined]
    assert 0 < ended.seconds < 60  # type: ignore[attr-defined]
    figures = {"videos_found": 60, "videos_added": 60, "videos_updated": 0, "errors": 0, "units": job.quota_used}
    assert {name: getattr(ended, name) for name in figures} == figures
    assert "60 found, 60 added, 0 updated, 0 unavailable, 0 errors, 4 units" in ended.getMessage()


@pytest.mark.parametrize(
    ("end", "event", "level"),
    [
        (outcomes.complete, "job_completed", "INFO"),
        (lambda attempt: outcomes.fail(attempt, "It broke.", reason="broken"), "job_failed", "WARNING"),
        (lambda attempt: outcomes.retry_later(attempt, "It broke.", reason="broken"), "job_retrying", "WARNING"),
        (
            lambda attempt: outcomes.delay(attempt, timezone.now(), DelayReason.QUOTA_MAIN, "No units."),
            "job_delayed",
            "INFO",
        ),
        (lambda attempt: outcomes.release(attempt, "The worker is shutting down."), "job_released", "INFO"),
        (outcomes.acknowledge_cancel, "job_cancelled", "INFO"),
        (_lose, "job_lost", "WARNING"),
    ],
)
def test_each_end_of_an_attempt_is_one_line(
    end: Callable[[Attempt], object], event: str, level: str, lines: Lines
) -> None:
    queue_job()
    end(claim())
    [line] = lines()[1:]
    assert (line.event, line.levelname, line.attempt) == (event, level, 1)  # type: ignore[attr-defined]
    assert line.errors == SyncJob.objects.get().error_count  # type: ignore[attr-defined]


def test_a_job_that_ends_without_an_attempt_is_logged_too(lines: Lines) -> None:
    job = queue_job()
    operations.cancel_job(PERSON, job.pk)
    [line] = lines()
    assert (line.event, line.job) == ("job_cancelled", job.pk)  # type: ignore[attr-defined]
    assert "cancelled before it started" in line.getMessage()


def test_an_all_bands_job_is_logged_with_its_childrens_sums(lines: Lines) -> None:
    parent, children = fanned_out(2)
    SyncJob.objects.filter(pk=children[0].pk).update(videos_added=3)
    for _ in children:
        outcomes.complete(claim())
    assert SyncJob.objects.get(pk=parent.pk).status == JobStatus.COMPLETED
    mine = [line for line in lines() if line.job == parent.pk]  # type: ignore[attr-defined]
    assert [line.event for line in mine] == ["job_started", "job_fanned_out", "job_completed"]  # type: ignore[attr-defined]
    assert mine[-1].videos_added == 3  # type: ignore[attr-defined]


def test_nothing_is_logged_that_is_rolled_back(lines: Lines) -> None:
    queue_job()
    attempt = claim()
    with transaction.atomic():
        outcomes.complete(attempt)
        transaction.set_rollback(True)
    assert [line.event for line in lines()] == ["job_started"]  # type: ignore[attr-defined]


def test_the_threads_of_a_job_know_it(youtube: Simulator) -> None:
    queue_job()
    attempt = claim()
    with log_context.bound(job=attempt.job_id):
        future = JobContext(attempt, JobMeter(attempt)).fetch_ahead(log_context.current)
    assert future.result()["job"] == attempt.job_id
    assert "job" not in log_context.current()
