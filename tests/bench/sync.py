"""The main job against its least: one full sync of 20,000 videos, 200 bands incremental, jobs without calls, upserts, memory.

python -m tests.bench.sync
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import seed
from .report import Figure, show
from .server import ROOT

VIDEOS, LATENCY = 20_000, 0.1
BANDS, VIDEOS_PER_BAND, CHANGED = 200, 60, 20
LIVES, UPSERTS, MEMORY_JOBS = 400, 20_000, 500
_PAGE = 50


@contextlib.contextmanager
def _youtube(channels: dict[str, int]) -> Iterator[str]:
    """A simulated YouTube in a process of its own, with so many videos in each channel."""
    from ..processes import free_port

    port = free_port()
    os.environ["YOUTUBE_API_ENDPOINT"] = url = f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([_channel(title, count) for title, count in channels.items()], file)
        file.flush()
        simulator = [sys.executable, "manage.py", "run_simulator", "--port", str(port), "--videos", file.name]
        process = subprocess.Popen(simulator, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            _control(url, "quota", {"limits": {"main": 10**7, "stats": 10**7}}, tries=300)
            yield url
        finally:
            process.kill()
            process.wait()


def _channel(title: str, count: int) -> dict[str, Any]:
    videos = [
        {
            "id": f"{title[:4]}{number:07}",
            "title": f"Halftime show {number} of the marching band of {title}",
            "publishedAt": f"{2006 + number // 1000}-{1 + number % 12:02}-{1 + number % 28:02}T12:00:00Z",
        }
        for number in range(count)
    ]
    return {"channelTitle": title, "videos": videos}


def _control(url: str, path: str, body: Any = None, tries: int = 1) -> Any:
    data = None if body is None else json.dumps(body).encode()
    for attempt in range(tries):
        try:
            with urllib.request.urlopen(f"{url}/__simulator__/{path}", data, timeout=60) as answer:
                return json.load(answer)
        except OSError:
            if attempt + 1 == tries:
                raise
            time.sleep(0.1)
    raise AssertionError


def _chain(url: str, playlist: str) -> float:
    """Seconds for all pages of a playlist one after the other, over one connection, by a client that does nothing else."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
    token, began = "", time.perf_counter()
    while True:
        query = {"part": "snippet,contentDetails,status", "maxResults": "50", "playlistId": playlist, "key": "a-key"}
        query |= {"pageToken": token} if token else {}
        connection.request("GET", f"/youtube/v3/playlistItems?{urllib.parse.urlencode(query)}")
        page = json.loads(connection.getresponse().read())
        if not (token := page.get("nextPageToken", "")):
            return time.perf_counter() - began


def _run_queued() -> float:
    """Seconds to run all queued jobs in this process, which does what one process of a worker does."""
    from ..factories import run_all

    began = time.perf_counter()
    run_all()
    return time.perf_counter() - began


def _bands(channels: dict[str, int]) -> None:
    from django.db import connection

    from syncjobs.operations import imports

    from ..factories import PERSON

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE syncjobs_syncjob, syncjobs_quotacall, syncjobs_quotaday, bands_band CASCADE")
    imports.import_bands(PERSON, [{"name": t, "slug": t.lower(), "youtube_channel": f"@{t}"} for t in channels])


def full_sync() -> list[Figure]:
    """One full sync of a big channel, empty and again unchanged, against the bare chain of its pages before and after."""
    from bands.channels import uploads_playlist_id
    from bands.models import Band, Video
    from syncjobs.operations import triggers

    from ..factories import PERSON

    channels = {"Big": VIDEOS}
    with _youtube(channels) as url:
        _bands(channels)
        channel = _control(url, "world")[0]["id"]
        band = Band.objects.get()
        chains, syncs = [], []
        _control(url, "faults", {"latency": LATENCY})
        _point_at(url)
        chains.append(_chain(url, uploads_playlist_id(channel)))
        for _ in range(2):
            triggers.trigger_sync(PERSON, band, full=True, force=True)
            cpu = time.process_time()
            syncs.append(_run_queued())
            cpu = time.process_time() - cpu
        chains.append(_chain(url, uploads_playlist_id(channel)))
        assert Video.objects.count() == VIDEOS
    new, unchanged = (sync / statistics.mean(chains) for sync in syncs)
    return [
        Figure(f"bare chain of {VIDEOS // _PAGE} pages", statistics.mean(chains), unit="s"),
        Figure("full sync, all videos new / bare chain", new, "<=", 1.08, "x"),
        Figure("full sync, nothing changed / bare chain", unchanged, "<=", 1.05, "x"),
        Figure("CPU per page of the unchanged one", cpu / (VIDEOS / _PAGE) * 1000, unit="ms"),
    ]


def incremental() -> list[Figure]:
    """An incremental pass over many bands of which few have a new video."""
    from bands.models import Band
    from syncjobs.models import QuotaCall
    from syncjobs.operations import triggers

    from ..factories import PERSON

    channels = {f"B{number:03}band": VIDEOS_PER_BAND for number in range(BANDS)}
    with _youtube(channels) as url:
        _bands(channels)
        _point_at(url)
        triggers.trigger_sync(PERSON, None, full=True, force=True)
        _run_queued()
        # Not their turn on the rotation.
        Band.objects.update(last_incremental_sync_at=None)
        for each in _control(url, "world")[:CHANGED]:
            _control(url, "world", {"action": "upload", "channel": each["id"], "count": 1})
        QuotaCall.objects.all().delete()
        _control(url, "faults", {"latency": LATENCY})
        triggers.trigger_sync(PERSON, None, full=False, force=True)
        seconds = _run_queued()
    calls = QuotaCall.objects.count()
    return [
        Figure(f"incremental pass over {BANDS} bands, {CHANGED} changed", seconds, unit="s"),
        Figure("its calls", calls, "<=", BANDS / _PAGE + CHANGED + 1, "units"),
        Figure("its time / the latency of its calls, one after the other", seconds / (calls * LATENCY), "<=", 1.5, "x"),
    ]


def jobs() -> list[Figure]:
    """Jobs that call nothing, by one process: how many a second, and how many statements each takes from claim to end."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from syncjobs.choices import JobType, QueueName
    from syncjobs.engine.claim import claim_next
    from syncjobs.sync.run import run_attempt

    from ..factories import queue_job, worker

    def run(count: int) -> None:
        for _ in range(count):
            attempt = claim_next(QueueName.MAINTENANCE, worker())
            assert attempt is not None
            run_attempt(attempt)

    def queue(count: int) -> None:
        # STATS_REFRESH of no videos.
        for _ in range(count):
            queue_job(JobType.STATS_REFRESH)

    _bands({})
    queue(LIVES + 40)
    run(20)
    began, cpu = time.perf_counter(), time.process_time()
    run(LIVES)
    rate = LIVES / (time.perf_counter() - began)
    cpu = (time.process_time() - cpu) / LIVES
    with CaptureQueriesContext(connection) as queries:
        run(20)
    return [
        Figure("jobs a second without calls, one process", rate, unit="jobs/s"),
        Figure("CPU of such a job in the process", cpu * 1000, unit="ms"),
        Figure("statements of such a job, with its transactions", len(queries) / 20, "<=", 18),
    ]


def _rows(band_id: int, first: int, count: int) -> list[Any]:
    import datetime as dt

    from bands.models import Video

    return [
        Video(
            band_id=band_id, youtube_id=f"u{number:010}", channel_id="UC" + "x" * 22, channel_title="Big",
            title=f"Halftime show {number}", description="From the archive.\n" * 10, duration_seconds=213,
            published_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC), thumbnails={"default": {"url": "https://i.ytimg.com/vi/x"}},
            tags=["band"], view_count=number, like_count=1, comment_count=1,
        )
        for number in range(first, first + count)
    ]  # fmt: skip


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _by_page(rows: list[Any]) -> None:
    from django.db import transaction

    from bands.videos import upsert_details

    for first in range(0, len(rows), _PAGE):
        with transaction.atomic():
            upsert_details(rows[first : first + _PAGE])


def _by_copy(rows: list[Any]) -> None:
    from django.db import connection, transaction

    from bands.videos import _DETAILS

    columns = ("youtube_id", "band_id", *_DETAILS)
    names = ", ".join(columns)
    merge = (
        f"INSERT INTO bands_video ({names}, availability, details_pending)"
        f" SELECT {names}, 'AVAILABLE', false FROM arriving ON CONFLICT (youtube_id) DO UPDATE SET "
        + ", ".join(f"{name} = EXCLUDED.{name}" for name in _DETAILS)
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS SELECT * FROM bands_video LIMIT 0")
        cursor.execute("SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = 'bands_video'")
        types = {name: kind.lstrip("_") + "[]" * kind.startswith("_") for name, kind in cursor.fetchall()}
        with cursor.copy(f"COPY arriving ({names}) FROM STDIN") as copy:
            copy.set_types([types[name] for name in columns])
            for row in rows:
                copy.write_row([_value(row, name) for name in columns])
        cursor.execute(merge)


def upserts() -> list[Figure]:
    """Rows a second as the sync writes them, in pages of 50, against COPY into a table and one merge; new and changed."""
    from bands.models import Band, Video

    from ..factories import make_band

    _bands({})
    band = make_band("upserts")
    figures = []
    for name, by, first in (("pages of 50", _by_page, 0), ("COPY and merge", _by_copy, UPSERTS)):
        rows = _rows(band.pk, first, UPSERTS)
        new = UPSERTS / _seconds(lambda by=by, rows=rows: by(rows))  # type: ignore[misc]
        for row in rows:
            row.view_count += 1
        changed = UPSERTS / _seconds(lambda by=by, rows=rows: by(rows))  # type: ignore[misc]
        figures.append((name, new, changed))
    (_, new, changed), (_, new_least, changed_least) = figures
    assert Video.objects.count() == 2 * UPSERTS
    assert Band.objects.count() == 1
    return [
        Figure("new rows in pages of 50", new, unit="rows/s"),
        Figure("new rows in pages of 50 / COPY and one merge", new / new_least, ">=", 0.33, "x"),
        Figure("changed rows in pages of 50 / COPY and one merge", changed / changed_least, ">=", 0.33, "x"),
    ]


def _value(row: Any, name: str) -> Any:
    from psycopg.types.json import Jsonb

    value = getattr(row, name)
    return Jsonb(value) if name == "thumbnails" else value


def memory() -> list[Figure]:
    """Memory of a process over many jobs: what it grows by after the first hundred."""
    from syncjobs.operations import triggers

    from ..factories import PERSON

    channels = {f"M{number:03}band": VIDEOS_PER_BAND for number in range(100)}
    with _youtube(channels) as url:
        _bands(channels)
        _point_at(url)
        sizes = []
        for _ in range(MEMORY_JOBS // 100):
            triggers.trigger_sync(PERSON, None, full=True, force=True)
            _run_queued()
            sizes.append(_resident())
    return [
        Figure("memory of a process after 100 jobs", sizes[0], unit="MiB"),
        Figure(f"growth over the next {MEMORY_JOBS - 100} jobs", sizes[-1] - sizes[0], "<=", 8, "MiB"),
    ]


def _resident() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmRSS")


def _point_at(url: str) -> None:
    from django.conf import settings

    settings.YOUTUBE_API_ENDPOINT = url


def main(*names: str) -> bool:
    os.environ |= {"YOUTUBE_QUOTA_MAIN": "10000000", "YOUTUBE_QUOTA_RESERVED": "0", "SYNC_MIN_INTERVAL_SECONDS": "0"}
    os.environ["YOUTUBE_API_KEY"] = "AIza-bench-key-0123456789"
    random.seed(7)
    seed.prepare(0)
    benches = {f.__name__: f for f in (full_sync, incremental, jobs, upserts, memory)}
    figures = [figure for name in names or benches for figure in benches[name]()]
    return show(f"Syncs at {LATENCY * 1000:g} ms a call", figures)


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
