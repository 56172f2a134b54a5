"""How late new videos are, and what that costs: one simulated day of 1,000 bands and 200 new videos.

python -m tests.bench.freshness [--case CASE] [--bands N] [--videos N]

The whole site runs in this process: callback, reader of feeds, subscriptions, schedule and jobs are the project's own code, on
a PostgreSQL of their own; the API is called over HTTP, the callback and the feeds without a socket. Nothing waits: between
two events, the clock of this process and of PostgreSQL is moved to the next one (see tests/chaos/clock.c), so every time in
the database is as it would be on a real day. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import datetime as dt
import heapq
import mmap
import os
import random
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..chaos.clock import compile_library
from .report import Figure, show

CASES = ("push", "lost10", "silent", "silent_proven", "503", "feeds404", "both", "both_proven", "no_public_url")
PROVEN = ("push", "lost10", "silent_proven", "both_proven")
"""Cases that begin with 15 days of as many new videos, all of which came by push."""
TICK = 30
"""Seconds between two rounds of the site's threads. On a real site, these are 1 to 10 seconds."""
HUB_DELAY = (2.0, 30.0)
"""Seconds until the hub delivers."""
UNITS = {"push": 70, "lost10": 80, "no_public_url": 80}
LATEST = {
    "lost10": 16,
    "silent": 16,
    "silent_proven": 16,
    "503": 16,
    "feeds404": 20,
    "both": 65,
    "both_proven": 65,
    "no_public_url": 16,
}
"""Minutes after its publication by which every video must be stored."""
VIDEOS_BEFORE = 20
DAYS_BEFORE = 15
SILENT_AFTER = 6 * 3600
"""Seconds of the day after which a push that has proven itself falls silent."""
_FILE = "CHAOS_CLOCK_FILE"


class Clock:
    """The clock of this process and of PostgreSQL."""

    def __init__(self) -> None:
        self._real = time.time
        with Path(os.environ[_FILE]).open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)

    def now(self) -> float:
        return time.time()

    def move_to(self, moment: float) -> None:
        """Move the clock forward to the moment, or up to a second later; never back."""
        ahead = moment - time.time()
        if ahead > 0:
            (shift,) = struct.unpack("l", self._shift[:8])
            self._shift[:8] = struct.pack("l", shift + int(-(-ahead // 1)))


def _restart_with_movable_clock() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-clock-"))
    folder.chmod(0o755)  # PostgreSQL's user must be able to read it.
    file = folder / "shift"
    file.write_bytes(struct.pack("l", 0))
    os.environ |= {"LD_PRELOAD": str(compile_library(folder)), _FILE: str(file)}
    os.execv(sys.executable, [sys.executable, "-m", "tests.bench.freshness", *sys.argv[1:]])


class Day:
    """The site, the simulated YouTube, and what happens to both during a day."""

    def __init__(self, case: str, bands: int, videos: int, clock: Clock, simulator: Any) -> None:
        from django.test import Client

        self.case, self.videos, self.clock, self.youtube = case, videos, clock, simulator
        self._rng = random.Random(14)
        self._client = Client(SERVER_NAME="localhost")
        self._events: list[tuple[float, int, str]] = []
        self.callbacks: list[float] = []
        simulator.hub.delay = HUB_DELAY
        simulator.hub.send = self._send
        self._next_pass = 0.0
        self._set_up(bands)

    def _set_up(self, count: int) -> None:
        """Create bands whose videos are all known, as a site has them after its first full syncs."""
        from django.db.models.functions import Now

        from bands.models import Band, Video
        from syncjobs.youtube.simulator.world import Video as TheirVideo
        from syncjobs.youtube.simulator.world import made_up_id, uploads

        world, rows = self.youtube.world, []
        long_ago = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
        for number in range(count):
            channel = world.add_channel(f"@band{number}")
            world.add_videos(
                channel.id,
                (
                    TheirVideo(
                        made_up_id(f"{number}/{n}", 11), f"Show {n}", channel.id, long_ago + dt.timedelta(days=n)
                    )
                    for n in range(VIDEOS_BEFORE)
                ),
            )
            rows.append(
                Band(
                    name=f"Band {number}", slug=f"band-{number}", channel_reference=channel.id, channel_id=channel.id,
                    uploads_playlist_id=uploads(channel.id), channel_video_count=VIDEOS_BEFORE,
                )
            )  # fmt: skip
        Band.objects.bulk_create(rows)
        Band.objects.update(last_full_sync_at=Now(), last_page_read_at=Now(), last_incremental_sync_at=Now())
        known = [
            Video(
                band=band, youtube_id=video.id, channel_id=band.channel_id, title=video.title, duration_seconds=213,
                published_at=video.published_at, privacy_status="public", created_at=long_ago,
            )
            for band in rows
            for video in map(world.videos.__getitem__, world.playlists[band.uploads_playlist_id])
        ]  # fmt: skip
        for first in range(0, len(known), 500):
            Video.objects.bulk_create(known[first : first + 500])
        if self.case in PROVEN:
            self._add_pushed(rows)

    def _add_pushed(self, bands: list[Any]) -> None:
        """Let push have brought as many videos on each of the last 15 days, to all bands in turn."""
        from django.db.models.functions import Now

        from bands.models import NoticedBy, Video

        now, count = self.youtube.now().replace(microsecond=0), self.videos * DAYS_BEFORE
        new = []
        for number in range(count):
            band = bands[number % len(bands)]
            # The API and feeds have whole seconds.
            age = dt.timedelta(seconds=DAYS_BEFORE * 86_400 * (count - number) // count)
            video = self.youtube.world.publish(band.channel_id, now - age)
            band.channel_video_count += 1
            new.append(
                Video(
                    band=band, youtube_id=video.id, channel_id=band.channel_id, title=video.title, duration_seconds=213,
                    published_at=video.published_at, privacy_status="public", created_at=video.published_at,
                    details_stored_at=video.published_at, notice_updated_at=Now(), noticed_by=NoticedBy.PUSH,
                )
            )  # fmt: skip
        for first in range(0, count, 500):
            Video.objects.bulk_create(new[first : first + 500])
        type(bands[0]).objects.bulk_update(bands, ["channel_video_count"])

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Answer the hub by the site's own code, with all of its middleware."""
        parts = urlsplit(url)
        began = time.perf_counter()
        answer = self._client.generic(
            method, f"{parts.path}?{parts.query}", body, headers.get("Content-Type", ""), headers=dict(headers)
        )
        self.callbacks.append(time.perf_counter() - began)
        return answer.status_code, answer.content

    def warm_up(self) -> None:
        """Two hours without new videos: bands are subscribed, feeds are read for the first time, and channels are probed."""
        from syncjobs.youtube.simulator.faults import FEED, HUB_DELIVER, HUB_SUBSCRIBE, Fault

        faults = {
            "lost10": [Fault("lose", HUB_DELIVER, probability=0.1)],
            "503": [Fault("unavailable", HUB_SUBSCRIBE, headers={"Retry-After": "3600"})],
            "feeds404": [Fault("lose", HUB_DELIVER), Fault("foreign", FEED, status=404, probability=0.5)],
        }
        silent = [Fault("lose", HUB_DELIVER)] if self.case in ("silent", "both") else []
        self.youtube.faults.add(*faults.get(self.case, silent))
        self._subscribe()
        self._run_until(self.clock.now() + 7200)

    def _subscribe(self) -> None:
        """Send the first requests for subscriptions, one in a second."""
        from syncjobs.freshness import hub, subscriptions

        if subscriptions.is_push_on():
            subscriptions.reconcile()
            while hub.send_next():
                self.clock.move_to(self.clock.now() + 1)
                self.youtube.hub.run_due()
            if self.case in PROVEN:
                from django.db.models.functions import Now

                from syncjobs.models import Subscription

                # They were subscribed all the time.
                Subscription.objects.update(trusted_at=Now())

    def run(self) -> float:
        """Run the day; return the moment it began."""
        began = self.clock.now()
        for number in range(self.videos):
            heapq.heappush(self._events, (began + self._rng.uniform(0, 86_400), number, "publish"))
        if self.case.endswith("_proven"):
            heapq.heappush(self._events, (began + SILENT_AFTER, 0, "hub falls silent"))
        if self.case.startswith("both"):
            for number, hour in enumerate(range(1, 24, 3)):
                heapq.heappush(
                    self._events, (began + hour * 3600, number, "feeds fail" if number % 2 == 0 else "feeds work")
                )
        self._run_until(began + 86_400)
        return began

    def _run_until(self, end: float, tick: int = TICK) -> None:
        while self.clock.now() < end:
            self.clock.move_to(self._next(min(end, self.clock.now() + tick)))
            self._happen()
            self._round()

    def _next(self, latest: float) -> float:
        hub = self.youtube.hub.next_at()
        moments = [latest, *([self._events[0][0]] if self._events else []), *([hub.timestamp()] if hub else [])]
        return min(moments)

    def _happen(self) -> None:
        from syncjobs.youtube.simulator.faults import FEED, HUB_DELIVER, Fault

        channels = list(self.youtube.world.channels)
        while self._events and self._events[0][0] <= self.clock.now():
            _, _, what = heapq.heappop(self._events)
            if what == "publish":
                self.youtube.world.publish(self._rng.choice(channels), self.youtube.now())
            elif what == "hub falls silent":
                self.youtube.faults.add(Fault("lose", HUB_DELIVER))
            elif what == "feeds fail":
                self.youtube.faults.add(Fault("foreign", FEED, status=404))
            else:
                self.youtube.faults.active[:] = [f for f in self.youtube.faults.active if f.operation != FEED]
        self.youtube.hub.run_due()

    def _round(self) -> None:
        """What the elected worker's threads, the scheduler and the workers do."""
        from syncjobs.audit.actors import for_schedule
        from syncjobs.engine import clock
        from syncjobs.engine.reconcile import reconcile
        from syncjobs.freshness import feeds, hub, subscriptions
        from syncjobs.operations import triggers

        from ..factories import run_all

        clock.now()
        if subscriptions.is_push_on():
            hub.send_next()
        if self.clock.now() >= self._next_pass:
            self._next_pass = (self.clock.now() // 3600 + 1) * 3600 + 600
            subscriptions.reconcile()
            feeds.match_bands()
            triggers.trigger_sync(for_schedule("Incremental sync of all bands"), None, full=False)
        for _ in range(TICK // 2):
            if feeds.read_due() < feeds.BATCH:
                break
        feeds.read_sooner()
        feeds.probe_unread()
        if _has_work():
            reconcile()
            run_all()


def _has_work() -> bool:
    """Whether a job is queued, or details are due. A round that finds nothing takes most of the time of a day."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM syncjobs_syncjob WHERE status IN ('QUEUED', 'IN_PROGRESS'))"
            " OR EXISTS (SELECT FROM bands_video WHERE details_pending)"
        )
        return bool(cursor.fetchone()[0])


def _measure(day: Day, began: float) -> list[Figure]:
    from bands.models import Band, NoticedBy, Video

    since = dt.datetime.fromtimestamp(began, dt.UTC)
    units, reads = day.youtube.units(), len(day.youtube.feed_log)
    log = day.youtube.calls()
    day._run_until(day.clock.now() + 7200)
    stored = list(Video.objects.filter(published_at__gte=since.replace(microsecond=0)).exclude(noticed_by=""))
    late = {v.youtube_id: (v.created_at - v.published_at).total_seconds() for v in stored if v.published_at}
    details = [
        (v.details_stored_at - v.published_at).total_seconds() for v in stored if v.details_stored_at and v.published_at
    ]
    pushed = [late[v.youtube_id] for v in stored if v.noticed_by == NoticedBy.PUSH]
    figures = [
        Figure("videos published", day.videos),
        Figure("of them stored", len(stored), "=", day.videos),
        *(Figure(f"first noticed by {name}", sum(v.noticed_by == name for v in stored)) for name in NoticedBy.values),
        Figure("units of main", units, *(("<=", UNITS[day.case]) if day.case in UNITS else ())),
        *(
            Figure(f"units of {name}", sum(c["operation"] == name for c in log))
            for name in sorted({c["operation"] for c in log})
        ),
        Figure("feeds read", reads),
        Figure("bands flagged", Band.objects.exclude(channel_problem="").count(), "=", 0),
    ]
    for name, values in (("published to stored", list(late.values())), ("published to details", details)):
        if len(values) > 1:
            figures += [
                Figure(f"{name}, p50", statistics.median(values), unit="s"),
                Figure(f"{name}, p95", statistics.quantiles(values, n=20)[-1], unit="s"),
                Figure(f"{name}, slowest", max(values), unit="s"),
            ]
    if day.case in ("push", "lost10") and len(pushed) > 1:
        figures.append(Figure("pushed videos, p95", statistics.quantiles(pushed, n=20)[-1], "<=", 60, "s"))
    if day.case == "no_public_url":
        figures.append(Figure("p95", statistics.quantiles(late.values(), n=20)[-1], "<=", 16 * 60, "s"))
    elif day.case in LATEST:
        figures.append(Figure("slowest", max(late.values()), "<=", LATEST[day.case] * 60, "s"))
    if day.callbacks:
        figures.append(Figure("callback, median in this process", 1000 * statistics.median(day.callbacks), unit="ms"))
    return figures


def _read_feed(simulator: Any, _endpoint: str, channel_id: str, *, etag: str, **_: Any) -> Any:
    """Ask the simulator for a feed, as `youtube.feeds.read_feed` does, but without a socket: a day has 100,000 reads."""
    from syncjobs.youtube.feeds import FeedAnswer, FeedFailed, parse_feed
    from syncjobs.youtube.simulator.faults import FEED
    from syncjobs.youtube.simulator.feeds import feed

    fault = simulator.faults.match(FEED, channel=channel_id)
    status = fault.status if fault is not None else 200
    simulator.write_feed_log(channel_id, status)
    found = feed(simulator.world, channel_id, simulator.now())
    if status != 200 or found is None:
        raise FeedFailed(f"YouTube answered {status}.", status=status)
    body, validators = found
    is_same = validators["ETag"] == etag
    return FeedAnswer(None if is_same else parse_feed(body.encode()), validators["ETag"], validators["Last-Modified"])


def _do_not_wait_for_the_disk() -> None:
    """Times are simulated, so the disk's share of them only makes the bench slow."""
    from django.db import connection

    with connection.cursor() as cursor:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"ALTER SYSTEM SET {name} = off")
        cursor.execute("SELECT pg_reload_conf()")


def _run(case: str, bands: int, videos: int) -> bool:
    from django.conf import settings

    from syncjobs.freshness import feeds
    from syncjobs.youtube import client
    from syncjobs.youtube.simulator import Simulator

    client.MAX_BACKOFF_SECONDS = 0.01
    _do_not_wait_for_the_disk()
    simulator = Simulator()
    feeds.read_feed = partial(_read_feed, simulator)  # type: ignore[assignment]
    simulator.hub.start = lambda: None  # type: ignore[method-assign]  # This process does what is due.
    with simulator:
        settings.YOUTUBE_API_ENDPOINT = simulator.url
        settings.YOUTUBE_FEED_ENDPOINT, settings.YOUTUBE_HUB = simulator.feed_url, simulator.hub_url
        day = Day(case, bands, videos, Clock(), simulator)
        started = time.perf_counter()
        day.warm_up()
        simulator.clear_log()
        began = day.run()
        figures = _measure(day, began)
    took = time.perf_counter() - started
    return show(f"{case}: a day of {bands} bands, simulated in {took:.0f} s", figures)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.freshness")
    parser.add_argument("--case", choices=CASES, default="push")
    parser.add_argument("--bands", type=int, default=1000)
    parser.add_argument("--videos", type=int, default=200)
    options = parser.parse_args()
    if _FILE not in os.environ:
        _restart_with_movable_clock()
    os.environ |= {"YOUTUBE_QUOTA_RESERVED": "0", "YOUTUBE_API_KEY": "AIza-bench-key-0123456789", "LOG_LEVEL": "ERROR"}
    if options.case != "no_public_url":
        os.environ["PUBLIC_URL"] = "http://localhost"
    from . import seed

    seed.prepare(os.getpid())
    from syncmonitor import embedded

    try:
        return int(not _run(options.case, options.bands, options.videos))
    finally:
        embedded.release()
        shutil.rmtree(embedded.home(), ignore_errors=True)
        shutil.rmtree(Path(os.environ[_FILE]).parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
