"""Syncing a single video."""

from __future__ import annotations

import pytest

from bands.models import Video
from syncjobs.choices import JobStatus
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.world import uploads
from tests.factories import PERSON, band_with_videos, run_next

# The lease is renewed on another connection, which must see the attempt.
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_single_video_goes_to_the_band_of_its_channel(youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 5)
    video_id = youtube.world.playlists[uploads(channel.id)][2]
    triggers.trigger_video(PERSON, f"https://youtu.be/{video_id}?t=3")
    job = run_next("video-processing")
    assert (job.status, job.videos_added, Video.objects.get().band_id) == (JobStatus.COMPLETED, 1, band.pk)
    triggers.trigger_video(PERSON, "zzzzzzzzzzz")
    assert run_next("video-processing").status == JobStatus.FAILED
    stranger = youtube.world.add_channel("@stranger")
    triggers.trigger_video(PERSON, youtube.world.upload(stranger.id)[0].id)
    assert "Choose the band" in run_next("video-processing").job_errors.get().message
