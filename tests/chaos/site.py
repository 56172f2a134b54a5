"""The site of a run: PostgreSQL, Redis, the simulated YouTube, one or two web servers, two workers and beat.

Each is a real process. In a long run there are two web servers, and some clocks are wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import redis

from syncmonitor import embedded
from syncmonitor.supervisor import _die_with_parent

from ..processes import ROOT, free_port, kill_group
from . import clock

CHANNELS = 12
LATENCY = 0.08
WORKERS = ("one", "two")
SKEWS = {"two": -300, "web2": 300, "beat": 30}
"""By how many seconds the clocks of processes are wrong, if clocks can be moved."""
_QUEUES = "video-sync,video-processing,maintenance"
_MANY_UNITS = 50_000


class Log:
    """Prints what happens with the seconds since the start, and counts it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(f"{time.monotonic() - self._began:7.2f} s  {text}\n")
            sys.stdout.flush()


class Site:
    """All processes. Services are started and stopped through `embedded`, on this run's instance."""

    def __init__(self, folder: Path, log: Log, webs: int) -> None:
        self.folder = folder
        self.log = log
        ports, youtube_port = {f"web{number or ''}": free_port() for number in (0, 2)[:webs]}, free_port()
        self.webs = list(ports)
        self.urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        self.youtube = f"http://127.0.0.1:{youtube_port}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.is_ending = threading.Event()
        self.unexpected_ends: list[str] = []
        self._expected: set[str] = set()
        self._lock = threading.RLock()
        # The kernel ends a process with the thread that started it, so one thread starts them all.
        self._starter = ThreadPoolExecutor(1)
        # Named services are used as they are; a process would start those that a fault has stopped.
        self.environment = os.environ | {
            "DATABASE_URL": embedded.database_url(),
            "REDIS_URL": embedded.redis_url(),
            "YOUTUBE_API_ENDPOINT": self.youtube,
            "PYTHONUNBUFFERED": "1",
        }
        self._commands = self._all_commands(ports, youtube_port)

    def _all_commands(self, ports: dict[str, int], youtube_port: int) -> dict[str, list[str]]:
        celery = [sys.executable, "-m", "celery", "-A", "syncmonitor"]
        uvicorn = [sys.executable, "-m", "uvicorn", "syncmonitor.asgi:application", "--log-level", "warning"]
        uvicorn += ["--http", "syncmonitor.protocol:Protocol", "--ws", "none"]
        simulator = [sys.executable, "manage.py", "run_simulator", "--port", str(youtube_port)]
        simulator += ["--key", self.environment["YOUTUBE_API_KEY"], "--videos", str(self.folder / "world.json")]
        webs = {
            name: [*uvicorn, "--port", str(port), "--timeout-graceful-shutdown", "2"] for name, port in ports.items()
        }
        workers = {
            name: [*celery, "worker", "-n", f"{name}@chaos", "-Q", _QUEUES, "--concurrency", "2", "-l", "INFO"]
            for name in WORKERS
        }
        return {
            "youtube": [*simulator, "--latency", str(LATENCY)],
            **webs,
            **workers,
            "beat": [*celery, "beat", "--pidfile", "", "-l", "INFO"],
        }

    # ---- Processes

    def start(self, name: str) -> None:
        with self._lock:
            if self.is_up(name):
                return
            self._expected.discard(name)
            self.running[name] = self._starter.submit(self._open, name).result()

    def _open(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self._commands[name],
                cwd=ROOT,
                env=self.environment | clock.shifted(SKEWS.get(name, 0)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def start_all(self) -> None:
        for name in self._commands:
            self.start(name)

    def is_up(self, name: str) -> bool:
        return name in self.running and self.running[name].poll() is None

    def kill(self, name: str) -> None:
        with self._lock:
            self._expected.add(name)
            kill_group(self.running[name])

    def terminate(self, name: str) -> None:
        """Stop the process as a deployment does: SIGTERM, and SIGKILL if that takes too long."""
        with self._lock:
            self._expected.add(name)
        process = self.running[name]
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
        kill_group(process)

    def signal(self, name: str, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running[name].pid, number)

    def kill_child(self, name: str, pick: int) -> None:
        """Kill one process of the pool of a worker that has started. One whose pool can't start gives up, rightly."""
        has_started = "SELECT 1 FROM syncjobs_worker WHERE process_id = %s"
        if not self.query(has_started, [self.running[name].pid]):
            return
        if children := self.children(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(children[pick % len(children)], signal.SIGKILL)

    def children(self, name: str) -> list[int]:
        """Return the process ids of a worker's pool."""
        return _children(self.running[name].pid)

    def restart_ended(self) -> None:
        """Start what ended by itself again, as a supervisor does, and remember that it ended."""
        with self._lock:
            for name, process in list(self.running.items()):
                if process.poll() is not None and name not in self._expected:
                    kill_group(process)
                    self.unexpected_ends.append(f"{name} (exit code {process.returncode})")
                    last = (self.folder / f"{name}.log").read_text(errors="replace").strip().rpartition("\n")[2]
                    self.log(
                        f"{name} ended by itself with exit code {process.returncode} ({last[:200]}); started again"
                    )
                    self.start(name)

    def stop_all(self) -> None:
        for process in self.running.values():
            kill_group(process)

    # ---- PostgreSQL

    def query(self, statement: str, parameters: Any = None) -> list[Any]:
        """Run a statement on the run's database, also while that is read-only for others."""
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(embedded.database_url(), autocommit=True, options=options, connect_timeout=5) as database:
            cursor = database.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def stop_postgres(self, mode: str) -> None:
        data = str(embedded.home() / "postgres")
        embedded._run_as_postgres("pg_ctl", "-D", data, "-w", "-t", "30", "-m", mode, "stop")

    def start_postgres(self) -> None:
        if not embedded._postgres_answers():
            embedded._launch_postgres(embedded.home() / "postgres")

    def signal_postgres(self, number: signal.Signals) -> None:
        """Signal the server and all its processes."""
        server = int((embedded.home() / "postgres" / "postmaster.pid").read_text().split()[0])
        for pid in (server, *_children(server)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def set_read_only(self, on: bool) -> None:
        self.query(f"ALTER SYSTEM SET default_transaction_read_only = {'on' if on else 'off'}")
        self.query("SELECT pg_reload_conf()")

    def disconnect_all(self) -> None:
        self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'syncmonitor' AND pid <> pg_backend_pid()")  # fmt: skip

    # ---- Redis

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(embedded.redis_url(), socket_timeout=5)

    def redis_pid(self) -> int:
        with self.redis() as client:
            return int(client.info("server")["process_id"])  # type: ignore[index]

    def heal_redis(self) -> None:
        embedded._start_redis()
        with self.redis() as client:
            client.replicaof("NO", "ONE")  # type: ignore[no-untyped-call]
            client.config_set("maxmemory", 0)

    # ---- YouTube

    def control(self, method: str, path: str, body: Any = None, timeout: float = 5) -> Any:
        """Send a request to the simulator's control interface. Raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.youtube}/__simulator__/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")
        self.control("POST", "faults", {"latency": LATENCY})
        self.control("POST", "quota", {"limits": dict.fromkeys(("main", "stats"), _MANY_UNITS)})

    # ---- The whole

    def wait_until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait for the condition; an exception counts as false. Return False after the timeout."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                if condition():
                    return True
            self.restart_ended()
            time.sleep(0.2)
        return False

    def answers(self) -> bool:
        return all(_is_ready(url) for url in self.urls)

    def heal(self) -> None:
        """End every fault. All of this may be repeated."""
        for name in self.running:
            self.signal(name, signal.SIGCONT)
        with contextlib.suppress(OSError):
            self.signal_postgres(signal.SIGCONT)
        self.start_postgres()
        self.set_read_only(False)
        self.heal_redis()
        self.start_all()
        self.wait_until(lambda: self.clear_faults() is None, 20)

    def dump(self) -> None:
        """Print what everything is doing, for a run in which jobs stopped moving."""
        for statement in (
            "SELECT pid, application_name, state, wait_event_type, wait_event, now() - xact_start, left(query, 120) FROM pg_stat_activity WHERE datname = 'syncmonitor'",
            "SELECT id, job_type, status, queue, run_at - now(), delay_reason, attempts_made, failures_in_a_row, cancel_requested_at FROM syncjobs_syncjob WHERE status IN ('QUEUED', 'IN_PROGRESS') LIMIT 30",
            "SELECT id, job_id, number, worker, process_id, lease_expires_at - now() FROM syncjobs_attempt WHERE outcome = 'RUNNING'",
            "SELECT name, paused_at FROM syncjobs_queue",
            "SELECT name, process_id, now() - heartbeat_at FROM syncjobs_worker",
        ):
            for row in self.query(statement):
                self.log("  " + " | ".join(str(value).replace("\n", " ") for value in row))
        with self.redis() as client:
            lengths = {queue: client.llen(queue) for queue in _QUEUES.split(",")}
            self.log(f"  Redis: {lengths}, unacknowledged {client.hlen('unacked')}")
        if (spy := shutil.which("py-spy")) is None:
            return
        for name in WORKERS:
            for pid in (self.running[name].pid, *self.children(name)):
                stack = subprocess.run([spy, "dump", "-p", str(pid)], capture_output=True, text=True, check=False)
                self.log(f"  {name}, process {pid}:\n{stack.stdout}{stack.stderr}")


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _is_ready(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/readyz", timeout=3) as answer:
        return bool(answer.status == 200)


def write_world(path: Path, seed: int) -> list[dict[str, Any]]:
    """Write the videos of the simulated channels to a file; return the rows of their bands."""
    rng = random.Random(seed)
    channels = [
        {
            "channelTitle": f"Chaos{number}",
            "videos": [
                {
                    "id": f"c{seed % 1000:03}-{number:02}-{video:03}",
                    "title": f"Show {video} of band {number}",
                    "publishedAt": f"20{10 + video // 365}-{1 + video % 12:02}-{1 + video % 28:02}T12:00:00Z",
                }
                for video in range(rng.randrange(20, 500))
            ],
        }
        for number in range(CHANNELS)
    ]
    path.write_text(json.dumps(channels))
    return [
        {"name": f"Chaos {number}", "slug": f"chaos-{number}", "youtube_channel": f"@Chaos{number}"}
        for number in range(CHANNELS)
    ]
