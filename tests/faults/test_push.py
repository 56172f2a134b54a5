"""Push through real processes, each of which is killed: web server, worker, PostgreSQL and Redis."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from django.utils import timezone

from bands.models import Video
from syncjobs.models import Subscription
from syncjobs.senders import secrets
from syncjobs.youtube.simulator import Simulator
from syncmonitor import embedded
from tests.factories import band_with_videos, wait_for
from tests.freshness.site import entry, feed
from tests.processes import Workers, environment, kill_group, kill_postgres, web_process

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]
SENDERS, A_FEW = 4, 10


class Hub:
    """Delivers videos of one channel, and repeats each delivery until it is answered 204."""

    def __init__(self, subscription: Subscription, video_ids: list[str]) -> None:
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self._token, self._band = subscription.token, subscription.band
        self._secret = secrets.decrypt(subscription.secret).encode()
        self._left, self._is_over = video_ids, threading.Event()

    @contextlib.contextmanager
    def delivering(self, url: str) -> Iterator[None]:
        """Deliver in several threads. At the end, what is not acknowledged is left for the next time."""
        self._is_over.clear()
        threads = [threading.Thread(target=self._deliver, args=(url,)) for _number in range(SENDERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self) -> None:
        """Wait until a few more deliveries have been acknowledged."""
        enough = len(self.acknowledged) + A_FEW
        wait_for(lambda: len(self.acknowledged) >= enough, 60, "deliveries to be acknowledged")

    def _deliver(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._is_over.is_set():
                video_id = self._left.pop()
                if not self._is_acknowledged(client, video_id):
                    self._left.insert(0, video_id)
                time.sleep(0.02)

    def _is_acknowledged(self, client: httpx.Client, video_id: str) -> bool:
        assert self._band
        body = feed(entry(video_id, self._band))
        signature = "sha1=" + hmac.new(self._secret, body, hashlib.sha1).hexdigest()
        headers = {"Content-Type": "application/atom+xml", "X-Hub-Signature": signature}
        with contextlib.suppress(httpx.TransportError):
            answer = client.post(f"/websub/{self._token}", content=body, headers=headers)
            self.statuses.add(answer.status_code)
            if answer.status_code == 204:
                self.acknowledged.add(video_id)
                return True
        return False


def test_no_pushed_video_is_lost_whatever_is_killed(
    workers: Workers, youtube: Simulator, broker: redis.Redis, tmp_path: Path
) -> None:
    _band, channel = band_with_videos(youtube.world, 0)
    verified = Subscription.objects.filter(state="VERIFIED")
    # The tests' PostgreSQL does not wait for its log, so it would lose what it has committed.
    site = environment(youtube.url)
    site["DATABASE_URL"] += "?options=-c%20synchronous_commit%3Don"
    with web_process(site, tmp_path / "web.log") as (url, web):
        pushed = {"PUBLIC_URL": url, "YOUTUBE_HUB": youtube.hub_url, "YOUTUBE_FEED_ENDPOINT": youtube.feed_url}
        workers.start("first", concurrency=1, **pushed)
        wait_for(verified.exists, 60, workers.logs)
        workers.kill("first")
        video = youtube.world.publish(channel.id, timezone.now())
        stored = Video.objects.filter(youtube_id=video.id, noticed_by="push")
        wait_for(stored.exists, 30, workers.logs)
        assert stored.get().details_pending

        youtube.hub.stop()
        hub = Hub(verified.get(), [video.id for video in youtube.world.upload(channel.id, 400)])
        with hub.delivering(url):
            hub.wait_for_more()
            kill_group(web)
        _all_are_stored(hub)
    with web_process(site, tmp_path / "web.log") as (url, _web), hub.delivering(url):
        hub.wait_for_more()
        os.kill(broker.info("server")["process_id"], signal.SIGKILL)
        hub.wait_for_more()
        kill_postgres()
        hub.wait_for_more()
    embedded._start_redis()
    _all_are_stored(hub)
    workers.start("second", concurrency=1, **pushed)
    pending = Video.objects.filter(noticed_by="push", details_stored_at=None)
    wait_for(lambda: not pending.exists(), 60, workers.logs)
    _all_are_stored(hub)
    assert verified.get().token not in workers.logs()  # The log of the web servers is among them.


def _all_are_stored(hub: Hub) -> None:
    assert hub.statuses <= {204, 503}
    assert hub.acknowledged <= set(Video.objects.filter(noticed_by="push").values_list("youtube_id", flat=True))
