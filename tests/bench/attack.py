"""What a moderator notices while attackers and careless clients are at work on one web server.

python -m tests.bench.attack
"""

from __future__ import annotations

import re
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx

from . import seed
from .report import Figure, show
from .server import Client, running, token, watch

JOBS = 200_000
IMPORTER, PASSWORD = "importer", "correct horse battery"
LOG_INS, ROWS, EXPORTS, BODIES, BODY_BYTES = 100, 20_000, 4, 20, 20_000_000
QUIET_SECONDS = 5


class Attack:
    """Attackers and careless clients, in a process of their own: what they cost must not slow the moderator down."""

    def __init__(self, port: int, credentials: str) -> None:
        self._port, self._credentials = port, credentials
        self._base = f"http://127.0.0.1:{port}"
        self._statuses: Counter[str] = Counter()

    def run(self) -> Counter[str]:
        """Do all of it at once; return the number of responses by status."""
        admin, stalled = self._admin(), [self._stall() for _ in range(EXPORTS)]
        file, junk = _rows(), b"slug,name\n" + b"x" * (BODY_BYTES - 10)
        with ThreadPoolExecutor(LOG_INS + BODIES + 1) as pool:
            waits = [pool.submit(self._log_in, number) for number in range(LOG_INS)]
            waits.append(pool.submit(self._upload, admin, file, "preview"))
            # Half of the senders may import, and the others are anybody.
            waits += [pool.submit(self._upload, admin, junk, "import") for _ in range(BODIES // 2)]
            waits += [pool.submit(self._send, junk) for _ in range(BODIES // 2)]
            for wait in waits:
                wait.result()
        for client in stalled:
            client.close()
        return self._statuses

    def _admin(self) -> httpx.Client:
        """Return a session of somebody who may import."""
        client = httpx.Client(base_url=self._base, timeout=300, limits=httpx.Limits(max_connections=None))
        client.get("/admin/login/")
        form = {"username": IMPORTER, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert client.post("/admin/login/", data=form).status_code == 302
        return client

    def _log_in(self, number: int) -> None:
        """Guess a password from an address of its own, so that no limit on addresses protects the server."""
        body, headers = (
            {"username": f"somebody-{number}", "password": "guess"},
            {"X-Forwarded-For": f"198.51.100.{number}"},
        )
        self._count(
            "log-in", lambda: httpx.post(f"{self._base}/api/auth/token", json=body, headers=headers, timeout=300)
        )

    def _stall(self) -> socket.socket:
        """Ask for an export, and read nothing of it."""
        client = socket.create_connection(("127.0.0.1", self._port))
        head = "GET /api/admin/sync-jobs/export HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        client.sendall(f"{head}Authorization: Bearer {self._credentials}\r\n\r\n".encode())
        return client

    def _send(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        self._count(
            "body", lambda: httpx.post(f"{self._base}/api/auth/token", content=body, headers=headers, timeout=300)
        )

    def _upload(self, admin: httpx.Client, content: bytes, what: str) -> None:
        form = {"csrfmiddlewaretoken": admin.cookies["csrftoken"]}
        self._count(what, lambda: admin.post("/admin/import/", data=form, files={"file": ("b.csv", content)}))

    def _count(self, what: str, act: Callable[[], httpx.Response]) -> None:
        try:
            self._statuses[f"{what} {act().status_code}"] += 1
        except httpx.TransportError as error:
            self._statuses[f"{what} {type(error).__name__}"] += 1


def _attack(port: int, credentials: str) -> Counter[str]:
    return Attack(port, credentials).run()


def _memory(pid: int, name: str) -> float:
    """Return the server's memory in MB: VmRSS now, or VmHWM at its peak."""
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _rows() -> bytes:
    lines = (f"band-{n},Band {n},School {n},Town,1950,@channel{n},a;b" for n in range(ROWS))
    return ("slug,name,school_name,city,founded,youtube_channel,search_keywords\n" + "\n".join(lines)).encode()


def _add_importer() -> None:
    from syncjobs.choices import Role
    from syncjobs.operations import people
    from tests.factories import PERSON

    people.save_user(PERSON, IMPORTER, PASSWORD, Role.ADMIN)


def main(jobs: int = JOBS) -> bool:
    seed.prepare(jobs)
    seed.fill(jobs)
    credentials = token()
    _add_importer()
    with (
        running("syncmonitor.asgi:application") as (port, pid),
        ProcessPoolExecutor(1, get_context("spawn")) as process,
    ):
        client = Client(port, credentials)
        end = time.monotonic() + QUIET_SECONDS
        before = watch(client, lambda: time.monotonic() > end)
        idle = _memory(pid, "VmRSS")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # The peak counts from here on.
        began = time.perf_counter()
        attack = process.submit(_attack, port, credentials)
        times = sorted(watch(client, attack.done))
        seconds, peak = time.perf_counter() - began, _memory(pid, "VmHWM")
    sys.stdout.write(f"{dict(sorted(attack.result().items()))}\n")
    return show(
        f"{LOG_INS} log-ins, a preview of {ROWS:,} rows, {EXPORTS} stalled exports and {BODIES} × 20 MB at once",
        [
            Figure("the attack took", seconds, unit="s"),
            Figure("requests for the status meanwhile", len(times)),
            Figure("status before, median", statistics.median(before) * 1000, unit="ms"),
            Figure("status meanwhile, median", statistics.median(times) * 1000, unit="ms"),
            Figure("status meanwhile, p99", times[len(times) * 99 // 100], "<=", 1, "s"),
            Figure("status meanwhile, slowest", times[-1], unit="s"),
            Figure("peak memory over idle", peak - idle, "<=", 100, "MB"),
        ],
    )


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
