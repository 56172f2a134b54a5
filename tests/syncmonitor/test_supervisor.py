from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import wait_for

ROOT = Path(__file__).resolve().parents[2]
CHILD = "import os, subprocess, sys, time; subprocess.Popen(['sleep', '300']); open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(300)"
SUPERVISE = """
import os, sys
from syncmonitor.supervisor import Process, Supervisor
Supervisor([Process("child", [sys.executable, "-c", %r, sys.argv[1]])], dict(os.environ)).run()
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    pids = tmp_path / "pids"
    pids.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISE % CHILD, str(pids)],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgres:///x", "REDIS_URL": "redis://x"},
        stdout=subprocess.DEVNULL,
    )
    yield process, pids
    process.kill()
    process.wait()


def members(group: int) -> str:
    # Ignore zombies: without an init process, nothing reaps orphans.
    return subprocess.run(
        ["pgrep", "-g", str(group), "-r", "R,S,D"], capture_output=True, text=True, check=False
    ).stdout


def test_a_killed_process_is_restarted_and_ctrl_c_leaves_none(supervised: tuple[subprocess.Popen[bytes], Path]) -> None:
    supervisor, pids = supervised
    first = int(wait_for(lambda: pids.read_text().split(), what="the child to start")[0])
    os.kill(first, signal.SIGKILL)
    second = int(wait_for(lambda: pids.read_text().split()[1:], what="the child to be restarted")[0])
    assert members(first) == ""
    assert len(members(second).split()) == 2
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(30) == 0
    assert members(second) == ""


def test_children_end_when_their_supervisor_is_killed(supervised: tuple[subprocess.Popen[bytes], Path]) -> None:
    supervisor, pids = supervised
    child = int(wait_for(lambda: pids.read_text().split())[0])
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: str(child) not in members(child).split(), what="the child to end")


def test_a_process_that_can_not_start_is_given_up() -> None:
    code = (
        "import os, sys; from syncmonitor import supervisor as s; s.RESTART_SECONDS = 0.01\n"
        "s.Supervisor([s.Process('web', ['sleep', '300']), s.Process('worker', ['false'])], dict(os.environ)).run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "postgres:///x", "REDIS_URL": "redis://x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "worker | ended with exit code 1, 6 times soon after its start. See its messages above. Giving up.\n"
    )
    pauses = [float(line.split(" in ")[1].split()[0]) for line in done.stdout.splitlines()]
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.16]
