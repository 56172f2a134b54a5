"""Counters and histograms for Prometheus: they count what happened, and nothing lowers them."""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from bands.models import Band, Video
from syncjobs import counters
from syncjobs.choices import DelayReason, JobType
from syncjobs.engine import outcomes
from syncjobs.engine.clock import now
from syncjobs.freshness import feeds, tally
from syncjobs.models import Alert, AlertDelivery, Attempt, ChannelFeed, MetricDelta, QuotaCall, SyncJob, Worker
from syncjobs.operations import bulk, jobs, queues
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import FEED, Fault
from tests.alerts.channels import make_channel
from tests.factories import PERSON, band_with_videos, claim, failed_job, fanned_out, full_sync, make_band, queue_job
from tests.freshness import site
from tests.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
Metrics = Callable[[], dict[str, float]]


@pytest.fixture
def metrics(settings: LazySettings) -> Metrics:
    settings.METRICS_ALLOWED_ADDRESSES = ["127.0.0.1"]

    def read() -> dict[str, float]:
        text = Client().get("/metrics").content.decode()
        return {
            f"{sample.name.removeprefix('syncmonitor_')} {' '.join(value for _name, value in sorted(sample.labels.items()))}"
            .strip(): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }  # fmt: skip

    return read


def _monotonic(figures: dict[str, float]) -> dict[str, float]:
    """Return those of the figures that may never fall."""
    ends = ("_total", "_count", "_sum", "_bucket")
    return {name: value for name, value in figures.items() if name.partition(" ")[0].endswith(ends)}


def _never_fell(before: dict[str, float], after: dict[str, float]) -> None:
    fallen = {name: (value, after.get(name)) for name, value in _monotonic(before).items() if after[name] < value}
    assert fallen == {}


def _lose(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=Now() - dt.timedelta(seconds=1))
    assert outcomes.mark_lost(attempt.pk)


def test_a_sync_is_counted_with_its_calls_and_durations(youtube: Simulator, metrics: Metrics) -> None:
    assert metrics()["jobs_ended_total COMPLETED FULL_SYNC"] == 0
    band, _channel = band_with_videos(youtube.world, 60)
    job = full_sync(band)
    for _folded in range(2):
        figures = metrics()
        expected = {
            "jobs_ended_total COMPLETED FULL_SYNC": 1,
            "attempts_ended_total SUCCEEDED FULL_SYNC": 1,
            "youtube_units_total main playlistItems.list": 2,
            "youtube_units_total main videos.list": 2,
            "youtube_calls_total videos.list success": 2,
            "youtube_calls_total videos.list no_answer": 0,
            "youtube_call_duration_seconds_count videos.list": 2,
            "youtube_call_duration_seconds_bucket +Inf videos.list": 2,
            "job_duration_seconds_count FULL_SYNC": 1,
            "job_duration_seconds_bucket +Inf FULL_SYNC": 1,
            "queue_wait_seconds_count video-sync FULL_SYNC": 1,
        }
        assert {name: figures[name] for name in expected} == expected
        took = job.completed_at - job.started_at  # type: ignore[operator]
        assert figures["job_duration_seconds_sum FULL_SYNC"] == pytest.approx(took.total_seconds())
        assert figures["last_success_timestamp_seconds FULL_SYNC"] == pytest.approx(job.completed_at.timestamp(), abs=5)  # type: ignore[union-attr]
        counters.fold()
    assert MetricDelta.objects.count() == figures["deltas"] == 0
    assert figures["fold_timestamp_seconds"] == pytest.approx(now().timestamp(), abs=60)


def test_what_becomes_of_attempts_is_counted(metrics: Metrics) -> None:
    queue_job(band=make_band(reference="@herons"))
    outcomes.retry_later(claim(), "It broke.", reason="broken")
    SyncJob.objects.update(run_at=Now())
    _lose(claim())
    outcomes.release(claim(), "The worker is shutting down.")
    outcomes.delay(claim(), now(), DelayReason.QUOTA_MAIN, "No units.")
    outcomes.fail(claim(), "It broke.", reason="broken")
    jobs.retry_job(PERSON, SyncJob.objects.get().pk)
    jobs.cancel_job(PERSON, SyncJob.objects.latest("pk").pk)
    figures = metrics()
    expected = {
        "attempts_ended_total FAILED FULL_SYNC": 2,
        "attempts_ended_total LOST FULL_SYNC": 1,
        "attempts_ended_total RELEASED FULL_SYNC": 1,
        "attempts_ended_total DELAYED FULL_SYNC": 1,
        "attempts_lost_total FULL_SYNC": 1,
        "retries_total automatic FULL_SYNC": 1,
        "retries_total manual FULL_SYNC": 1,
        "jobs_ended_total FAILED FULL_SYNC": 1,
        "jobs_ended_total CANCELLED FULL_SYNC": 1,
        "job_duration_seconds_count FULL_SYNC": 0,
        "queue_wait_seconds_count video-sync FULL_SYNC": 5,
    }
    assert {name: figures[name] for name in expected} == expected


def test_an_all_bands_job_has_no_duration(metrics: Metrics) -> None:
    _parent, children = fanned_out(2)
    for _ in children:
        outcomes.complete(claim())
    figures = metrics()
    assert figures["jobs_ended_total COMPLETED FULL_SYNC"] == 3
    assert figures["job_duration_seconds_count FULL_SYNC"] == 2


def test_failed_calls_are_counted_by_their_outcome(metrics: Metrics) -> None:
    for reason, status in (("", 200), ("timeout", None), ("backendError", 503), ("playlistNotFound", 404), ("x", 200)):
        call = QuotaCall.objects.create(bucket="main", day=now().date(), operation="videos.list", units=1, reason="")
        QuotaCall.objects.filter(pk=call.pk).update(reason=reason, http_status=status, seconds=0.25)
    figures = metrics()
    for outcome in ("success", "no_answer", "server_error", "client_error", "bad_answer"):
        assert figures[f"youtube_calls_total videos.list {outcome}"] == 1
    # A bound includes its value.
    assert figures["youtube_call_duration_seconds_bucket 0.1 videos.list"] == 0
    assert figures["youtube_call_duration_seconds_bucket 0.25 videos.list"] == 5
    assert figures["youtube_call_duration_seconds_sum videos.list"] == pytest.approx(1.25)


def test_counters_never_fall(metrics: Metrics, settings: LazySettings) -> None:
    before = metrics()
    for step in (
        failed_job,
        counters.fold,
        lambda: queues.pause_queue(PERSON, "maintenance"),
        lambda: bulk.clear_failed(PERSON, "maintenance"),
        counters.fold,
        counters.fold,
        lambda: SyncJob.objects.all().delete(),
        lambda: QuotaCall.objects.all().delete(),
        counters.rebuild,
        counters.fold,
    ):
        step()
        after = metrics()
        _never_fell(before, after)
        before = after
    assert after["jobs_ended_total FAILED PRUNE"] == 1
    assert (after["jobs maintenance failed"], after["deltas"]) == (0, 0)


def test_counters_never_fall_while_others_fold_and_write(metrics: Metrics) -> None:
    """Two processes that fold, one that writes and one that reads: each reading has everything of the one before."""
    make_band()
    stop = threading.Event()
    problems: list[Exception] = []

    def repeat(act: Callable[[], object]) -> None:
        try:
            while not stop.is_set():
                act()
        except Exception as error:
            problems.append(error)
        finally:
            connection.close()

    writes = lambda: MetricDelta.objects.create(name="job", label="PRUNE", second_label="COMPLETED", value=0.3)  # noqa: E731
    threads = [threading.Thread(target=repeat, args=(act,)) for act in (counters.fold, counters.fold, writes)]
    for thread in threads:
        thread.start()
    try:
        before = metrics()
        for _ in range(30):
            after = metrics()
            _never_fell(before, after)
            before = after
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert before["jobs_ended_total COMPLETED PRUNE"] == before["job_duration_seconds_count PRUNE"] > 0


def test_nothing_is_counted_that_is_rolled_back(metrics: Metrics) -> None:
    from django.db import transaction

    queue_job(JobType.PRUNE)
    attempt = claim("maintenance")
    with transaction.atomic():
        outcomes.complete(attempt)
        transaction.set_rollback(True)
    assert metrics()["jobs_ended_total COMPLETED PRUNE"] == 0


def test_a_pause_has_its_cause(metrics: Metrics) -> None:
    assert metrics()["queue_paused_cause person video-sync"] == 0
    queues.pause_queue(PERSON, "video-sync", "cleaning")
    queues.pause_for_configuration("keyInvalid")
    figures = metrics()
    assert figures["queue_paused_cause person video-sync"] == figures["queue_paused_cause api_key maintenance"] == 1
    assert figures["queue_paused_cause api_key video-sync"] == figures["queue_paused_cause person maintenance"] == 0
    assert figures["queue_paused_timestamp_seconds maintenance"] == pytest.approx(now().timestamp(), abs=60)


def test_processes_and_bands(metrics: Metrics) -> None:
    Worker.objects.create(name="beat", is_scheduler=True, process_id=1, queues=[], concurrency=0)
    at = Now() - dt.timedelta(minutes=5)
    Worker.objects.create(name="dead", process_id=1, queues=[], concurrency=0, heartbeat_at=at)
    day = now() - dt.timedelta(days=3)
    make_band("a", last_full_sync_at=now() - dt.timedelta(days=9), last_incremental_sync_at=day)
    make_band("b", last_full_sync_at=now())
    make_band("c", consecutive_failures=3)
    Band.objects.create(name="Old", slug="old", is_active=False)
    figures = metrics()
    assert figures["scheduler_heartbeat_timestamp_seconds"] == pytest.approx(now().timestamp(), abs=60)
    assert figures["workers_silent"] == 1
    assert (figures["bands active"], figures["bands failing"], figures["bands never_synced"]) == (3, 1, 1)
    assert figures["bands_oldest_sync_timestamp_seconds"] == pytest.approx(day.timestamp(), abs=1)


def test_a_bulk_cancel_counts_each_job(metrics: Metrics) -> None:
    for _ in range(5):
        queue_job()
    outcomes.cancel_unclaimed(list(SyncJob.objects.all()))
    assert metrics()["jobs_ended_total CANCELLED FULL_SYNC"] == 5


def test_deliveries_of_alerts_are_counted_until_their_channel_is_deleted_and_after(metrics: Metrics) -> None:
    channel = make_channel()
    fields = {"kind": "ALERTS", "title": "x", "text": "x", "deadline_at": now()}
    for state in ("DELIVERED", "FAILED", "PENDING"):
        delivery = AlertDelivery.objects.create(channel=channel, **fields)  # type: ignore[misc]
        AlertDelivery.objects.filter(pk=delivery.pk).update(state=state)
    Alert.objects.create(rule="no_worker", subject_type="queue", subject_id="video-sync", severity="CRITICAL")
    assert metrics()["alert_deliveries_pending"] == 1
    channel.delete()
    Alert.objects.all().delete()
    figures = metrics()
    assert figures["alert_deliveries_total WEBHOOK DELIVERED"] == figures["alert_deliveries_total WEBHOOK FAILED"] == 1
    assert figures["alert_deliveries_total WEBHOOK CANCELLED"] == figures["alert_deliveries_pending"] == 0
    assert (figures["alerts_opened_total no_worker CRITICAL"], figures["alerts_open CRITICAL"]) == (1, 0)


def test_the_documentation_lists_every_metric(settings: LazySettings) -> None:
    settings.METRICS_ALLOWED_ADDRESSES = ["127.0.0.1"]
    Worker.objects.create(name="beat", is_scheduler=True, process_id=1, queues=[], concurrency=0)
    make_band(last_full_sync_at=now())
    failed_job()
    make_channel("Ping", kind="PING", pinged_at=now())
    counters.fold()
    families = list(text_string_to_metric_families(Client().get("/metrics").content.decode()))
    served = {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in families}
    text = (ROOT / "docs/operations.md").read_text().partition("## Metrics")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(syncmonitor_\w+)`", text)) == served
    assert all(family.documentation for family in families)


def test_new_videos_pushes_and_feeds_are_counted(youtube: Simulator, metrics: Metrics, settings: LazySettings) -> None:
    settings.PUBLIC_URL = site.PUBLIC_URL
    tally._counts.clear()  # Other tests'.
    site.connect(youtube)
    subscription = site.subscribed(youtube)
    feeds.match_bands()
    ChannelFeed.objects.update(watched_since=Now() - dt.timedelta(days=1), next_read_at=Now())
    youtube.world.upload(subscription.channel_id, 1)
    published = (now() - dt.timedelta(seconds=90)).isoformat()
    entry = site.entry("aaaaaaaaaaa", Band.objects.get()).replace("2026-11-01T12:00:00+00:00", published)
    assert site.post(subscription.token, site.feed(entry)) == 204
    assert site.deliver(subscription, b"<") == 204
    assert site.deliver(subscription, site.feed(entry)) == 204
    assert feeds.read_due() == 1
    tally.write()
    figures = metrics()
    expected = {
        "push_deliveries_total bad_signature": 1,
        "push_deliveries_total malformed": 1,
        "push_deliveries_total accepted": 1,
        "push_deliveries_total limited": 0,
        "videos_noticed_total push": 1,
        "videos_noticed_total feed": 1,
        "feed_reads_total changed": 1,
        "feed_reads_total not_found": 0,
        "video_freshness_seconds_count push": 1,
        "video_freshness_seconds_bucket 120.0 push": 1,
        "video_freshness_seconds_bucket 60.0 push": 0,
        "subscriptions trusted": 1,
        "push_on": 1,
    }
    assert {name: figures.get(name) for name in expected} == expected
    youtube.faults.add(Fault("foreign", FEED, status=404))
    ChannelFeed.objects.update(next_read_at=Now())
    feeds.read_due()
    assert metrics()["feed_reads_total not_found"] == 1
    counters.fold()
    Video.objects.all().delete()
    _never_fell(figures, metrics())
