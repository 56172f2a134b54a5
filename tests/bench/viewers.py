"""Many viewers of the feed of changes: how soon each hears of each change, and what they cost the database.

python -m tests.bench.viewers
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import threading
import time
from contextlib import suppress

from . import seed
from .report import Figure, show
from .server import running, token

JOBS, VIEWERS, CHANGES, A_SECOND = 10_000, 200, 1000, 50
QUIET_SECONDS = 10
_MARKER = re.compile(rb'"videosFound":(\d+)')
_FIRST_MARKER = 1_000_000


class Arrivals:
    """When each viewer got each change. The count of videos identifies it."""

    def __init__(self) -> None:
        self.at: list[dict[int, float]] = []

    async def watch(self, port: int, credentials: str) -> None:
        """Until it is cancelled."""
        times: dict[int, float] = {}
        self.at.append(times)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET /api/admin/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {credentials}\r\n\r\n"
        writer.write(head.encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"data: {") and (found := _MARKER.search(line)):
                    times.setdefault(int(found[1]), time.monotonic())
        finally:
            writer.close()


def _change_jobs(started: threading.Event, committed: list[float]) -> None:
    """CHANGES updates of one job each, evenly in time. `committed` gets the time of each commit."""
    from django.db import connection

    from syncjobs.models import SyncJob

    ids = list(SyncJob.objects.order_by("-pk").values_list("pk", flat=True)[:500])
    started.wait()
    began = time.monotonic()
    for number in range(CHANGES):
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
        SyncJob.objects.filter(pk=ids[number % len(ids)]).update(videos_found=_FIRST_MARKER + number)
        committed.append(time.monotonic())
    connection.close()


def _commits() -> int:
    """Transactions of the database so far, this one's included."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


async def _idle_rate(arrivals: Arrivals, port: int, credentials: str, viewers: int) -> float:
    """Transactions a second while so many watch and nothing changes."""
    watchers = [asyncio.create_task(arrivals.watch(port, credentials)) for _ in range(viewers)]
    await asyncio.sleep(15)  # Idle sessions report their statistics within ten seconds.
    before, began = await asyncio.to_thread(_commits), time.monotonic()
    await asyncio.sleep(QUIET_SECONDS)
    rate = (await asyncio.to_thread(_commits) - before) / (time.monotonic() - began)
    await _end(watchers)
    return rate


async def _end(watchers: list[asyncio.Task[None]]) -> None:
    for watcher in watchers:
        watcher.cancel()
    for watcher in watchers:
        with suppress(asyncio.CancelledError):
            await watcher
    await asyncio.sleep(1)


async def _measure(port: int, credentials: str) -> list[Figure]:
    alone = await _idle_rate(Arrivals(), port, credentials, 1)
    together = await _idle_rate(Arrivals(), port, credentials, VIEWERS)
    arrivals, committed, started = Arrivals(), list[float](), threading.Event()
    watchers = [asyncio.create_task(arrivals.watch(port, credentials)) for _ in range(VIEWERS)]
    await asyncio.sleep(5)
    writer = threading.Thread(target=_change_jobs, args=(started, committed))
    writer.start()
    started.set()
    await asyncio.to_thread(writer.join)
    deadline = time.monotonic() + 30
    while sum(map(len, arrivals.at)) < VIEWERS * CHANGES and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    await _end(watchers)
    delays = [at - committed[marker - _FIRST_MARKER] for times in arrivals.at for marker, at in times.items()]
    return [
        Figure("changes that reached all viewers", len(delays), "=", VIEWERS * CHANGES),
        Figure("from commit to viewer, p50", statistics.median(delays), unit="s"),
        Figure("from commit to viewer, p99", sorted(delays)[int(len(delays) * 0.99)], "<=", 1, "s"),
        Figure("transactions a second with one viewer", alone, unit="/s"),
        Figure(f"transactions a second with {VIEWERS} / with one", together / alone, "<=", 1.2, "x"),
    ]


def main() -> bool:
    seed.prepare(JOBS)
    seed.fill(JOBS)
    credentials = token()
    with running("syncmonitor.asgi:application") as (port, _):
        figures = asyncio.run(_measure(port, credentials))
    return show(f"{VIEWERS} viewers, {A_SECOND} changes a second", figures)


if __name__ == "__main__":
    sys.exit(not main())
