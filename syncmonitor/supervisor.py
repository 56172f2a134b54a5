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
_PR_SET_PDEATHSIG = 1


@dataclass
class Process:
    """A command to keep running. Its name precedes each line of its output."""

    name: str
    command: list[str]
    running: subprocess.Popen[str] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)


class Supervisor:
    """Runs processes until it receives SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, processes: list[Process], environment: dict[str, str]) -> None:
        self._processes = processes
        self._environment = environment
        self._stop = threading.Event()
        self._width = max(len(process.name) for process in processes)

    def run(self) -> None:
        """Start all processes and return when they have stopped."""
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
            _kill_group(running.pid, signal.SIGKILL)
            if time.monotonic() - process.started_at < RESTART_SECONDS:
                continue
            sys.stdout.write(f"{process.name:<{self._width}} | ended with exit code {running.returncode}; restarting\n")
            self._start(process)

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
