"""10,000 deliveries of YouTube's hub in a minute, for 9,000 new videos, on one web server and one worker.

python -m tests.bench.burst
"""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from . import seed
from .report import Figure, show
from .server import ROOT, Client, running, token, watch
from .sync import _youtube

BANDS, VIDEOS_PER_BAND, DELIVERIES, SECONDS = 100, 90, 10_000, 60
VIDEOS = BANDS * VIDEOS_PER_BAND
SENDERS = 16
SECRET = "the hub's secret"
_PATIENCE = 300


def _channel_id(url: str, handle: str) -> str:
    query = urllib.parse.urlencode({"part": "id", "forHandle": handle, "key": "a-key"})
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    connection.request("GET", f"/youtube/v3/channels?{query}")
    return str(json.loads(connection.getresponse().read())["items"][0]["id"])


def _subscribe(url: str, titles: list[str]) -> list[tuple[str, bytes]]:
    """Create the bands with subscriptions that work. Return what the hub delivers: (token, body) of each delivery."""
    from django.db import connection
    from django.db.models.functions import Now

    from bands.models import Band
    from syncjobs.models import Subscription
    from syncjobs.senders import secrets

    from ..freshness.site import entry, feed

    with connection.cursor() as cursor:
        # An earlier run's.
        cursor.execute("TRUNCATE syncjobs_syncjob, syncjobs_quotacall, syncjobs_quotaday, bands_band CASCADE")
    deliveries = []
    for title in titles:
        channel_id = _channel_id(url, f"@{title}")
        band = Band.objects.create(name=title, slug=title.lower(), channel_reference=channel_id, channel_id=channel_id)
        subscription = Subscription.objects.create(
            band=band,
            channel_id=channel_id,
            topic=f"{url}/feeds/videos.xml?channel_id={channel_id}",
            secret=secrets.encrypt(SECRET),
            state="VERIFIED",
            verified_at=Now(),
        )
        for number in range(VIDEOS_PER_BAND):
            # As _youtube() has them, so that feeds agree.
            name = f"Halftime show {number} of the marching band of {title}"
            deliveries.append((subscription.token, feed(entry(f"{title[:4]}{number:07}", band, title=name))))
    deliveries += random.sample(deliveries, DELIVERIES - len(deliveries))
    random.shuffle(deliveries)
    return deliveries


def _send_all(port: int, deliveries: list[tuple[str, bytes]]) -> list[float]:
    """Send the deliveries evenly over SECONDS; return the seconds from the time that each was due to its answer."""
    import hashlib
    import hmac

    began = time.perf_counter() + 0.5
    local = threading.local()

    def send(number: int) -> float:
        due = began + number * SECONDS / DELIVERIES
        time.sleep(max(0.0, due - time.perf_counter()))
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        token, body = deliveries[number]
        signature = "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
        headers = {"Content-Type": "application/atom+xml", "X-Hub-Signature": signature}
        local.connection.request("POST", f"/websub/{token}", body, headers)
        answer = local.connection.getresponse()
        answer.read()
        assert answer.status == 204, answer.status
        return time.perf_counter() - due

    with ThreadPoolExecutor(SENDERS) as pool:
        return list(pool.map(send, range(len(deliveries))))


def _wait_for_details() -> float:
    """Return the seconds until all videos have their details."""
    from bands.models import Video

    began = time.perf_counter()
    while time.perf_counter() - began < _PATIENCE:
        if Video.objects.filter(details_stored_at__isnull=False).count() == VIDEOS:
            break
        time.sleep(0.2)
    return time.perf_counter() - began


def _measure(url: str, port: int) -> list[Figure]:
    from bands.models import Video
    from syncjobs.models import QuotaCall

    titles = [f"B{number:03}band" for number in range(BANDS)]
    deliveries = _subscribe(url, titles)
    client = Client(port, token())
    end = time.monotonic() + 5
    quiet = watch(client, lambda: time.monotonic() > end, 0.1)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send_all, port, deliveries)
        busy = watch(client, sending.done, 0.1)
        times = sorted(sending.result())
    stored = Video.objects.count()
    waited = _wait_for_details()
    detailed = Video.objects.filter(details_stored_at__isnull=False).count()
    units = QuotaCall.objects.filter(bucket="main").count()
    return [
        Figure("deliveries", len(times)),
        Figure("callback p50", statistics.median(times) * 1000, unit="ms"),
        Figure("callback p99", times[int(len(times) * 0.99)] * 1000, "<=", 50, "ms"),
        Figure("videos stored when the last one is answered", stored, "=", VIDEOS),
        Figure("with details", detailed, "=", VIDEOS),
        Figure("seconds until then", waited, unit="s"),
        Figure("units", units, "<=", VIDEOS / 50 * 1.1),
        Figure("status of the queues before, p50", statistics.median(quiet) * 1000, unit="ms"),
        Figure("status of the queues meanwhile, p50", statistics.median(busy) * 1000, unit="ms"),
    ]


def main() -> bool:
    os.environ |= {"YOUTUBE_QUOTA_MAIN": "10000000", "YOUTUBE_QUOTA_RESERVED": "0", "LOG_LEVEL": "ERROR"}
    os.environ["YOUTUBE_API_KEY"] = "AIza-bench-key-0123456789"
    random.seed(7)
    seed.prepare(0)
    channels = {f"B{number:03}band": VIDEOS_PER_BAND for number in range(BANDS)}
    with _youtube(channels) as url, running("syncmonitor.asgi:application") as (port, _pid):
        worker = [sys.executable, "-m", "celery", "-A", "syncmonitor", "worker", "--concurrency", "2"]
        process = subprocess.Popen([*worker, "-Q", "video-sync,video-processing,maintenance"], cwd=ROOT)
        try:
            return show(f"{DELIVERIES:,} deliveries in {SECONDS} s", _measure(url, port))
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    sys.exit(not main())
