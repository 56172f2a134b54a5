"""The end of a quota day: YouTube's reset is late, its clock differs from ours, and jobs wait for it."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import LazySettings, settings
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from syncjobs.choices import DelayReason, JobStatus, JobType
from syncjobs.engine import clock, quota
from syncjobs.engine.claim import claim_next
from syncjobs.engine.meter import Meter
from syncjobs.exceptions import QuotaExhausted
from syncjobs.models import Attempt, QuotaCall, QuotaDay, SyncJob
from syncjobs.operations import queues
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.client import YouTubeClient
from syncjobs.youtube.costs import Bucket, Operation, next_reset, quota_day
from syncjobs.youtube.errors import PlaylistNotFound, YouTubeError
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import PERSON, SCHEDULE, band_with_videos, queue_job, run_next, worker

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = dt.timedelta(minutes=1)
SPENDER = quota.Spender(is_personal=True)


class VirtualClock:
    """The database's clock, moved to the end of today's quota day, and YouTube's, which may be behind."""

    def __init__(self, simulator: Simulator) -> None:
        self.reset = next_reset(timezone.now())
        self.youtube = simulator
        self.youtube_is_behind = dt.timedelta()
        self.set(self.reset - 10 * MINUTE)

    def set(self, now: dt.datetime) -> None:
        self.now = now
        self.youtube.clock_offset = now - self.youtube_is_behind - timezone.now()


@pytest.fixture
def time(youtube: Simulator, monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> VirtualClock:
    """A clock that the test moves; our limit is 100 units a day."""
    settings.YOUTUBE_QUOTA_MAIN = 100
    virtual = VirtualClock(youtube)
    monkeypatch.setattr(clock, "now", lambda: virtual.now)
    return virtual


def _use_up(day: dt.date, **changes: object) -> None:
    QuotaDay.objects.create(bucket="main", day=day, limit=100, used=100, **changes)


def _delayed_jobs(time: VirtualClock, count: int) -> None:
    """Jobs of one unit each that wait for the reset: the first one refused by the ledger, the others like it."""
    band, _ = band_with_videos(time.youtube.world, count)
    for video_id in time.youtube.world.videos:
        queue_job(JobType.SINGLE_VIDEO, SCHEDULE, band=band, params={"video_id": video_id})
    run_next("video-processing")
    first, *others = SyncJob.objects.order_by("pk")
    assert (first.status, first.delay_reason) == (JobStatus.QUEUED, DelayReason.QUOTA_MAIN)
    for job in others:
        job.run_at, job.delay_reason = quota._after_reset(time.now), DelayReason.QUOTA_MAIN
    SyncJob.objects.bulk_update(others, ["run_at", "delay_reason"])
    spread = set(SyncJob.objects.values_list("run_at", flat=True))
    assert len(spread) == count
    assert time.reset + MINUTE <= min(spread) < max(spread) < time.reset + 6 * MINUTE


def _run_until(time: VirtualClock, end: dt.datetime) -> None:
    """Let the time pass until then: run each job when it is due."""
    while True:
        # What was woken is due by the database's own clock; the others when the virtual one says so.
        due = SyncJob.objects.filter(status=JobStatus.QUEUED).order_by("run_at").first()
        if due is None or due.run_at > end:
            return
        if due.run_at > timezone.now():
            probe = QuotaDay.objects.filter(day=quota_day(time.now), closed_at=None, probe_at__lt=due.run_at).first()
            if probe is not None and probe.probe_at is not None:
                time.set(max(time.now, probe.probe_at))
                if quota.wake_delayed():
                    continue
            time.set(max(time.now, due.run_at))
            SyncJob.objects.filter(pk=due.pk).update(run_at=Now())
        attempt = claim_next("video-processing", worker())
        assert attempt is not None
        run_attempt(attempt)
        time.set(time.now + dt.timedelta(milliseconds=50))


CASES = [
    (0, 0, 30),
    (0, 300, 30),
    (0, -300, 30),
    (1, 0, 100),
    (90, 0, 30),
    (90, -300, 30),
    (1800, 0, 30),
    (1800, 300, 100),
]
if "SURVIVAL_MINUTES" in os.environ:
    CASES = [(late, skew, 100) for late in (0, 1, 90, 1800) for skew in (-300, 0, 300)]


@pytest.mark.parametrize(("late", "skew", "jobs"), CASES)
def test_the_whole_new_day_is_usable(
    youtube: Simulator, time: VirtualClock, settings: LazySettings, late: int, skew: int, jobs: int
) -> None:
    """YouTube resets `late` seconds after its midnight, and our clock is `skew` seconds ahead of its clock."""
    time.youtube_is_behind = dt.timedelta(seconds=late + skew)
    time.set(time.now)
    settings.YOUTUBE_QUOTA_MAIN = youtube.limits[Bucket.MAIN] = jobs
    if quota_day(youtube.now()) == quota_day(time.now):
        youtube.used[Bucket.MAIN, quota_day(youtube.now())] = jobs
    QuotaDay.objects.create(bucket="main", day=quota_day(time.now), limit=jobs, used=jobs)
    _delayed_jobs(time, jobs)
    _run_until(time, time.reset + dt.timedelta(hours=3))
    calls = Counter(entry["status"] for entry in youtube.calls())
    wasted = calls[403]
    sys.stdout.write(f"\nlate {late} s, clock {skew:+} s: {calls[200]} of {jobs} units used, {wasted} wasted\n")
    assert wasted <= (0 if late + skew <= 60 else 10)
    assert SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == calls[200] == jobs - wasted
    assert QuotaDay.objects.get(day=quota_day(time.now)).used == jobs
    # The others wait for the next day. Nobody tried again and again.
    assert SyncJob.objects.filter(run_at__gt=time.reset + dt.timedelta(hours=23)).count() == wasted
    assert Attempt.objects.count() < jobs * 4


def test_many_workers_make_one_probe(time: VirtualClock) -> None:
    _use_up(quota_day(time.now))
    time.set(time.reset + 2 * MINUTE)

    def reserve(_: int) -> quota.Receipt | None:
        try:
            return quota.reserve(Operation.VIDEOS_LIST, SPENDER)
        except QuotaExhausted:
            return None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        receipts = [receipt for receipt in pool.map(reserve, range(24)) if receipt]
    assert [receipt.is_probe for receipt in receipts] == [True]
    quota.record_result(receipts[0], status=200, reason="", seconds=0.1, is_accepted=True)
    assert not quota.reserve(Operation.VIDEOS_LIST, SPENDER).is_probe


def test_the_pauses_between_probes_grow_and_the_last_refusal_closes_the_day(time: VirtualClock) -> None:
    _use_up(quota_day(time.now), closed_at=timezone.now())
    asked = []
    time.set(time.reset)
    for _ in range(30):
        try:
            quota.reserve(Operation.VIDEOS_LIST, SPENDER)
        except QuotaExhausted as error:
            if error.until > time.reset + dt.timedelta(hours=12):
                break
            time.set(error.until)
        else:
            asked.append(round((time.now - time.reset) / MINUTE))
            quota.refuse(Bucket.MAIN, "quotaExceeded")
    assert asked == [1, 2, 4, 8, 16, 31, 46, 61, 76, 91]
    assert quota.today()[0].closed_reason == "quotaExceeded"


def test_a_refusal_in_the_middle_of_the_first_hour_is_probed_and_later_closes_the_bucket(time: VirtualClock) -> None:
    """Our count of the day before was lower than YouTube's, so several calls were on their way."""
    time.set(time.reset + 5 * MINUTE)
    for _ in range(3):
        quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    again = [quota.refuse(Bucket.MAIN, "quotaExceeded") for _ in range(3)]
    assert again == [time.now + MINUTE] * 3
    time.set(again[0])
    receipt = quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    assert receipt.is_probe
    quota.record_result(receipt, status=200, reason="", seconds=0.1, is_accepted=True)
    time.set(time.reset + dt.timedelta(hours=2))
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    assert quota.refuse(Bucket.MAIN, "quotaExceeded") > time.reset + dt.timedelta(hours=24)
    assert quota.today()[0].closed_at is not None


def test_a_probe_that_fails_otherwise_is_followed_by_another(youtube: Simulator, time: VirtualClock) -> None:
    _use_up(quota_day(time.now))
    _delayed_jobs(time, 3)
    youtube.faults.add(Fault("unavailable", times=1))
    _run_until(time, time.reset + dt.timedelta(hours=2))
    assert [entry["status"] for entry in youtube.calls()] == [503, 200, 200, 200]
    assert SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == 3


def _ask_for_missing_playlist() -> None:
    client = YouTubeClient(
        api_key=settings.YOUTUBE_API_KEY,
        endpoint=settings.YOUTUBE_API_ENDPOINT,
        meter=Meter(SPENDER),
        tries=1,
    )
    client.playlist_page("UU" + "x" * 22)


def test_a_probe_for_a_playlist_that_does_not_exist_opens_the_bucket(youtube: Simulator, time: VirtualClock) -> None:
    """YouTube answers such a call only if it accepts it."""
    _use_up(quota_day(time.now))
    time.set(time.reset + 2 * MINUTE)
    with pytest.raises(PlaylistNotFound):
        _ask_for_missing_playlist()
    assert QuotaCall.objects.get().reason == "playlistNotFound"
    assert QuotaDay.objects.get(day=quota_day(time.now)).probe_at is None


@pytest.mark.parametrize("fault", ["unavailable", "keyInvalid", "quotaExceeded"])
def test_a_probe_that_youtube_does_not_accept_opens_nothing(youtube: Simulator, time: VirtualClock, fault: str) -> None:
    _use_up(quota_day(time.now))
    time.set(time.reset + 2 * MINUTE)
    youtube.faults.add(Fault(fault))
    with pytest.raises((YouTubeError, QuotaExhausted)):
        _ask_for_missing_playlist()
    assert QuotaDay.objects.get(day=quota_day(time.now)).probe_at is not None


def test_a_job_that_was_delayed_while_the_bucket_was_opened_is_woken(time: VirtualClock) -> None:
    _use_up(quota_day(time.now))
    _delayed_jobs(time, 2)
    QuotaDay.objects.create(bucket="main", day=quota_day(time.reset), limit=100)
    time.set(time.reset + 10 * MINUTE)
    assert quota.wake_delayed() == 2
    assert SyncJob.objects.runnable().count() == 2
    assert quota.wake_delayed() == 0


def test_nothing_is_woken_before_youtube_has_accepted_a_call(time: VirtualClock) -> None:
    _use_up(quota_day(time.now))
    _delayed_jobs(time, 2)
    assert quota.wake_delayed() == 0
    time.set(time.reset + MINUTE)
    assert quota.wake_delayed() == 0
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    assert quota.wake_delayed() == 0


def test_one_job_is_woken_when_a_probe_is_due(time: VirtualClock) -> None:
    """A job that was refused while another one probed does not wait for most of the 90 minutes."""
    _use_up(quota_day(time.now))
    _delayed_jobs(time, 3)
    time.set(time.reset + MINUTE)
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    assert quota.wake_delayed() == 0
    time.set(time.reset + 2 * MINUTE)
    queues.pause_queue(PERSON, "video-processing")
    assert quota.wake_delayed() == 0
    queues.resume_queue(PERSON, "video-processing")
    assert [quota.wake_delayed() for _ in range(3)] == [1, 0, 0]
    run_next("video-processing")
    assert SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == 1
    assert SyncJob.objects.runnable().count() == 2


def test_a_probe_that_is_due_leaves_automatic_jobs_without_units_asleep(
    time: VirtualClock, settings: LazySettings
) -> None:
    settings.YOUTUBE_QUOTA_RESERVED = 100
    QuotaDay.objects.create(bucket="main", day=quota_day(time.now), limit=100, probe_at=time.now - MINUTE)
    _delayed_jobs(time, 2)
    assert quota.wake_delayed() == 0


def test_a_raised_limit_wakes_the_jobs(time: VirtualClock, settings: LazySettings) -> None:
    settings.YOUTUBE_QUOTA_MAIN = 1
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    _delayed_jobs(time, 3)
    settings.YOUTUBE_QUOTA_MAIN = 3
    assert quota.wake_delayed() == 3
    assert SyncJob.objects.runnable().count() == 3


def test_a_raised_limit_opens_a_bucket_that_youtube_closed_below_it(time: VirtualClock, settings: LazySettings) -> None:
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    quota.close(Bucket.MAIN, "quotaExceeded")
    _delayed_jobs(time, 3)
    assert quota.wake_delayed() == 0
    settings.YOUTUBE_QUOTA_MAIN = 200
    assert quota.wake_delayed()
    assert SyncJob.objects.runnable().count() == 3
    assert quota.reserve(Operation.VIDEOS_LIST, SPENDER).is_probe


def test_hosts_with_different_limits_probe_a_closed_bucket_at_most_every_15_minutes(
    time: VirtualClock, settings: LazySettings
) -> None:
    """The host with the lower limit makes the probe, and so writes its limit back."""
    time.set(time.reset - 600 * MINUTE)
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    quota.close(Bucket.MAIN, "quotaExceeded")
    _delayed_jobs(time, 2)

    def reopen_and_refuse() -> bool:
        settings.YOUTUBE_QUOTA_MAIN = 200
        if not quota.wake_delayed():
            return False
        settings.YOUTUBE_QUOTA_MAIN = 100
        assert quota.reserve(Operation.VIDEOS_LIST, SPENDER).is_probe
        quota.refuse(Bucket.MAIN, "quotaExceeded")
        SyncJob.objects.update(run_at=time.reset, delay_reason=DelayReason.QUOTA_MAIN)
        QuotaDay.objects.update(closed_at=time.now)
        return True

    asked = []
    for minute in range(31):
        if reopen_and_refuse():
            asked.append(minute)
        time.set(time.now + MINUTE)
    assert asked == [0, 15, 30]


def test_automatic_jobs_sleep_on_while_only_the_reserved_share_is_left(
    time: VirtualClock, settings: LazySettings
) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 2, 2
    QuotaDay.objects.create(bucket="main", day=quota_day(time.now), limit=2)
    _delayed_jobs(time, 2)
    mine = queue_job(JobType.SINGLE_VIDEO)
    SyncJob.objects.filter(pk=mine.pk).update(run_at=time.reset, delay_reason=DelayReason.QUOTA_MAIN)
    assert quota.wake_delayed() == 1
    assert SyncJob.objects.runnable().get() == mine


def test_units_of_probes_stay_in_the_ledger(time: VirtualClock) -> None:
    _use_up(quota_day(time.now))
    time.set(time.reset + 2 * MINUTE)
    quota.reserve(Operation.VIDEOS_LIST, SPENDER)
    quota.refuse(Bucket.MAIN, "quotaExceeded")
    today = QuotaDay.objects.get(day=quota_day(time.now))
    assert today.used == QuotaCall.objects.filter(day=today.day).count() == 1
    assert QuotaDay.objects.filter(used__gt=F("limit")).count() == 0
