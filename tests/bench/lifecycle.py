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
from multiprocessing.pool import Pool

from . import seed
from .report import Figure, show

JOBS = 10_000
ROUNDS, LIVES = 5, 64
_COUNTS = ("count_inserted", "count_updated", "count_deleted")
_FEED = ("change_inserted", "change_updated", "change_deleted")
BARE, COUNTED, ALL = "without", "with counts", "with counts and feed"
KINDS = ("FULL_SYNC", "ENRICH", "PRUNE")


def _set_up() -> None:
    seed.prepare(JOBS, migrate=False)


def _lives(count: int) -> None:
    """So many jobs from their making to their end, one after the other."""
    from bands.models import Band
    from syncjobs.audit.actors import SYSTEM
    from syncjobs.choices import QUEUE_OF_TYPE, JobType
    from syncjobs.engine import outcomes
    from syncjobs.engine.claim import WorkerIdentity, claim_next
    from syncjobs.engine.enqueue import create_jobs, new_job

    chance = random.Random(os.getpid())
    bands = list(Band.objects.order_by("pk")[:50])
    me = WorkerIdentity("bench", os.getpid())
    for _ in range(count):
        kind = JobType(chance.choice(KINDS))
        create_jobs([new_job(SYSTEM, kind, band=chance.choice(bands), priority=30)], notify=False)
        attempt = claim_next(QUEUE_OF_TYPE[kind], me)
        if attempt is not None:
            outcomes.complete(attempt)


def _rate(clients: Pool, count: int) -> float:
    """Lives a second, all clients together."""
    began = time.perf_counter()
    clients.map(_lives, [LIVES // count] * count, chunksize=1)
    return LIVES / (time.perf_counter() - began)


def _switch(names: tuple[str, ...], verb: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"ALTER TABLE syncjobs_syncjob {verb} TRIGGER {name}")


def _fold(done: threading.Event) -> None:
    from django.db import connection

    from syncjobs import counters
    from syncjobs.live import changes

    while not done.wait(1):
        counters.fold()
        changes.purge()
    connection.close()


def _rates(clients: Pool, count: int) -> dict[str, float]:
    """In turn, so that whatever else the machine does hits all alike."""
    from syncjobs import counters

    taken: dict[str, list[float]] = {BARE: [], COUNTED: [], ALL: []}
    for _ in range(ROUNDS):
        for name, off in ((BARE, (*_COUNTS, *_FEED)), (COUNTED, _FEED), (ALL, ())):
            _switch(off, "DISABLE")
            taken[name].append(_rate(clients, count))
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
        for count in (1, 8):
            with multiprocessing.get_context("spawn").Pool(count, _set_up) as clients:
                clients.map(_lives, [5] * count, chunksize=1)  # warms up
                rates = _rates(clients, count)
            figures += [
                Figure(f"{count} at once, without counts and feed", rates[BARE], unit="lives/s"),
                Figure(f"{count} at once, with counts / without", rates[COUNTED] / rates[BARE], ">=", 0.7, "x"),
                Figure(f"{count} at once, with counts and feed / without", rates[ALL] / rates[BARE], ">=", 0.7, "x"),
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
