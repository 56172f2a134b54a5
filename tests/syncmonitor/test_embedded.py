"""Real PostgreSQL and Redis that start, are shared, stop, and survive kills; in checkouts of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import wait_for

ROOT = Path(__file__).resolve().parents[2]
HOLD = "from syncmonitor import embedded; embedded.ensure(); print(embedded.sockets(), flush=True); input()"
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
        self.holders: list[subprocess.Popen[str]] = []

    def python(self, code: str) -> subprocess.Popen[str]:
        unset = {"DATABASE_URL", "REDIS_URL", "SYNCMONITOR_INSTANCE"}
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hold(self) -> subprocess.Popen[str]:
        holder = self.python(HOLD)
        self.holders.append(holder)
        assert holder.stdout is not None
        line = holder.stdout.readline().strip()
        assert line, holder.stderr.read() if holder.stderr else ""
        self.sockets = Path(line)
        return holder

    def answers(self) -> bool:
        ping = self.python(PING)
        out, _ = ping.communicate(timeout=60)
        return out.split() == ["True", "syncmonitor"]

    def is_stopped(self) -> bool:
        return not (self.sockets / ".s.PGSQL.5432").exists() and not (self.sockets / "redis.sock").exists()


def let_go(holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n", timeout=60)
    assert holder.returncode == 0


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[list[Checkout]]:
    # pytest's folders are private (0700): that is where root's PostgreSQL user can't go.
    both = [Checkout(tmp_path / name) for name in ("first", "second")]
    yield both
    for checkout in both:
        for holder in checkout.holders:
            holder.kill()
            holder.communicate()
        let_go(checkout.hold())
        shutil.rmtree(checkout.sockets, ignore_errors=True)


def test_the_last_to_leave_stops_the_services_and_nobody_else(checkouts: list[Checkout]) -> None:
    first, second = checkouts
    one, two = first.hold(), first.hold()
    assert first.answers()
    let_go(one)
    assert first.answers()
    other = second.hold()
    assert second.sockets != first.sockets
    let_go(two)
    assert first.is_stopped()
    assert second.answers()
    let_go(other)
    assert second.is_stopped()


def test_what_a_killed_run_left_is_taken_over(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    holder = checkout.hold()
    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait()
    assert checkout.answers()
    let_go(checkout.hold())
    assert checkout.is_stopped()


def test_servers_that_were_killed_themselves_come_back(checkouts: list[Checkout]) -> None:
    checkout = checkouts[0]
    holder = checkout.hold()
    pattern = str(checkout.sockets)
    subprocess.run(["pkill", "-9", "-f", pattern], check=False)
    wait_for(lambda: not checkout.answers(), 20)
    holder.kill()
    holder.wait()
    let_go(checkout.hold())
