"""The list of jobs, exact counts, search, queue status and error figures at two sizes, in one run: `make bench`.

python -m tests.bench.lists            compares 10,000 with 10,000,000 jobs; makes those that aren't there yet
python -m tests.bench.lists 1000000    compares with another size

Times are medians in milliseconds of rounds that go through both sizes in turn, so that a busy machine slows all alike.
Buffers are PostgreSQL's shared buffers of all statements of a request: they don't depend on the machine.
"""

from __future__ import annotations

import datetime as dt
import itertools
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
ROUNDS = 30
MAX_BUFFERS = 300
SORTS = ("created_at", "started_at", "completed_at")
STATUSES = ("", "FAILED", "COMPLETED", "QUEUED,CANCELLED")
TYPES = ("", "INCREMENTAL_SYNC", "PRUNE", "ENRICH,SINGLE_VIDEO")
BANDS = ("", "1", "20", "499")


def _once_ms(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = act()
    return (time.perf_counter() - began) * 1000, result


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
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            (answer,) = cursor.fetchone()
            plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
            touched += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return touched


def _date_ranges() -> list[dict[str, str]]:
    """No dates, whole days, and times that no count is aligned to, with one end and with two."""
    now = dt.datetime.now(dt.UTC)
    early, late = now - dt.timedelta(days=41, hours=7, minutes=29), now - dt.timedelta(days=12, hours=5, minutes=31)
    return [
        {},
        {"start_date": early.date().isoformat(), "end_date": late.date().isoformat()},
        {"start_date": early.isoformat(), "end_date": late.isoformat()},
        {"start_date": late.isoformat()},
        {"end_date": late.isoformat()},
        {"start_date": late.isoformat(), "end_date": (late + dt.timedelta(minutes=50)).isoformat()},
    ]


def _random_filters(count: int) -> list[dict[str, str]]:
    chance = random.Random(count)
    found = []
    for _ in range(count):
        start = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=chance.randrange(60 * 24 * 60))
        end = start + dt.timedelta(minutes=chance.randrange(1, 30 * 24 * 60))
        aligned = chance.random() < 0.5
        parameters = {
            "status": chance.choice(STATUSES),
            "job_type": chance.choice(TYPES),
            "band_id": chance.choice(BANDS),
            "start_date": chance.choice(["", start.date().isoformat() if aligned else start.isoformat()]),
            "end_date": chance.choice(["", end.date().isoformat() if aligned else end.isoformat()]),
        }
        found.append(_given(parameters))
    return found


def _given(parameters: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if value}


def _query(parameters: dict[str, str]) -> Any:
    from django.http import QueryDict

    from syncjobs.listing import filters as listing_filters

    query = QueryDict(mutable=True)
    query.update(parameters)
    return listing_filters.job_query(query)


def _page(query: Any, page: int, limit: int) -> tuple[list[Any], int]:
    from syncjobs.listing import rows

    return rows.read_page(query, page, limit)


def _pages_by_buffers() -> dict[str, Any]:
    """Every combination of filters and sorts on page 1, 40,000 and the last: how many buffers each takes."""
    worst: list[tuple[int, str]] = []
    for queues, job_type, band, dates in itertools.product(STATUSES, TYPES, BANDS, _date_ranges()):
        parameters = _given({"status": queues, "job_type": job_type, "band_id": band, **dates})
        total = _page(_query(parameters), 1, 20)[1]
        last = max(1, -(-total // 20))
        for sort, order, page in itertools.product(SORTS, ("asc", "desc"), sorted({1, min(40_000, last), last})):
            query = _query(parameters | {"sort_by": sort, "sort_order": order})
            buffers = _buffers(lambda query=query, page=page: _page(query, page, 20))  # type: ignore[misc]
            worst.append((buffers, f"{parameters} {sort} {order} page {page} of {last}"))
    worst.sort(reverse=True)
    over = sum(buffers > MAX_BUFFERS for buffers, _ in worst)
    return {"pages": len(worst), "over": over, "worst": worst[:3], "median": worst[len(worst) // 2][0]}


def _counts() -> dict[str, Any]:
    """Random filters counted by the counters and by COUNT(*) with the same indexes."""
    from syncjobs import counters
    from syncjobs.listing import pages as listing_pages

    ours, star, wrong = [], [], 0
    for parameters in _random_filters(200):
        selection = _query(parameters).selection
        taken, counted = _once_ms(lambda selection=selection: counters.count(selection))  # type: ignore[misc]
        ours.append(taken)
        taken, truth = _once_ms(lambda selection=selection: listing_pages.selected(selection).count())  # type: ignore[misc]
        star.append(taken)
        wrong += counted != truth
    return {"filters": len(ours), "wrong_counts": wrong, "worst_count_ms": max(ours), "worst_star_ms": max(star)}


def _without_indexes(sql: str) -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            cursor.execute(f"SET enable_{way} = off")
        taken, _ = _once_ms(lambda: cursor.execute(sql))
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            cursor.execute(f"RESET enable_{way}")
    return taken


def _by_reading_all() -> dict[str, float]:
    """Time the same figures without counts, by GROUP BY."""
    from django.db import connection

    groups = "SELECT group_id, count(*), count(DISTINCT band_id), max(created_at) FROM syncjobs_joberror GROUP BY 1"
    with connection.cursor() as cursor:
        index_scan, _ = _once_ms(lambda: cursor.execute(groups))
    return {
        "group_by_status_ms": _without_indexes("SELECT queue, status, count(*) FROM syncjobs_syncjob GROUP BY 1, 2"),
        "errors_index_scan_ms": index_scan,
    }


def _acts() -> dict[str, Callable[[], Any]]:
    """Return what is timed, by name."""
    from syncjobs import counters
    from syncjobs.stats import errors, queues

    everything, searched = _query({}), {"search": seed.SHARED_TEXT}
    last = -(-counters.count(counters.Selection()) // 20)
    day = dt.timedelta(hours=24)
    return {
        "page_1": lambda: _page(everything, 1, 20),
        "near_last": lambda: _page(everything, max(1, last - 5), 20),
        "middle": lambda: _page(everything, last // 2, 20),
        "list": lambda: _page(_query({}), 1, 20),
        "search": lambda: _page(_query(searched), 1, 20),
        "queue_status": queues.queues,
        "errors_24h": lambda: errors.groups(errors.GroupFilter(since=dt.datetime.now(dt.UTC) - day)),
        "errors_all": lambda: errors.groups(errors.GroupFilter()),
    }


def _facts() -> dict[str, Any]:
    """Return the figures of the large size, except for the times."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_indexes_size('syncjobs_syncjob'), pg_table_size('syncjobs_syncjob')")
        index_bytes, table_bytes = cursor.fetchone()
    total = _page(_query({"search": seed.SHARED_TEXT}), 1, 20)[1]
    sizes = {"search_total": total, "index_gb": index_bytes / 1e9, "table_gb": table_bytes / 1e9}
    return sizes | _counts() | _by_reading_all() | {"by_buffers": _pages_by_buffers()}


def _serve(count: int) -> None:
    """Answer, one line each: a name of what is timed by the milliseconds it takes, "facts" by them."""
    seed.prepare(count)
    from syncjobs import counters
    from syncjobs.models import SyncJob

    if SyncJob.objects.count() < count:
        seed.seed(count)
    counters.fold()  # As the heartbeat of each worker does every second.
    acts = _acts()
    sys.stdout.write(json.dumps(list(acts)) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name = line.strip()
        answer = _facts() if name == "facts" else _once_ms(acts[name])[0]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class _Size:
    """A process that measures one size when it is asked to."""

    def __init__(self, count: int) -> None:
        command = [sys.executable, "-m", "tests.bench.lists", "--serve", str(count)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.names: list[str] = self._answer()
        self.times: dict[str, list[float]] = {name: [] for name in self.names}

    def ask(self, what: str) -> Any:
        """Return the answer of the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return self._answer()

    def medians(self) -> dict[str, float]:
        """Return the medians of what was timed, by `<name>_ms`."""
        return {f"{name}_ms": statistics.median(taken) for name, taken in self.times.items()}

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"The measuring process ended with {self._process.wait()}.")
        return json.loads(line)


def measure(large: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """All figures: the times at 10,000 jobs, and the times and facts at `large`."""
    sizes = [_Size(SMALL), _Size(large)]
    for number in range(ROUNDS + 1):
        for name in sizes[0].names:
            for size in sizes:
                taken = size.ask(name)
                if number:  # The first is to warm up.
                    size.times[name].append(taken)
    facts = sizes[1].ask("facts")
    for size in sizes:
        size.close()
    return sizes[0].medians(), sizes[1].medians() | facts


def _table(small: dict[str, Any], big: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return each figure's name, its value and its limit."""
    return [
        ("worst page, shared buffers", big["by_buffers"]["worst"][0][0], MAX_BUFFERS),
        ("page 1 / the same at 10,000 jobs", big["page_1_ms"] / small["page_1_ms"], 1.5),
        ("near-last page / page 1", big["near_last_ms"] / big["page_1_ms"], 4),
        ("wrong counts of 200", big["wrong_counts"], 0),
        ("worst count / worst COUNT(*)", big["worst_count_ms"] / big["worst_star_ms"], 1 / 20),
        ("search of a shared error text / list", big["search_ms"] / big["list_ms"], 3),
        ("queue status / at 10,000", big["queue_status_ms"] / small["queue_status_ms"], 2),
        ("queue status / GROUP BY without index", big["queue_status_ms"] / big["group_by_status_ms"], 1 / 500),
        ("errors 24 h, ms", big["errors_24h_ms"], 10),
        ("errors all time / at 10,000", big["errors_all_ms"] / small["errors_all_ms"], 2),
        ("errors all time / index scan", big["errors_all_ms"] / big["errors_index_scan_ms"], 1 / 20),
    ]


def main(argv: list[str] | None = None) -> None:
    """Print the table of figures, each with its limit and whether it holds."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["--serve"]:
        _serve(int(arguments[1]))
        return
    large = int(arguments[0]) if arguments else LARGE
    small, big = measure(large)
    sys.stdout.write(f"{'ms':<42}{SMALL:>14,}{large:>14,}\n")
    for name in sorted(name for name in small if name.endswith("_ms")):
        sys.stdout.write(f"{name.removesuffix('_ms').replace('_', ' '):<42}{small[name]:>14.2f}{big[name]:>14.2f}\n")
    sys.stdout.write(f"\n{'figure':<42}{'measured':>14}{'at most':>14}\n")
    for name, measured, limit in _table(small, big):
        holds = "holds" if measured <= limit else "FALLS SHORT"
        sys.stdout.write(f"{name:<42}{measured:>14.4g}{limit:>14.4g}  {holds}\n")
    pages = big["by_buffers"]
    sys.stdout.write(
        f"\n{pages['pages']} pages, {pages['over']} over {MAX_BUFFERS} buffers, median {pages['median']};"
        f" {big['search_total']:,} jobs share the text; indexes {big['index_gb']:.1f} GB, jobs {big['table_gb']:.1f} GB\n"
    )
    for buffers, what in pages["worst"]:
        sys.stdout.write(f"{buffers:>8} {what}\n")


if __name__ == "__main__":
    main()
