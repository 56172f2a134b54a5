"""Exports of all jobs by a real web server, against COPY of the same columns by psql.

python -m tests.bench.exports [N]
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import seed
from .report import Figure, show
from .server import Client, running, token

JOBS = 1_000_000
ROUNDS = 3
_COLUMNS = (
    "id, band_id, band_name, job_type, status, queue, priority, videos_found, videos_added, videos_updated, created_at,"
    " started_at, completed_at, quota_used, attempts_made, retry_of_id, parent_id, requested_by_label, completed_at - started_at, videos_unavailable,"
    " progress_done, progress_total, run_at, delay_reason, cancel_requested_at"
)
_ERRORS = (
    "CASE WHEN error_count > 0 THEN (SELECT string_agg(message, ' | ' ORDER BY id) FROM syncjobs_joberror e"
    " WHERE e.job_id = j.id AND NOT e.will_retry) END"
)


def _copied() -> None:
    """What `\\copy` takes: the same columns, in the same order of rows, to a file that costs nothing."""
    from syncmonitor import embedded

    query = f"SELECT {_COLUMNS}, {_ERRORS} FROM syncjobs_syncjob j ORDER BY created_at DESC, id DESC"
    copy = f"\\copy ({query}) TO '/dev/null' WITH (FORMAT csv, HEADER)"
    subprocess.run(
        [embedded._programs() / "psql", "--no-psqlrc", "-q", embedded.database_url(), "-c", copy], check=True
    )


def _exported(port: int, credentials: str, kind: str) -> int:
    """Fetch the export, keep nothing; returns its lines."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(
        "GET", f"/api/admin/sync-jobs/export?format={kind}", headers={"Authorization": f"Bearer {credentials}"}
    )
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    lines = 0
    while block := answer.read(1 << 20):
        lines += block.count(b"\n")
    connection.close()
    return lines


def _memory(pid: int, name: str) -> float:
    """MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main(jobs: int = JOBS) -> bool:
    seed.prepare(jobs)
    seed.fill(jobs)
    credentials = token()
    times: dict[str, list[float]] = {"copy": [], "csv": [], "json": []}
    with running("syncmonitor.asgi:application") as (port, pid):
        client = Client(port, credentials)
        for _ in range(20):
            client.get("/api/admin/sync-jobs")
        idle = _memory(pid, "VmRSS")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here on
        for _ in range(ROUNDS):
            times["copy"].append(_seconds(_copied))
            for kind in ("csv", "json"):
                began = time.perf_counter()
                lines = _exported(port, credentials, kind)
                times[kind].append(time.perf_counter() - began)
                assert lines == jobs + (kind == "csv"), (kind, lines)
        peak = _memory(pid, "VmHWM")
    seconds = {name: statistics.median(taken) for name, taken in times.items()}
    return show(
        f"Exports of {jobs:,} jobs",
        [
            Figure("psql \\copy", seconds["copy"], unit="s"),
            Figure("CSV / psql \\copy", seconds["copy"] / seconds["csv"], ">=", 0.6, "x"),
            Figure("NDJSON / psql \\copy", seconds["copy"] / seconds["json"], ">=", 0.4, "x"),
            Figure("peak memory over idle", peak - idle, "<=", 16, "MiB"),
        ],
    )


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
