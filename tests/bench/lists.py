"""The list, counts, queue status and error figures at two sizes, in one run: `make bench`.

python -m tests.bench.lists            compares 10,000 with 10,000,000 jobs (make seed-jobs makes them)
python -m tests.bench.lists 1000000    compares with another size
python -m tests.bench.lists --one N    measures one size and prints JSON
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from . import seed

SMALL, LARGE = 10_000, 10_000_000
ROUNDS = 15


def _median_ms(act: Callable[[], Any], rounds: int = ROUNDS) -> float:
    act()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def _buffers(act: Callable[[], Any]) -> int:
    """Shared buffers that the statements of `act` touch, by EXPLAIN of each."""
    from django.db import connection

    seen: list[tuple[str, Any]] = []

    def remember(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        act()
    touched = 0
    with connection.cursor() as cursor:
        for sql, params in seen:
            if sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                (answer,) = cursor.fetchone()
                plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
                touched += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return touched


def _selections(count: int) -> list[dict[str, str]]:
    import datetime as dt

    chance = random.Random(count)
    found = []
    for _ in range(count):
        start = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=chance.randrange(60 * 24 * 60))
        end = start + dt.timedelta(minutes=chance.randrange(1, 30 * 24 * 60))
        aligned = chance.random() < 0.5
        parameters = {
            "status": chance.choice(["", "", "FAILED", "COMPLETED", "QUEUED,CANCELLED"]),
            "jobType": chance.choice(["", "", "FULL_SYNC", "PRUNE", "ENRICH,SINGLE_VIDEO"]),
            "bandId": chance.choice(["", "", "1", "20", "499"]),
            "startDate": chance.choice(["", start.date().isoformat() if aligned else start.isoformat()]),
            "endDate": chance.choice(["", end.date().isoformat() if aligned else end.isoformat()]),
        }
        found.append({name: value for name, value in parameters.items() if value})
    return found


def _query(parameters: dict[str, str]) -> Any:
    from django.http import QueryDict

    from syncjobs.api import listing

    query = QueryDict(mutable=True)
    query.update(parameters)
    return listing.job_query(query)


def _worst_pages(sort: dict[str, str], count: int) -> dict[str, Any]:
    """The most buffers a page takes, over random filters and pages 1, 40,000 and the last."""
    from django.db import connection

    worst: list[tuple[int, str]] = []
    skipped = 0
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '5s'")
    for parameters in _selections(count):
        query = _query(parameters | sort)
        _, total = query.page(1, 20)
        last = max(1, -(-total // 20))
        for page in sorted({1, min(40_000, last), last}):
            try:
                worst.append(
                    (_buffers(lambda query=query, page=page: query.page(page, 20)), f"{parameters} page {page}")
                )  # type: ignore[misc]
            except Exception:
                skipped += 1
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    worst.sort(reverse=True)
    over = sum(buffers > 300 for buffers, _ in worst)
    return {"pages": len(worst), "over_300": over, "timed_out": skipped, "worst": worst[:3]}


def measure(count: int) -> dict[str, Any]:
    """All figures at one size."""
    seed.prepare(count)
    from django.db import connection
    from django.utils import timezone

    from syncjobs import counters, error_figures, job_list, status
    from syncjobs.models import SyncJob

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM syncjobs_syncjob")
        if cursor.fetchone()[0] < count:
            seed.seed(count)
    everything = _query({})
    last = -(-counters.count(counters.Selection()) // 20)
    day_ago = timezone.now() - timezone.timedelta(hours=24)  # type: ignore[attr-defined]
    told: dict[str, Any] = {
        "jobs": count,
        "page_1_ms": _median_ms(lambda: everything.page(1, 20)),
        "near_last_ms": _median_ms(lambda: everything.page(max(1, last - 5), 20)),
        "middle_ms": _median_ms(lambda: everything.page(last // 2, 20)),
        "queue_status_ms": _median_ms(status.queues),
        "errors_24h_ms": _median_ms(lambda: error_figures.groups(day_ago)),
        "errors_all_ms": _median_ms(lambda: error_figures.groups(None)),
        "page_1_created": _worst_pages({}, 100),
        "sorted_by_started": _worst_pages({"sortBy": "startedAt"}, 12),
    }
    exact, star, wrong = [], [], 0
    for parameters in _selections(200 if count <= 1_000_000 else 60):
        selection = _query(parameters).selection
        began = time.perf_counter()
        ours = counters.count(selection)
        exact.append(time.perf_counter() - began)
        began = time.perf_counter()
        wrong += ours != job_list.selected(selection).count()
        star.append(time.perf_counter() - began)
    told |= {
        "filters_counted": len(exact),
        "wrong_counts": wrong,
        "worst_count_ms": max(exact) * 1000,
        "worst_count_star_ms": max(star) * 1000,
    }
    began = time.perf_counter()
    list(
        SyncJob.objects.order_by()
        .values_list("queue_id", "status")
        .annotate(n=__import__("django.db.models").db.models.Count("pk"))
    )
    told["group_by_ms"] = (time.perf_counter() - began) * 1000
    return told


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        sys.stdout.write(json.dumps(measure(int(sys.argv[2]))) + "\n")
        return
    large = int(sys.argv[1]) if len(sys.argv) > 1 else LARGE
    told = []
    for count in (SMALL, large):
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.lists", "--one", str(count)], capture_output=True, text=True, check=True
        )
        told.append(json.loads(done.stdout.splitlines()[-1]))
    small, big = told
    sys.stdout.write(f"{'':<34}{small['jobs']:>14,}{big['jobs']:>14,}{'ratio':>9}\n")
    for name in ("page_1_ms", "middle_ms", "near_last_ms", "queue_status_ms", "errors_24h_ms", "errors_all_ms"):
        sys.stdout.write(f"{name:<34}{small[name]:>14.2f}{big[name]:>14.2f}{big[name] / small[name]:>9.2f}\n")
    sys.stdout.write(
        f"near last / page 1: {big['near_last_ms'] / big['page_1_ms']:.2f}\n"
        f"counts: {big['filters_counted']} filters, {big['wrong_counts']} wrong, worst {big['worst_count_ms']:.1f} ms,"
        f" worst COUNT(*) {big['worst_count_star_ms']:.0f} ms\n"
        f"queue status / GROUP BY: 1/{big['group_by_ms'] / big['queue_status_ms']:.0f}\n"
    )
    for name in ("page_1_created", "sorted_by_started"):
        pages = big[name]
        sys.stdout.write(
            f"{name}: {pages['over_300']} of {pages['pages']} pages over 300 buffers, {pages['timed_out']} over 5 s\n"
        )
        for buffers, what in pages["worst"]:
            sys.stdout.write(f"    {buffers:>8} {what}\n")


if __name__ == "__main__":
    main()
