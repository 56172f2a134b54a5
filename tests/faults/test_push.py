"""Push through real processes: web server, worker, and the simulated hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone

from bands.models import Video
from syncjobs.models import Subscription
from syncjobs.youtube.simulator import Simulator
from tests.factories import band_with_videos, wait_for
from tests.processes import Workers, environment, web_server

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]


def test_a_pushed_video_survives_the_death_of_the_worker(workers: Workers, youtube: Simulator, tmp_path: Path) -> None:
    _band, channel = band_with_videos(youtube.world, 0)
    verified = Subscription.objects.filter(state="VERIFIED")
    with web_server(environment(youtube.url), tmp_path / "web.log") as url:
        pushed = {"PUBLIC_URL": url, "YOUTUBE_HUB": youtube.hub_url, "YOUTUBE_FEED_ENDPOINT": youtube.feed_url}
        workers.start("first", concurrency=1, **pushed)
        wait_for(verified.exists, 60, workers.logs)
        workers.kill("first")
        video = youtube.world.publish(channel.id, timezone.now())
        stored = Video.objects.filter(youtube_id=video.id, noticed_by="push")
        wait_for(stored.exists, 30, workers.logs)
        assert stored.get().details_pending
        workers.start("second", concurrency=1, **pushed)
        wait_for(stored.filter(details_pending=False, duration_seconds__isnull=False).exists, 60, workers.logs)
    assert youtube.units() == 1
    assert verified.get().token not in workers.logs()
