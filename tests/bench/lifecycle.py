"""Jobs through their life (insert, claim, finish) with the counts and the feed kept, and without.

python -m tests.bench.lifecycle
"""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import sys
import threading
import time
from typing import Any

from . import seed
from .report import Figure, show

JOBS = 10_000
ROUNDS, LIVES = 5, 160
_COUNTS = ("count_inserted", "count_updated", "count_deleted")
_FEED = ("change_inserted", "change_updated", "change_deleted")
BARE, COUNTED, ALL = "without", "with counts", "with counts and feed"
_QUEUES = (("video-sync", "SINGLE_VIDEO"), ("video-processing", "ENRICH"), ("maintenance", "PRUNE"))


def _lives(count: int, start: Any) -> None:
    """So many jobs from their making to their end, one after the other."""
    from bands.models import Band
    from syncjobs import lifecycle
    from syncjobs.actors import SYSTEM
    from syncjobs.choices import QUEUE_OF_TYPE, JobType
    from syncjobs.creation import create_job
    from syncjobs.lifecycle import WorkerIdentity

    chance = random.Random(os.getpid())
    bands = list(Band.objects.order_by("pk")[:50])
    me = WorkerIdentity("bench", os.getpid())
    start.wait()
    for _ in range(count):
        kind = JobType(chance.choice(_QUEUES)[1])
        create_job(SYSTEM, kind, band=chance.choice(bands), priority=30, ring=False)
        attempt = lifecycle.claim_next(QUEUE_OF_TYPE[kind], me)
        if attempt is not None:
            lifecycle.complete(attempt)


def _client(count: int, start: Any) -> None:
    seed.prepare(JOBS, migrate=False)
    _lives(count, start)


def _rate(clients: int) -> float:
    """Lives a second."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(clients + 1)
    processes = [context.Process(target=_client, args=(LIVES // clients, start)) for _ in range(clients)]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return LIVES / (time.perf_counter() - began)


def _switch(names: tuple[str, ...], verb: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"ALTER TABLE syncjobs_syncjob {verb} TRIGGER {name}")


def _fold(done: threading.Event) -> None:
    from django.db import connection

    from syncjobs import counters, feed

    while not done.wait(1):
        counters.fold()
        feed.purge()
    connection.close()


def _rates(clients: int) -> dict[str, float]:
    """In turn, so that whatever else the machine does hits all alike."""
    from syncjobs import counters

    taken: dict[str, list[float]] = {BARE: [], COUNTED: [], ALL: []}
    for _ in range(ROUNDS):
        for name, off in ((BARE, (*_COUNTS, *_FEED)), (COUNTED, _FEED), (ALL, ())):
            _switch(off, "DISABLE")
            taken[name].append(_rate(clients))
            _switch(off, "ENABLE")
            if name == BARE:
                counters.rebuild()
    return {name: statistics.median(rates) for name, rates in taken.items()}


def main() -> bool:
    seed.prepare(JOBS)
    seed.seed(JOBS)
    from syncjobs import counters

    done = threading.Event()
    folding = threading.Thread(target=_fold, args=(done,))
    folding.start()
    figures = []
    try:
        for clients in (1, 8):
            rates = _rates(clients)
            figures += [
                Figure(f"{clients} clients, without counts and feed", rates[BARE], unit="lives/s"),
                Figure(f"{clients} clients, with counts / without", rates[COUNTED] / rates[BARE], ">=", 0.7, "x"),
                Figure(f"{clients} clients, with counts and feed / without", rates[ALL] / rates[BARE], ">=", 0.7, "x"),
            ]
    finally:
        done.set()
        folding.join()
        _switch((*_COUNTS, *_FEED), "ENABLE")
    figures.append(Figure("cells that differ from COUNT(*)", counters.wrong_cells(), "=", 0))
    seed.seed(JOBS)
    return show("Lives of jobs (insert, claim, finish)", figures)


if __name__ == "__main__":
    sys.exit(not main())
