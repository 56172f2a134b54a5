"""A response without a part that was asked for erases nothing, and the video is asked for again within a bound."""

from __future__ import annotations

import pytest
from django.db.models import F

from bands.models import DETAILS_DUE, Band, Video
from bands.videos import PAUSES
from syncjobs.choices import JobStatus, JobType
from syncjobs.engine.reconcile import reconcile
from syncjobs.operations import channels, triggers
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import PERSON, band_with_videos, full_sync, queue_job, run_all, run_next, video_counts

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)

PARTS = ["snippet", "contentDetails", "statistics", "status", "liveStreamingDetails"]
OWN = ("details_pending", "details_tries", "details_due_at", "details_attempt", "updated_at")


def known() -> list[dict[str, object]]:
    """Return all stored videos, without how their details are asked for."""
    columns = [field.attname for field in Video._meta.concrete_fields if field.attname not in OWN]
    return list(Video.objects.order_by("youtube_id").values(*columns))


def world_of_two(youtube: Simulator) -> Band:
    band, channel = band_with_videos(youtube.world, 2)
    live = youtube.world.upload(channel.id, prefix="live")[0]
    live.live = "upcoming"
    return band


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("way", ["full", "single", "availability"])
def test_a_missing_part_erases_nothing_and_is_asked_for_again(youtube: Simulator, part: str, way: str) -> None:
    band = world_of_two(youtube)
    full_sync(band)
    before = known()
    assert (len(before), Video.objects.filter(details_pending=True).count()) == (3, 0)
    youtube.faults.add(Fault("missingPart", operation="videos.list", part=part))
    if way == "full":
        assert video_counts(full_sync(band)) == (3, 0, 0)
    elif way == "single":
        triggers.trigger_video(PERSON, Video.objects.get(live_state="upcoming").youtube_id)
        run_next("video-processing")
    else:
        triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK)
        Video.objects.update(availability="MISSING")
        run_next("maintenance")
        Video.objects.update(availability_since=before[0]["availability_since"])
    assert known() == before
    lacking = 1 if part == "liveStreamingDetails" or way == "single" else 3
    assert Video.objects.filter(DETAILS_DUE).count() == lacking
    youtube.faults.clear()
    assert reconcile().enrich_queued == 1
    run_all()
    assert known() == before
    assert not Video.objects.filter(details_pending=True).exists()
    assert set(Video.objects.values_list("details_tries", flat=True)) == {0}


@pytest.mark.parametrize("way", [JobType.FULL_SYNC, JobType.INCREMENTAL_SYNC])
def test_a_new_video_without_snippet_gets_its_details_later(youtube: Simulator, way: JobType) -> None:
    band = world_of_two(youtube)
    youtube.faults.add(Fault("missingPart", operation="videos.list", part="snippet", times=2))
    queue_job(way, band=band)
    job = run_next()
    assert (job.status, job.error_count, job.videos_added) == (JobStatus.COMPLETED, 0, 3)
    assert set(Video.objects.values_list("title", flat=True)) == {"new 1", "new 2", "live 1"}
    assert not Video.objects.filter(published_at=None).exists()
    assert Video.objects.filter(DETAILS_DUE, category_id="").count() == 3
    reconcile()
    run_all()
    Video.objects.update(details_due_at=None)
    reconcile()
    run_all()
    assert Video.objects.filter(details_pending=False, category_id="10").count() == 3
    assert Video.objects.get(title="live 1").live_state == "upcoming"


def test_a_part_that_never_comes_is_asked_for_a_few_times_with_growing_pauses(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    for video in youtube.world.videos.values():
        video.broken = "no statistics"
    full_sync(band)
    youtube.clear_log()
    asked = []
    for _ in range(len(PAUSES) + 3):
        reconcile()
        run_all()
        asked.append(youtube.units())
        Video.objects.filter(details_due_at__isnull=False).update(details_due_at=F("details_due_at") - PAUSES[-1])
    assert asked[-1] == asked[-2] == 2 * len(PAUSES)
    assert Video.objects.filter(details_pending=False, duration_seconds=213, view_count=None).count() == 60
    full_sync(band)
    assert not Video.objects.filter(details_pending=True).exists()
    for video in youtube.world.videos.values():
        video.broken = ""
    full_sync(band)
    assert Video.objects.filter(details_tries=0, details_pending=False, view_count=1000).count() == 60


def test_an_incomplete_video_is_not_asked_for_again_at_once(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    youtube.faults.add(Fault("missingPart", operation="videos.list", part="status"))
    full_sync(band)
    youtube.clear_log()
    for _ in range(5):
        reconcile()
        run_all()
    assert youtube.units() == 1
    assert Video.objects.filter(details_pending=True, details_tries=2).count() == 5


@pytest.mark.parametrize("batch", [True, False])
def test_a_refresh_without_statistics_keeps_the_counts(youtube: Simulator, settings: object, batch: bool) -> None:
    settings.YOUTUBE_USE_BATCH_STATS = batch  # type: ignore[attr-defined]
    band, _ = band_with_videos(youtube.world, 5)
    full_sync(band)
    before = known()
    youtube.faults.add(Fault("missingPart", part="statistics"))
    triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH)
    job = run_next("maintenance")
    assert (job.status, job.videos_updated, known()) == (JobStatus.COMPLETED, 0, before)
    youtube.faults.clear()
    for video in youtube.world.videos.values():
        video.hides_statistics = True
    triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH)
    assert run_next("maintenance").videos_updated == 5
    assert Video.objects.filter(view_count=None).count() == 5


def test_a_single_unknown_video_without_snippet_is_tried_again(youtube: Simulator) -> None:
    band_with_videos(youtube.world, 1)
    youtube.faults.add(Fault("missingPart", part="snippet", times=1))
    triggers.trigger_video(PERSON, next(iter(youtube.world.videos)))
    job = run_next("video-processing")
    assert (job.status, "snippet" in job.job_errors.get().message) == (JobStatus.QUEUED, True)


@pytest.mark.parametrize("part", ["snippet", "contentDetails", "statistics"])
def test_a_channel_without_a_part_keeps_what_is_known_and_costs_no_sync(youtube: Simulator, part: str) -> None:
    band, channel = band_with_videos(youtube.world, 3)
    full_sync(band)
    channels.resolve_channel(PERSON, channel.handle, band)
    full_sync(band)
    before = Band.objects.values().get()
    youtube.faults.add(Fault("missingPart", operation="channels.list", part=part))
    channels.resolve_channel(PERSON, channel.handle, band)
    after = Band.objects.values().get()
    assert {name for name in before if before[name] != after[name]} <= {"updated_at", "channel_reference"}
    youtube.clear_log()
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    assert youtube.units() == 1


def test_a_band_without_a_count_is_not_taken_for_checked(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 3)
    full_sync(band)
    youtube.faults.add(Fault("missingPart", operation="channels.list", part="statistics", times=1))
    triggers.trigger_sync(PERSON, None, full=False)
    job = run_next()
    band.refresh_from_db()
    assert (band.last_incremental_sync_at, job.checkpoint["unchanged"]) == (None, 0)
    message = job.events.get(kind="FANNED_OUT").message
    assert message == "0 bands queued, 0 unchanged, 1 without a video count from YouTube"
    triggers.trigger_sync(PERSON, None, full=False)
    run_all()
    band.refresh_from_db()
    assert band.last_incremental_sync_at is not None
