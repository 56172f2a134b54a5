"""How videos are stored: upserts, unusual values and availability."""

from __future__ import annotations

import pytest
from django.utils import timezone

from bands.models import Availability, Video
from syncjobs.choices import JobStatus
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.world import Video as SimVideo
from tests.factories import (
    band_with_videos,
    full_sync,
    video_counts,
)

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def test_only_changed_videos_are_written_and_counted(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 120)
    full_sync(band)
    before = dict(Video.objects.values_list("youtube_id", "updated_at"))
    changed = list(before)[:7]
    for video_id in changed:
        youtube.world.videos[video_id].title = "A new title 🎺"
    youtube.world.upload(channel.id, 2)
    assert video_counts(full_sync(band)) == (122, 2, 7)
    after = dict(Video.objects.values_list("youtube_id", "updated_at"))
    assert {video_id for video_id in before if after[video_id] != before[video_id]} == set(changed)


def test_unusual_values_are_stored_unchanged(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 0)
    odd = [
        SimVideo("aaaaaaaaaa1", "🥁🔥 <script>alert('x')</script> \"quoted\" & ampersand", channel.id, timezone.now()),
        SimVideo("aaaaaaaaaa2", "מצעד הלהקה فرقة", channel.id, timezone.now(), description="d" * 5000),
        SimVideo("aaaaaaaaaa3", "", channel.id, timezone.now(), views=5_234_567_890, likes=None, comments=None),
        SimVideo(
            "aaaaaaaaaa4", "nul\x00inside", channel.id, timezone.now(), hides_statistics=True, duration="P1DT2H3M4S"
        ),
        SimVideo(
            "aaaaaaaaaa5",
            "zero",
            channel.id,
            timezone.now(),
            views=0,
            likes=0,
            comments=0,
            duration="P0D",
            live="upcoming",
        ),
    ]
    youtube.world.add_videos(channel.id, odd)
    job = full_sync(band)
    assert (job.status, job.error_count, job.videos_added) == (JobStatus.COMPLETED, 0, 5)
    rows = {video.youtube_id[-1]: video for video in Video.objects.all()}
    assert rows["1"].title == odd[0].title
    assert (rows["2"].title, len(rows["2"].description)) == (odd[1].title, 5000)
    assert (rows["3"].view_count, rows["3"].like_count, rows["3"].comment_count) == (5_234_567_890, None, None)
    assert (rows["4"].title, rows["4"].view_count, rows["4"].duration_seconds) == ("nulinside", None, 93_784)
    assert (rows["5"].view_count, rows["5"].like_count, rows["5"].duration_seconds) == (0, 0, None)
    assert (rows["5"].live_state, rows["5"].scheduled_start_at is not None) == ("upcoming", True)


def test_a_video_is_unavailable_after_two_calls_omit_it(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    full_sync(band)
    video_id = next(iter(youtube.world.videos))
    youtube.world.videos[video_id].privacy = "private"
    states = []
    for _ in range(3):
        job = full_sync(band)
        states.append((Video.objects.get(youtube_id=video_id).availability, job.videos_unavailable))
    assert states == [(Availability.MISSING, 1), (Availability.UNAVAILABLE, 1), (Availability.UNAVAILABLE, 1)]
    youtube.world.videos[video_id].privacy = "public"
    assert video_counts(full_sync(band)) == (60, 0, 1)
    assert Video.objects.get(youtube_id=video_id).availability == Availability.AVAILABLE
