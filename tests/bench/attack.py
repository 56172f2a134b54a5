"""What a moderator notices while attackers and careless clients are at work on one web server.

python -m tests.bench.attack
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from . import seed
from .report import Figure, show
from .server import Client, running, token

JOBS = 200_000
PASSWORD = "correct horse battery"
LOG_INS, ROWS, EXPORTS, BODIES, BODY_BYTES = 100, 20_000, 4, 20, 20_000_000
STATUS = "/api/admin/queue/status"
QUIET_SECONDS = 5


class Site:
    """A web server under attack."""

    def __init__(self, port: int, pid: int, credentials: str) -> None:
        self.port, self._pid = port, pid
        self._credentials = credentials
        self.times: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.peak = 0.0
        self._done = threading.Event()

    def watch(self) -> None:
        """Ask for the status of the queues as a moderator, until the attack is over."""
        client = Client(self.port, self._credentials)
        while not self._done.is_set():
            began = time.perf_counter()
            status, _body = client.get(STATUS)
            self.times.append(time.perf_counter() - began)
            self.statuses[f"status {status}"] += 1
            self.peak = max(self.peak, self.memory())
            time.sleep(0.02)

    def memory(self) -> float:
        """Return the server's memory in MB."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def finish(self) -> None:
        self._done.set()

    def log_in(self, number: int) -> None:
        """Guess a password from an address of its own, so that no limit on addresses protects the server."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/api/auth/token",
            json={"username": f"somebody-{number}", "password": "guess"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
            timeout=120,
        )
        self.statuses[f"log-in {answer.status_code}"] += 1

    def stall(self) -> socket.socket:
        """Ask for an export, and read nothing of it."""
        client = socket.create_connection(("127.0.0.1", self.port))
        head = f"GET /api/admin/sync-jobs/export HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._credentials}\r\n\r\n"
        client.sendall(head.encode())
        return client

    def send_body(self, admin: httpx.Client, number: int) -> None:
        """Send 20 MB: half of the senders may import, and the others are anybody."""
        if number % 2:
            headers = {"Content-Type": "application/json"}
            self._post(
                lambda: httpx.post(f"{admin.base_url}/api/auth/token", content=_body(), headers=headers, timeout=300)
            )
        else:
            self.upload(admin, b"slug,name\n" + b"x" * (BODY_BYTES - 10), "body")

    def upload(self, admin: httpx.Client, content: bytes, what: str) -> None:
        form = {"csrfmiddlewaretoken": admin.cookies["csrftoken"]}
        self._post(lambda: admin.post("/admin/import/", data=form, files={"file": ("b.csv", content)}), what)

    def _post(self, act: Callable[[], httpx.Response], what: str = "body") -> None:
        try:
            self.statuses[f"{what} {act().status_code}"] += 1
        except httpx.TransportError as error:
            self.statuses[f"{what} {type(error).__name__}"] += 1


def _body() -> bytes:
    return json.dumps({"username": "x" * BODY_BYTES}).encode()


def _admin(port: int) -> httpx.Client:
    """Return a session of somebody who may import."""
    from syncjobs.choices import Role
    from syncjobs.operations import people
    from tests.factories import PERSON

    people.save_user(PERSON, "importer", PASSWORD, Role.ADMIN)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300, limits=httpx.Limits(max_connections=None))
    client.get("/admin/login/")
    form = {"username": "importer", "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/admin/login/", data=form).status_code == 302
    return client


def _rows() -> bytes:
    lines = (f"band-{n},Band {n},School {n},Town,1950,@channel{n},a;b" for n in range(ROWS))
    return ("slug,name,school_name,city,founded,youtube_channel,search_keywords\n" + "\n".join(lines)).encode()


def main(jobs: int = JOBS) -> bool:
    seed.prepare(jobs)
    seed.fill(jobs)
    credentials = token()
    with running("syncmonitor.asgi:application") as (port, pid):
        site, admin = Site(port, pid, credentials), _admin(port)
        watcher = threading.Thread(target=site.watch)
        watcher.start()
        time.sleep(QUIET_SECONDS)
        quiet, idle = list(site.times), site.memory()
        site.times.clear()
        stalled = [site.stall() for _ in range(EXPORTS)]
        began = time.perf_counter()
        with ThreadPoolExecutor(LOG_INS + BODIES + 1) as pool:
            waits = [pool.submit(site.log_in, number) for number in range(LOG_INS)]
            waits.append(pool.submit(site.upload, admin, _rows(), "preview"))
            waits += [pool.submit(site.send_body, admin, number) for number in range(BODIES)]
            for wait in waits:
                wait.result()
        seconds = time.perf_counter() - began
        site.finish()
        watcher.join()
        for client in stalled:
            client.close()
    sys.stdout.write(f"{dict(sorted(site.statuses.items()))}\n")
    ordered = sorted(site.times)
    return show(
        f"{LOG_INS} log-ins, a preview of {ROWS:,} rows, {EXPORTS} stalled exports and {BODIES} × 20 MB at once",
        [
            Figure("the attack took", seconds, unit="s"),
            Figure("status before, median", statistics.median(quiet) * 1000, unit="ms"),
            Figure("status meanwhile, median", statistics.median(ordered) * 1000, unit="ms"),
            Figure("status meanwhile, p99", ordered[len(ordered) * 99 // 100], "<=", 1, "s"),
            Figure("status meanwhile, slowest", ordered[-1], unit="s"),
            Figure(
                "statuses other than 200",
                sum(n for s, n in site.statuses.items() if s.startswith("status") and s != "status 200"),
                "=",
                0,
            ),
            Figure("peak memory over idle", site.peak - idle, "<=", 100, "MB"),
        ],
    )


if __name__ == "__main__":
    sys.exit(not main(*map(int, sys.argv[1:])))
