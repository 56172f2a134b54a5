"""The project's own processes against the test's database: web servers and Celery workers, each in its own process group."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import redis
from django.conf import settings
from django.db import connection

from syncjobs.models import Worker
from syncmonitor import embedded
from tests.factories import wait_for

ROOT = Path(__file__).resolve().parents[1]
UVICORN = [sys.executable, "-m", "uvicorn", "--http", "syncmonitor.protocol:Protocol", "--ws", "none"]


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment of a process: the test's database and Redis, and the simulated YouTube at `endpoint`."""
    database = connection.settings_dict
    return os.environ | {
        "DATABASE_URL": f"postgres://postgres@{quote(str(database['HOST']), safe='')}/{database['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "YOUTUBE_API_ENDPOINT": endpoint,
        "YOUTUBE_TIMEOUT_SECONDS": "3",
        "SYNC_LEASE_SECONDS": "4",
    }


class Workers:
    """Real Celery workers, each in its own process group."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *, concurrency: int = 2, wait: bool = True, **environment: str) -> None:
        log = (self._folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "celery", "-A", "syncmonitor", "worker", "-n", f"{name}@test"]
        options = ["-Q", "video-sync,video-processing,maintenance", "--concurrency", str(concurrency), "-l", "INFO"]
        self.running[name] = subprocess.Popen(
            [*command, *options],
            cwd=ROOT,
            env=self._environment | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if wait:
            wait_for(
                lambda: Worker.objects.filter(name=f"{name}@test").exists(),
                60,
                lambda: f"worker {name}: {self.log(name)}",
            )

    def start_beat(self) -> None:
        """Start the scheduler and wait for its heartbeat."""
        self.running["beat"] = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "syncmonitor", "beat", "-l", "INFO", "--pidfile", ""],
            cwd=ROOT,
            env=self._environment,
            stdout=(self._folder / "beat.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        alive = Worker.objects.filter(is_scheduler=True)
        wait_for(alive.exists, 60, lambda: f"beat: {self.log('beat')}")

    def python(self, code: str) -> subprocess.Popen[bytes]:
        """Start a process of the project that is not a worker; it ends with the test."""
        setup = "import os, django; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'syncmonitor.settings'); django.setup()\n"
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", setup + code],
            cwd=ROOT,
            env=self._environment,
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.running[f"python {process.pid}"] = process
        return process

    def signal(self, name: str, number: signal.Signals) -> None:
        os.killpg(self.running[name].pid, number)

    def kill(self, name: str) -> None:
        """Send SIGKILL to the worker and all its processes."""
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait()
        Worker.objects.filter(name=f"{name}@test").delete()

    def kill_all(self) -> None:
        """Kill all remaining processes and end the database sessions that they left open."""
        for process in self.running.values():
            kill_group(process)
        with connection.cursor() as cursor:
            # An open session would prevent emptying the tables.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'web'"
            )

    def terminate(self, name: str) -> None:
        self.running[name].terminate()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))


def restart_postgres() -> None:
    """Restart the test's PostgreSQL, which ends the sessions of all processes."""
    connection.close()
    embedded._stop_postgres()
    embedded._launch_postgres(embedded.home() / "postgres")


def kill_postgres() -> None:
    """Kill the test's PostgreSQL and start it again, which recovers what was committed."""
    connection.close()
    postmaster = embedded.home() / "postgres" / "postmaster.pid"
    os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
    # Its other processes end by themselves; until then it does not start.
    wait_for(_starts, 60, "PostgreSQL to recover")


def _starts() -> bool:
    with contextlib.suppress(embedded.CannotStart):
        embedded._start_postgres()
        return True
    return False


def stop_redis(client: redis.Redis) -> None:
    """Stop the test's Redis, which forgets everything. `embedded._start_redis()` starts it again."""
    client.flushall()
    client.shutdown(nosave=True)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return an unused port below those that the system gives to outgoing connections, which could take it meanwhile."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def web_server(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """Serve the site with uvicorn; yield its base URL."""
    with web_process(environment, log) as (base, _process):
        yield base


@contextlib.contextmanager
def web_process(environment: Mapping[str, str], log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the site with uvicorn; yield its base URL and its process, which may be killed."""
    port = free_port()
    options = ["--port", str(port), "--log-level", "warning", "--timeout-graceful-shutdown", "1"]
    process = subprocess.Popen(
        [*UVICORN, "syncmonitor.asgi:application", *options],
        cwd=ROOT,
        env=dict(environment) | {"PGAPPNAME": "web"},
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    base = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{base}/healthz", timeout=2)
        except (urllib.error.URLError, OSError):
            return False
        return True

    try:
        wait_for(answers, 60, "the web server")
        yield base, process
    finally:
        kill_group(process)


@contextlib.contextmanager
def pooled_server(
    application: str = "syncmonitor.asgi:application",
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the application with two pooled connections to the test's database."""
    port = str(free_port())
    database = connection.settings_dict
    server = subprocess.Popen(
        [*UVICORN, application, "--port", port, "--log-level", "critical", "--timeout-graceful-shutdown", "1"],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": f"postgres://postgres@{quote(str(database['HOST']), safe='')}/{database['NAME']}",
            "DATABASE_POOL_SIZE": "2",
        },
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), 60, "the server to answer")
        yield url, server
    finally:
        server.kill()
        server.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/healthz").status_code == 200
    return False
