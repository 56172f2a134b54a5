"""Run several processes in one terminal, restart those that die, and leave none behind at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from types import FrameType

STOP_SECONDS = 20.0
RESTART_SECONDS = 1.0
"""The pause before a restart. It doubles with each failed start in a row."""
STARTED_SECONDS = 10.0
"""A process that ends sooner has failed to start."""
MOST_FAILED_STARTS = 6
_PR_SET_PDEATHSIG = 1


@dataclass
class Process:
    """A command to keep running. Its name precedes each line of its output."""

    name: str
    command: list[str]
    running: subprocess.Popen[str] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)
    failed_starts: int = field(default=0, init=False)
    restart_at: float | None = field(default=None, init=False)
    """When to start it again (of time.monotonic()), if it has ended."""


class Supervisor:
    """Runs processes until it receives SIGINT, SIGTERM or SIGHUP, or one of them can't be started."""

    def __init__(self, processes: list[Process], environment: dict[str, str]) -> None:
        self._processes = processes
        self._environment = environment
        self._stop = threading.Event()
        self._width = max(len(process.name) for process in processes)

    def run(self) -> None:
        """Start all processes and return when they have stopped. Raises SystemExit if one can't be started."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            for process in self._processes:
                self._start(process)
            while not self._stop.wait(0.2):
                self._restart_dead()
        finally:
            self._stop_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop.set()

    def _start(self, process: Process) -> None:
        process.started_at = time.monotonic()
        process.restart_at = None
        # In a session of its own, it doesn't get the terminal's Ctrl-C, and its whole group can be killed.
        process.running = subprocess.Popen(
            process.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        threading.Thread(target=self._copy_output, args=(process.name, process.running), daemon=True).start()

    def _copy_output(self, name: str, running: subprocess.Popen[str]) -> None:
        assert running.stdout is not None
        for line in running.stdout:
            sys.stdout.write(f"{name:<{self._width}} | {line}")
            sys.stdout.flush()

    def _restart_dead(self) -> None:
        for process in self._processes:
            running = process.running
            if running is None or running.poll() is None:
                continue
            now = time.monotonic()
            if process.restart_at is None:
                _kill_group(running.pid, signal.SIGKILL)
                process.restart_at = now + self._pause(process, now)
            if now >= process.restart_at:
                self._start(process)

    def _pause(self, process: Process, now: float) -> float:
        """Return the seconds until the restart of a process that has ended. Raises SystemExit after too many."""
        assert process.running is not None
        is_failed_start = now - process.started_at < STARTED_SECONDS
        process.failed_starts = process.failed_starts + 1 if is_failed_start else 0
        ended = f"{process.name:<{self._width}} | ended with exit code {process.running.returncode}"
        if process.failed_starts >= MOST_FAILED_STARTS:
            sys.exit(f"{ended}, {MOST_FAILED_STARTS} times soon after its start. See its messages above. Giving up.")
        pause: float = RESTART_SECONDS * 2 ** max(0, process.failed_starts - 1)
        sys.stdout.write(f"{ended}; restarting in {pause:g} s\n")
        return pause

    def _stop_all(self) -> None:
        running = [process.running for process in self._processes if process.running is not None]
        for each in running:
            with contextlib.suppress(ProcessLookupError):
                each.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for each in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                each.wait(max(0.0, deadline - time.monotonic()))
            _kill_group(each.pid, signal.SIGKILL)
            each.wait()


def _kill_group(pid: int, number: signal.Signals) -> None:
    """Signal a process and its children, which would outlive it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with_parent() -> None:
    """Have the kernel end this process if the supervisor is killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
