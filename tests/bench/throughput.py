"""Pages of jobs a second through the whole stack, of a real web server asked by one client after the other.

python -m tests.bench.throughput
"""

from __future__ import annotations

import statistics
import sys
import time

from . import seed
from .report import Figure, show
from .server import Client, running, token

JOBS = 10_000
REQUESTS, WARM_UP = 400, 20
OURS, STOCK, PLAIN, PRESET = "/api/admin/sync-jobs", "/bench/stock", "/bench/plain", "/bench/preset"


def _rates(client: Client, limit: int) -> dict[str, float]:
    """Requests a second by the median; in turn, so that whatever else the machine does hits all alike."""
    times: dict[str, list[float]] = {path: [] for path in (OURS, STOCK, PLAIN, PRESET)}
    for number in range(REQUESTS + WARM_UP):
        for path, taken in times.items():
            began = time.perf_counter()
            status, _ = client.get(f"{path}?limit={limit}")
            assert status == 200, (path, status)
            if number >= WARM_UP:
                taken.append(time.perf_counter() - began)
    return {path: 1 / statistics.median(taken) for path, taken in times.items()}


def main() -> bool:
    seed.prepare(JOBS)
    seed.fill(JOBS)
    figures = []
    with running() as (port, _):
        client = Client(port, token())
        for limit, least in ((20, 2.0), (100, 2.3)):
            rates = _rates(client, limit)
            figures += [
                Figure(f"page of {limit}", rates[OURS], unit="req/s"),
                Figure(f"page of {limit} / stock Django REST framework", rates[OURS] / rates[STOCK], ">=", least),
                Figure(
                    f"page of {limit} / plain values() + orjson, user preset", rates[PRESET] / rates[PLAIN], ">=", 0.8
                ),
                Figure(f"page of {limit} / plain values() + orjson, with its JWT", rates[OURS] / rates[PLAIN]),
                Figure(f"page of {limit}: what JWT costs", 100 * (1 - rates[OURS] / rates[PRESET]), "<=", 25, "%"),
            ]
    return show(f"Throughput, {JOBS:,} jobs", figures)


if __name__ == "__main__":
    sys.exit(not main())
