from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from syncjobs.choices import DelayReason, JobStatus
from syncjobs.engine import clock, quota
from syncjobs.engine.claim import claim_next
from syncjobs.exceptions import QuotaExhausted
from syncjobs.models import QuotaCall, QuotaDay, SyncJob
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.costs import Bucket, Operation, next_reset
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import PERSON, SCHEDULE, band_with_videos, queue_job, run_all, run_next, worker

pytestmark = pytest.mark.django_db(transaction=True)


def _work(name: str) -> None:
    try:
        while (attempt := claim_next("video-sync", worker(name))) is not None:
            run_attempt(attempt)
    finally:
        connections.close_all()


def test_16_workers_spend_37_units_and_not_one_more(youtube: Simulator, settings: object) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 137, 100  # type: ignore[attr-defined]
    for number in range(20):
        band, _ = band_with_videos(youtube.world, 120, f"band{number}")
        queue_job(actor=SCHEDULE, band=band)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_work, [f"w{number}" for number in range(16)]))
    assert len(youtube.calls()) == 37
    assert QuotaDay.objects.get(bucket="main").used == 37 == QuotaCall.objects.count()
    unfinished = SyncJob.objects.exclude(status=JobStatus.COMPLETED)
    assert unfinished.count() >= 20 - 37 // 6
    reset = next_reset(timezone.now())
    assert set(unfinished.values_list("status", "delay_reason")) == {(JobStatus.QUEUED, DelayReason.QUOTA_MAIN)}
    assert reset + quota.RESTART_DELAY <= min(unfinished.values_list("run_at", flat=True))
    band, _ = band_with_videos(youtube.world, 60, "mine")
    job = queue_job(actor=PERSON, band=band)
    run_all()
    job.refresh_from_db()
    assert (job.status, job.videos_found) == (JobStatus.COMPLETED, 60)
    assert len(youtube.calls()) == 37 + 4


def test_two_workers_begin_a_day_at_once() -> None:
    spender = quota.Spender(is_personal=True)

    def let_another_begin(execute: Any, sql: str, *arguments: Any) -> Any:
        result = execute(sql, *arguments)
        if sql.startswith('UPDATE "syncjobs_quotaday"') and not another:
            with ThreadPoolExecutor(1) as pool:
                another.append(pool.submit(_reserve, spender).result())
        return result

    another: list[quota.Receipt] = []
    with connection.execute_wrapper(let_another_begin):
        mine = quota.reserve(Operation.VIDEOS_LIST, spender)
    assert set(QuotaCall.objects.values_list("pk", flat=True)) == {each.call_id for each in (mine, *another)}
    assert QuotaDay.objects.get(bucket="main").used == 2


def _reserve(spender: quota.Spender) -> quota.Receipt:
    try:
        return quota.reserve(Operation.VIDEOS_LIST, spender)
    finally:
        connections.close_all()


def test_a_day_starts_at_zero_and_refuses_units_past_the_limit(settings: object) -> None:
    settings.YOUTUBE_QUOTA_SEARCH = 1  # type: ignore[attr-defined]
    quota.reserve(Operation.SEARCH_LIST, quota.Spender(is_personal=True))
    with pytest.raises(QuotaExhausted) as refused:
        quota.reserve(Operation.SEARCH_LIST, quota.Spender(is_personal=True))
    assert refused.value.until == next_reset(timezone.now())
    assert QuotaCall.objects.count() == 1
    assert {state.bucket: state.used for state in quota.today()} == {"main": 0, "search": 1, "stats": 0}


@pytest.mark.parametrize("fault", ["quotaExceeded", "dailyLimitExceeded", "perDay429"])
def test_a_bucket_closed_by_youtube_delays_all_jobs_and_fails_none(
    youtube: Simulator, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = next_reset(timezone.now()) - dt.timedelta(hours=12)
    monkeypatch.setattr(clock, "now", lambda: noon)
    for number in range(3):
        band, _ = band_with_videos(youtube.world, 60, f"band{number}")
        queue_job(band=band)
    youtube.faults.add(Fault(fault))
    run_all()
    assert len(youtube.calls()) == 1
    assert quota.today()[0].closed_at is not None
    assert set(SyncJob.objects.values_list("status", "delay_reason")) == {(JobStatus.QUEUED, DelayReason.QUOTA_MAIN)}
    youtube.faults.clear()
    QuotaDay.objects.all().delete()
    SyncJob.objects.update(run_at=timezone.now())
    run_all()
    assert set(SyncJob.objects.values_list("status", "videos_found")) == {(JobStatus.COMPLETED, 60)}


def test_the_ledger_has_each_http_attempt_and_its_result(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 10)
    youtube.faults.add(Fault("unavailable", times=1), Fault("drop", times=1, operation="videos.list"))
    queue_job(band=band)
    job = run_next()
    rows = list(QuotaCall.objects.order_by("pk").values_list("operation", "http_status", "reason", "job_id"))
    assert rows == [
        ("playlistItems.list", 503, "backendError", job.pk),
        ("playlistItems.list", 200, "", job.pk),
        ("videos.list", None, "connection", job.pk),
        ("videos.list", 200, "", job.pk),
    ]
    assert job.quota_used == 4 == len(youtube.calls())
    assert job.error_count == 0


def test_buckets_show_the_units_left_for_each_kind_of_job(settings: object) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 10, 4  # type: ignore[attr-defined]
    for _ in range(6):
        quota.reserve(Operation.VIDEOS_LIST, quota.Spender(is_personal=False))
    main = next(state for state in quota.today() if state.bucket == Bucket.MAIN)
    assert (main.left_for_automatic_syncs, main.left_for_manual_syncs) == (0, 4)
