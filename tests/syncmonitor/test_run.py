"""`make run`, started twice in one checkout."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncmonitor import embedded

ROOT = Path(__file__).resolve().parents[2]
HOLD = "from syncmonitor import run; lock = run._single_run_lock('8123'); print('alone', flush=True); input()"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Return an environment with a separate data folder."""
    monkeypatch.setenv("SYNCMONITOR_INSTANCE", f"run-{os.getpid()}")
    unset = {"DATABASE_URL", "REDIS_URL"}
    yield {name: value for name, value in os.environ.items() if name not in unset}
    shutil.rmtree(embedded.home(), ignore_errors=True)


@pytest.fixture
def first(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a run that keeps running."""
    process = _python(environment, "-c", HOLD)
    assert process.stdout is not None
    assert process.stdout.readline() == "alone\n"
    yield process
    process.kill()
    process.communicate()


def _python(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_run_is_refused_and_changes_nothing(first: subprocess.Popen[str], environment: dict[str, str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in embedded.home().iterdir()}
    second = _python(environment | {"PORT": "8124"}, "-m", "syncmonitor.run")
    out, error = second.communicate(timeout=60)
    assert second.returncode == 1
    assert out == ""
    expected = f"make run: already running, at http://127.0.0.1:8123/admin/ (process {first.pid}). Stop it first"
    assert error.startswith(expected)
    assert {path: path.stat().st_mtime_ns for path in embedded.home().iterdir()} == before
    assert first.poll() is None


def test_a_killed_run_does_not_block_the_next_one(first: subprocess.Popen[str], environment: dict[str, str]) -> None:
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    again = _python(environment, "-c", HOLD)
    out, error = again.communicate("\n", timeout=60)
    assert (again.returncode, out, error) == (0, "alone\n", "")
