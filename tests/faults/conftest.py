from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from django.conf import LazySettings
from django.db import connection

from syncjobs.models import Worker
from syncjobs.youtube.simulator import Simulator
from tests.helpers import wait_for

ROOT = Path(__file__).resolve().parents[2]


class Workers:
    """Real Celery workers, each a process group of its own, against the test's database."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = environment
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
                lambda: Worker.objects.filter(name=f"{name}@test").exists(), 60, f"worker {name}: {self.log(name)}"
            )

    def python(self, code: str) -> subprocess.Popen[bytes]:
        """A process of the project that is no worker; it ends with the test."""
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
        """SIGKILL to the worker and all its processes at once."""
        self.signal(name, signal.SIGKILL)
        self.running.pop(name).wait()
        Worker.objects.filter(name=f"{name}@test").delete()

    def terminate(self, name: str) -> None:
        self.running[name].terminate()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("*.log"))


@pytest.fixture
def broker(settings: LazySettings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
        yield client


@pytest.fixture
def workers(
    transactional_db: None, youtube: Simulator, broker: redis.Redis, settings: LazySettings, tmp_path: Path
) -> Iterator[Workers]:
    database = connection.settings_dict
    environment = os.environ | {
        "DATABASE_URL": f"postgres://postgres@{quote(str(database['HOST']), safe='')}/{database['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "YOUTUBE_API_ENDPOINT": youtube.url,
        "YOUTUBE_TIMEOUT_SECONDS": "3",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    started = Workers(environment, tmp_path)
    yield started
    for process in started.running.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with connection.cursor() as cursor:
        # What the killed have left open would keep the tables from being emptied.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
