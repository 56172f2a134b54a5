"""Statistics and availability checks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from bands.models import Availability, Video
from syncjobs.choices import JobStatus, JobType
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, full_sync, queue_job, run_all, run_next

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("switch", "bucket"), [(True, "stats"), (False, "main")])
def test_refreshing_statistics_costs_one_unit_per_fifty_videos(
    youtube: Simulator, settings: Any, switch: bool, bucket: str
) -> None:
    band, _ = band_with_videos(youtube.world, 237)
    full_sync(band)
    for video in list(youtube.world.videos.values())[:11]:
        video.views = 6_000_000_000
    youtube.clear_log()
    settings.YOUTUBE_USE_BATCH_STATS = switch
    job = triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH).job
    run_all()
    job.refresh_from_db()
    assert (job.status, job.videos_found, job.videos_updated) == (JobStatus.COMPLETED, 237, 11)
    assert {name: youtube.units(name) for name in ("main", "stats")} == {"main": 0, "stats": 0} | {bucket: 5}  # type: ignore[arg-type]
    assert Video.objects.filter(view_count=6_000_000_000).count() == 11


def test_pending_details_are_claimed_50_at_a_time_whatever_the_plan(youtube: Simulator) -> None:
    """Without statistics of a table, PostgreSQL may join in a way that executes a subquery once for each row."""
    band, _ = band_with_videos(youtube.world, 120)
    queue_job(JobType.INCREMENTAL_SYNC, band=band)
    run_next()
    with connection.cursor() as cursor:
        methods = ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize")
        for method in methods:
            cursor.execute(f"SET enable_{method} = off")
        try:
            job = run_next("video-processing")
        finally:
            for method in methods:
                cursor.execute(f"RESET enable_{method}")
    assert (job.status, job.progress_done) == (JobStatus.COMPLETED, 120)
    assert len(youtube.calls("videos.list")) == 3


def test_a_video_missing_from_a_sync_is_confirmed_by_the_availability_check(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    full_sync(band)
    gone = next(iter(youtube.world.videos))
    youtube.world.remove(gone)
    full_sync(band)
    assert Video.objects.get(youtube_id=gone).availability == Availability.MISSING
    triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK)
    youtube.clear_log()
    run_all()
    assert Video.objects.get(youtube_id=gone).availability == Availability.UNAVAILABLE
    assert youtube.units() == 1


def test_videos_that_go_missing_during_the_check_are_checked_too(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    full_sync(band)
    ids = list(Video.objects.order_by("pk").values_list("youtube_id", flat=True))
    Video.objects.filter(youtube_id__in=ids[:50]).update(availability=Availability.MISSING)

    def more_go(operation: str, parameters: dict[str, str]) -> None:
        Video.objects.filter(youtube_id__in=ids[50:]).update(availability=Availability.MISSING)

    youtube.before_answer = more_go
    triggers.trigger_maintenance(PERSON, JobType.AVAILABILITY_CHECK)
    job = run_next("maintenance")
    assert (job.status, job.videos_found) == (JobStatus.COMPLETED, 60)
    assert not Video.objects.exclude(availability=Availability.AVAILABLE).exists()
