"""How attempts end, and what becomes of their jobs."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from syncjobs.choices import AttemptOutcome, DelayReason, JobStatus
from syncjobs.engine import lease, outcomes
from syncjobs.engine.reconcile import reconcile
from syncjobs.exceptions import Fenced
from syncjobs.models import Attempt, JobError, QuotaCall, SyncJob
from syncjobs.operations import jobs
from syncjobs.sync.playlists import MAX_UNSAVED
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, claim, fanned_out, queue_job, run_all

pytestmark = pytest.mark.django_db


def _expire(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))


def _during_call(youtube: Simulator, number: int, act: Callable[[], object]) -> None:
    """Act while the given call waits for its answer. Calls are counted as they arrive, because several may run at once."""
    arrivals = itertools.count(1)
    youtube.before_answer = lambda operation, parameters: act() if next(arrivals) == number else None


def test_a_lost_job_is_queued_again_and_late_writes_have_no_effect() -> None:
    job = queue_job()
    stale = claim()
    _expire(stale)
    report = reconcile()
    assert report.lost == 1
    fresh = claim(name="w2")
    for write in (
        lambda: outcomes.complete(stale),
        lambda: outcomes.fail(stale, "no", reason="x"),
        lambda: outcomes.retry_later(stale, "no", reason="x"),
        lambda: outcomes.delay(stale, timezone.now(), DelayReason.QUOTA_MAIN, ""),
        lambda: outcomes.release(stale, ""),
        lambda: lease.save_progress(stale, checkpoint={"stale": True}),
        lambda: outcomes.acknowledge_cancel(stale),
    ):
        with pytest.raises(Fenced), transaction.atomic():
            write()
    job.refresh_from_db()
    assert (job.status, job.checkpoint, job.attempts_made) == (JobStatus.IN_PROGRESS, {}, 2)
    stale.refresh_from_db()
    assert stale.outcome == AttemptOutcome.LOST
    assert JobError.objects.count() == 0
    outcomes.complete(fresh)
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


def test_a_job_lost_too_often_fails(settings: object) -> None:
    settings.SYNC_MAX_ATTEMPTS = 3  # type: ignore[attr-defined]
    job = queue_job()
    for _ in range(3):
        _expire(claim())
        reconcile()
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    assert job.job_errors.get().reason == "workerLost"


def test_progress_resets_the_count_of_failures(settings: object) -> None:
    settings.SYNC_MAX_ATTEMPTS = 2  # type: ignore[attr-defined]
    job = queue_job()
    for _ in range(4):
        attempt = claim()
        with transaction.atomic():
            lease.save_progress(attempt, checkpoint={})
        assert outcomes.retry_later(attempt, "503", reason="backendError")
        SyncJob.objects.update(run_at=timezone.now())
    job.refresh_from_db()
    assert (job.status, job.error_count) == (JobStatus.QUEUED, 0)


def test_backoff_grows_within_its_bounds(settings: object) -> None:
    settings.SYNC_RETRY_BASE_SECONDS, settings.SYNC_RETRY_MAX_SECONDS = 10, 60  # type: ignore[attr-defined]
    for failures, longest in ((1, 10), (2, 20), (3, 40), (4, 60), (9, 60)):
        seconds = {outcomes.backoff(failures).total_seconds() for _ in range(50)}
        assert longest / 2 <= min(seconds) <= max(seconds) <= longest
        assert len(seconds) > 1


@pytest.mark.django_db(transaction=True)  # The lease is renewed on another connection.
def test_a_queued_job_is_cancelled_at_once_and_a_running_one_acknowledges(youtube: Simulator) -> None:
    queued = jobs.cancel_job(PERSON, queue_job().pk)
    assert queued.status == JobStatus.CANCELLED
    assert queued.cancel_requested_at <= queued.cancel_acknowledged_at <= queued.completed_at
    band, _ = band_with_videos(youtube.world, 300)
    job = queue_job(band=band)
    reserved = []

    def request() -> None:
        SyncJob.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
        reserved.append(QuotaCall.objects.count())

    _during_call(youtube, 3, request)
    run_all()
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED
    assert job.cancel_requested_at <= job.cancel_acknowledged_at <= job.completed_at
    # The calls that have their units end as usual. No thread starts another after the request.
    assert [len(youtube.calls())] == reserved
    assert reserved[0] <= 3 + MAX_UNSAVED


@pytest.mark.django_db(transaction=True)  # The lease is renewed on another connection.
def test_a_worker_that_shuts_down_releases_its_job_with_the_checkpoint(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 300)
    job = queue_job(band=band)
    _during_call(youtube, 7, lambda: outcomes.request_release("w1"))
    attempt = claim()
    assert run_attempt(attempt) is False
    job.refresh_from_db()
    assert (job.status, job.failures_in_a_row) == (JobStatus.QUEUED, 0)
    assert job.checkpoint["walk"]["pages_read"] >= 3
    run_all()
    job.refresh_from_db()
    assert (job.status, job.videos_found, job.videos_added) == (JobStatus.COMPLETED, 300, 300)
    # Only a page that was fetched ahead may be fetched again.
    assert 12 <= len(youtube.calls()) <= 12 + 1


@pytest.mark.parametrize("end", ["delay", "retry_later", "release"])
def test_a_cancel_requested_while_the_attempt_ends_is_not_lost(end: str) -> None:
    job = queue_job()
    attempt = claim()
    jobs.cancel_job(PERSON, job.pk)
    if end == "delay":
        outcomes.delay(attempt, timezone.now() + dt.timedelta(hours=20), DelayReason.QUOTA_MAIN, "no units left")
    elif end == "retry_later":
        assert outcomes.retry_later(attempt, "no answer", reason="timeout") is False
    else:
        outcomes.release(attempt, "shutting down")
    job.refresh_from_db()
    attempt.refresh_from_db()
    assert (job.status, attempt.outcome) == (JobStatus.CANCELLED, AttemptOutcome.CANCELLED)
    assert job.completed_at is not None


@pytest.mark.django_db(transaction=True)  # Eight connections end children at once.
def test_a_parent_completes_when_its_last_children_end_together() -> None:
    parent, _children = fanned_out(8)
    attempts = [claim() for _ in range(8)]

    def end(child: Any) -> None:
        outcomes.complete(child)
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, attempts))
    parent.refresh_from_db()
    assert (parent.status, parent.progress_done) == (JobStatus.COMPLETED, 8)
    assert parent.events.filter(kind="COMPLETED").count() == 1
