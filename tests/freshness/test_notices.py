"""From notices to details: bursts share units, and nothing is lost in between."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from bands.models import Band, NoticedBy, Video
from syncjobs.choices import JobType
from syncjobs.engine import clock
from syncjobs.engine.reconcile import reconcile
from syncjobs.freshness import notices
from syncjobs.models import Attempt, SyncJob
from syncjobs.sync import maintenance
from syncjobs.sync.context import JobContext, JobMeter
from syncjobs.youtube.feeds import FeedEntry
from syncjobs.youtube.simulator import Simulator
from tests.concurrency import in_parallel
from tests.factories import band_with_videos, claim, run_all, run_next

pytestmark = pytest.mark.django_db


def told(band: Band, video_ids: list[str], noticed_by: NoticedBy = NoticedBy.PUSH, title: str = "x") -> list[str]:
    now = clock.now()
    entries = [FeedEntry(video_id, band.channel_id, title, now, now) for video_id in video_ids]
    return notices.store(band, entries, noticed_by)


def let_pass(**duration: float) -> None:
    Video.objects.update(details_due_at=F("details_due_at") - dt.timedelta(**duration))
    SyncJob.objects.update(started_at=F("started_at") - dt.timedelta(**duration))


def work() -> int:
    """Do what the reconciler and the workers do; return the number of new ENRICH jobs."""
    before = SyncJob.objects.filter(job_type=JobType.ENRICH).count()
    reconcile()
    run_all()
    return SyncJob.objects.filter(job_type=JobType.ENRICH).count() - before


def test_a_burst_shares_units(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    ids = [video.id for video in youtube.world.upload(channel.id, 130)]
    assert len(told(band, ids[:7])) == 7
    assert told(band, ids[:7]) == []
    assert work() == 0, "others may follow"
    told(band, ids[7:49])
    assert work() == 0
    told(band, ids[49:])
    assert work() == 1, "units are full"
    assert youtube.units() == 2
    assert Video.objects.filter(details_pending=True).count() == 30
    let_pass(seconds=6)
    assert work() == 1
    assert youtube.units() == 3
    assert not Video.objects.filter(details_pending=True).exists()
    assert not Video.objects.filter(details_stored_at=None).exists()


def test_videos_that_come_one_by_one_wait_for_each_other(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    ids = [video.id for video in youtube.world.upload(channel.id, 40)]
    waits = []
    for video_id in ids:
        told(band, [video_id])
        due_at = Video.objects.get(youtube_id=video_id).details_due_at
        assert due_at is not None
        waits.append((due_at - clock.now()).total_seconds())
        let_pass(seconds=432)
        work()
    assert 7 <= youtube.units() <= 10, "in 40 x 432 seconds, once in 1,920 seconds"
    assert waits[0] <= 5
    assert max(waits) <= notices.SMALL_JOB_PAUSE.total_seconds()
    assert Video.objects.filter(details_pending=True).count() < 50


def test_a_sync_takes_the_waiting_ones_along(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    told(band, [video.id for video in youtube.world.upload(channel.id, 3)])
    incomplete = Video.objects.first()
    assert incomplete is not None
    Video.objects.filter(pk=incomplete.pk).update(details_tries=2)
    urgent = youtube.world.upload(channel.id, 1, prefix="urgent")[0]
    told(band, [urgent.id])
    Video.objects.filter(youtube_id=urgent.id).update(details_due_at=None)
    assert work() == 1
    assert youtube.units() == 1
    assert list(Video.objects.filter(details_pending=True)) == [incomplete], "its pause goes on"


def test_a_notice_while_the_details_are_fetched_is_not_lost(
    youtube: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    [video] = youtube.world.upload(channel.id, 1)
    told(band, [video.id])
    Video.objects.update(details_due_at=Now())

    original = maintenance._requested_again

    def requested_again(*arguments: Any) -> list[str]:
        monkeypatch.setattr(maintenance, "_requested_again", original)
        told(band, [video.id], title="Newer")
        return original(*arguments)

    monkeypatch.setattr(maintenance, "_requested_again", requested_again)
    reconcile()
    run_next("video-processing")
    assert youtube.units() == 2, "it was asked for again"
    assert not Video.objects.get().details_pending


@pytest.mark.django_db(transaction=True)
def test_notices_at_once_store_each_video_once(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    ids = [video.id for video in youtube.world.upload(channel.id, 20)]
    added = in_parallel(4, lambda number: told(band, ids if number % 2 else ids[::-1]))
    assert sorted(video_id for each in added for video_id in each) == sorted(ids)
    assert Video.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_a_band_that_is_deleted_meanwhile_gets_no_videos() -> None:
    band = Band.objects.create(name="Gone", slug="gone", channel_id="UC" + "g" * 22)
    Band.objects.filter(pk=band.pk).delete()
    assert told(band, ["a" * 11]) == []


def test_the_owner_of_the_channel_takes_the_video_over(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    lister, _channel = band_with_videos(youtube.world, 0, "lister")
    [video] = youtube.world.upload(channel.id, 1)
    Video.objects.create(youtube_id=video.id, band=lister, channel_id=channel.id, title="Old", noticed_by="probe")
    assert told(band, [video.id], NoticedBy.FEED, title="New") == []
    row = Video.objects.get()
    assert (row.band, row.noticed_by, row.details_pending) == (band, "probe", True)


def test_a_worker_that_dies_after_it_claimed_videos_loses_none(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    told(band, [video.id for video in youtube.world.upload(channel.id, 3)])
    Video.objects.update(details_due_at=Now())
    reconcile()
    attempt = claim("video-processing")
    assert len(maintenance._claim_pending(JobContext(attempt, JobMeter(attempt)))) == 3
    Attempt.objects.update(lease_expires_at=Now())
    reconcile()
    SyncJob.objects.update(run_at=Now())
    run_all()
    assert Video.objects.filter(details_pending=False, details_stored_at__isnull=False).count() == 3
