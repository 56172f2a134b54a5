"""seed_demo"""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models import Count, F, Max, Min, Q, Sum
from django.test import override_settings
from django.utils import timezone

from bands.models import Band, BandState, ChannelProblem, NoticedBy, Video
from syncjobs.choices import ACTIVE_STATUSES, ErrorState, EventKind, FeedState, JobStatus, JobType, PushState
from syncjobs.freshness import feeds
from syncjobs.models import AuditEntry, ErrorGroup, JobEvent, QuotaCall, QuotaDay, SyncJob
from syncjobs.operations import schedules
from syncjobs.stats.freshness import freshness
from syncjobs.youtube.simulator import demo
from tests.clients import command_error, run_command

pytestmark = pytest.mark.django_db


@override_settings(YOUTUBE_SIMULATED=False)
def test_a_site_with_a_real_youtube_is_never_filled() -> None:
    assert "simulated" in command_error("seed_demo")
    assert not Band.objects.exists()


@override_settings(YOUTUBE_SIMULATED=True, PUBLIC_URL="http://127.0.0.1:8000")
def test_the_figures_of_the_history_agree() -> None:
    assert "24 bands" in run_command("seed_demo")
    assert run_command("reconcile", "--counts") == "Every count equals COUNT(*).\n"
    now = timezone.now()
    _check_jobs(now)
    _check_quota()
    _check_errors()
    _check_bands()
    _check_freshness()
    assert now < schedules.upcoming(1)[0][0] < now + dt.timedelta(minutes=6)
    assert not any(schedules.is_overdue(each, now) for each in schedules.list_schedules())
    number = SyncJob.objects.count()
    assert "not empty" in run_command("seed_demo")
    assert SyncJob.objects.count() == number


def _check_jobs(now: dt.datetime) -> None:
    jobs = SyncJob.objects.exclude(status__in=ACTIVE_STATUSES)
    assert SyncJob.objects.active().count() == 5
    assert {str(status) for status in JobStatus} - set(jobs.values_list("status", flat=True)) == {
        "QUEUED",
        "IN_PROGRESS",
    }
    span = jobs.aggregate(first=Min("created_at"), last=Max("completed_at"))
    assert now - dt.timedelta(days=31) < span["first"] < now - dt.timedelta(days=29)
    assert span["last"] < now
    assert not jobs.filter(Q(started_at__lt=F("created_at")) | Q(completed_at__lt=F("started_at"))).exists()
    ids = list(jobs.order_by("created_at", "pk").values_list("pk", flat=True))
    assert ids == sorted(ids)
    made = jobs.annotate(n=Count("attempts")).exclude(n=F("attempts_made"))
    assert not made.exists()
    assert not jobs.filter(fans_out=True).exclude(progress_done=F("progress_total")).exists()
    ends = [EventKind(status.value) for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)]
    assert JobEvent.objects.filter(kind__in=ends).count() == jobs.count()
    manual = jobs.filter(origin="ADMIN", parent=None, retry_of=None)
    assert AuditEntry.objects.filter(action="trigger_sync").count() == manual.count() + 5 > 20


def _check_quota() -> None:
    used = {(row.bucket, row.day): row.used for row in QuotaDay.objects.all()}
    spent = QuotaCall.objects.values_list("bucket", "day").annotate(n=Sum("units")).order_by()
    assert {(bucket, day): n for bucket, day, n in spent} == used
    assert len(used) >= 60
    assert sum(used.values()) == SyncJob.objects.aggregate(n=Sum("quota_used"))["n"]
    assert QuotaDay.objects.filter(used__gt=F("limit")).count() == 0


def _check_errors() -> None:
    """The kinds of failing bands, and what people did about them."""
    groups = {group.reason: group for group in ErrorGroup.objects.all()}
    assert set(groups) == {"channelNotFound", "forbidden", "playlistUnreadable", "backendError"}
    for state, reason in (
        (ErrorState.OPEN, "forbidden"), (ErrorState.REGRESSED, "backendError"), (ErrorState.ACKNOWLEDGED, "playlistUnreadable"),
    ):  # fmt: skip
        assert ErrorGroup.objects.in_states([state]).filter(reason=reason).exists(), reason
    playlist = groups["playlistUnreadable"]
    assert playlist.acknowledged_at == playlist.notes.get(action="acknowledged").created_at
    for group in groups.values():
        found = group.errors.aggregate(n=Count("pk"), first=Min("created_at"), last=Max("created_at"))
        assert (group.count, group.first_seen_at, group.last_seen_at) == tuple(found.values())
    counted = SyncJob.objects.annotate(n=Count("job_errors", filter=Q(job_errors__will_retry=False)))
    assert not counted.exclude(n=F("error_count")).exists()


def _check_bands() -> None:
    bands = list(Band.objects.order_by("pk"))
    problems = {n: ChannelProblem(band.channel_problem) for n, band in enumerate(bands) if band.channel_problem}
    assert problems == {demo.MOVED: ChannelProblem.NOT_FOUND, demo.FORBIDDEN: ChannelProblem.FORBIDDEN}
    assert Band.objects.in_state(BandState.FAILING).count() >= 2
    found = Video.objects.exclude(noticed_by__in=(NoticedBy.PUSH, NoticedBy.FEED))
    added = dict(found.values_list("band").annotate(n=Count("pk")))
    jobs = SyncJob.objects.filter(band__isnull=False).values_list("band").annotate(n=Sum("videos_added"))
    assert {band: n for band, n in jobs.order_by() if n} == added
    synced = SyncJob.objects.filter(status=JobStatus.COMPLETED, job_type=JobType.FULL_SYNC)
    ends = dict(synced.filter(band__isnull=False).values_list("band").annotate(last=Max("completed_at")).order_by())
    assert all(abs(ends[band.pk] - band.last_full_sync_at) < dt.timedelta(seconds=2) for band in bands)


def _check_freshness() -> None:
    """New videos come by push in seconds, those of one band by its feed, and none waits for its details."""
    shown = freshness()
    push, feed = shown.by_source[NoticedBy.PUSH], shown.by_source[NoticedBy.FEED]
    assert push.videos > 15
    assert push.p95 is not None
    assert push.p95 < 5
    assert feed.videos >= 1
    assert feed.p95 is not None
    assert 200 < feed.p95 < 900
    # At some times of day, a pass is the first to see one.
    assert (
        shown.total.videos == sum(times.videos for times in shown.by_source.values()) <= push.videos + feed.videos + 2
    )
    assert sum(times.videos > 0 for times in shown.by_day.values()) >= 5
    assert (shown.push_working, shown.push[PushState.SILENT]) == (24, 1)
    assert shown.push[PushState.TRUSTED] >= 15
    assert (shown.feeds[FeedState.TRUSTED], shown.feeds[FeedState.FAILING]) == (22, 2)
    assert not Video.objects.filter(details_pending=True).exists()
    assert not Video.objects.filter(details_stored_at__lt=F("created_at")).exists()
    assert not feeds.probe_unread()
