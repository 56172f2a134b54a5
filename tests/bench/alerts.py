"""What a round of the alerts costs: `python -m tests.bench.alerts 10000000` (jobs; default 1,000,000).

300 of the bands have a channel, fail, and were not synced for long, which are 600 alerts. 50 workers and a scheduler run,
and a day's calls are in the ledger.
"""

from __future__ import annotations

import datetime as dt
import logging
import statistics
import sys
import time

from .seed import fill, prepare

MOST_MS, MOST_STATEMENTS, ROUNDS = 50, 10, 20


def main() -> int:
    """0 if the figures hold."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    prepare(count)
    logging.disable(logging.INFO)  # or the first round would write a line per alert
    fill(count)
    _remove_trouble()  # Of a run that was killed.
    try:
        return int(not _holds(count))
    finally:
        _remove_trouble()


def _holds(count: int) -> bool:
    from syncjobs.models import Alert

    _add_trouble()
    kinds = {"rules": 1, "forecast": 0}
    holds = True
    for name, parity in kinds.items():
        times, statements = _measure(parity)
        p50, worst = statistics.median(times), max(times)
        sys.stdout.write(f"{name}: p50 {p50:.1f} ms, worst {worst:.1f} ms, at most {statements} statements\n")
        holds &= p50 <= MOST_MS and statements <= MOST_STATEMENTS
    sys.stdout.write(f"{Alert.objects.unresolved().count()} alerts at {count} jobs\n")
    return holds


def _add_trouble() -> None:
    from django.db import connection
    from django.db.models.functions import Now

    from bands.models import Band
    from syncjobs.engine import clock
    from syncjobs.models import QuotaCall, Worker
    from syncjobs.youtube.costs import quota_day

    day = quota_day(clock.now())
    Worker.objects.bulk_create(
        Worker(name=f"w{n}", process_id=n, queues=["video-sync", "maintenance"], concurrency=4) for n in range(50)
    )
    Worker.objects.create(name="beat", process_id=50, queues=[], concurrency=0, is_scheduler=True)
    Worker.objects.update(heartbeat_at=Now() + dt.timedelta(hours=1))
    failing = Band.objects.order_by("pk")[:300].values("pk")
    Band.objects.filter(pk__in=failing).update(
        channel_reference="@band", consecutive_failures=5, last_full_sync_at=Now() - dt.timedelta(days=9)
    )
    QuotaCall.objects.bulk_create(
        QuotaCall(bucket="main", day=day, operation="videos.list", units=1, seconds=0.1, is_personal=n % 9 == 0)
        for n in range(9000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _remove_trouble() -> None:
    """Leave the database to the other benchmarks as it was."""
    from bands.models import Band
    from syncjobs.models import Alert, QuotaCall, Worker

    for kind in (Alert, QuotaCall, Worker):
        kind._default_manager.all().delete()
    Band.objects.update(channel_reference="", consecutive_failures=0, last_full_sync_at=None)


def _measure(parity: int) -> tuple[list[float], int]:
    """Return the milliseconds of each round, and the most statements that one took. The first round opens the alerts."""
    from django.db import connection
    from django.db.models.functions import Now
    from django.test.utils import CaptureQueriesContext

    from syncjobs.alerts import rounds
    from syncjobs.models import AlertRound

    times, statements = [], 0
    for number in range(2 * ROUNDS + 1):
        AlertRound.objects.update(due_at=Now() - dt.timedelta(seconds=1), number=2 * number + 1 - parity)
        if number % 2 == 0:
            with CaptureQueriesContext(connection) as queries:
                rounds.run_if_due()
            statements = max(statements, len(queries))
            continue
        began = time.perf_counter()
        rounds.run_if_due()
        times.append(1000 * (time.perf_counter() - began))
    return times, statements


if __name__ == "__main__":
    sys.exit(main())
