"""`make run`: the whole site in one terminal, with embedded PostgreSQL and Redis.

YouTube is simulated unless YOUTUBE_API_KEY is set.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

from bands.text import parse_number

from . import embedded
from .supervisor import Process, Supervisor

DEMO_USER = "admin"
PUBLISH_SECONDS = 300
"""How often the simulated YouTube has a new video."""


def main() -> None:
    """Prepare and start the site, and run until Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit("Stopped during the start."))
    environment = _environment()
    os.environ.update(environment)
    port = environment["PORT"]
    with _single_run_lock(port):
        _run(environment, port)


def _run(environment: dict[str, str], port: str) -> None:
    _check_port(port)
    embedded.ensure()
    _manage("migrate", "--verbosity", "0")
    _manage("setup_roles", quiet=True)
    simulated = environment.get("YOUTUBE_SIMULATED") == "true"
    if simulated and not _password_file().exists():
        # Before the demo user, whose file tells that this run has been the first: one that was interrupted begins again.
        _manage("seed_demo", quiet=True)
    password = _create_demo_user()
    _write_simulator_url(environment, simulated)
    _print(_banner(port, password, simulated))
    try:
        Supervisor(_processes(port, environment, simulated), environment).run()
    finally:
        embedded.simulator_file().unlink(missing_ok=True)
    _print("Stopped.")


def _single_run_lock(port: str) -> IO[str]:
    """Lock this checkout for one run, because two beats would trigger every schedule twice.

    The lock is checked before the port: otherwise the error would suggest a second run on another port. The kernel
    releases the lock at the end of the process, even if it is killed.
    """
    lock = (embedded.make_home() / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        sys.exit(f"make run: already running{lock.read()}. Stop it first (Ctrl-C in its terminal).")
    lock.truncate(0)
    lock.write(f", at {_address(port)} (process {os.getpid()})")
    lock.flush()
    return lock


def _address(port: str) -> str:
    return f"http://127.0.0.1:{port}/admin/"


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _environment() -> dict[str, str]:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings", "PYTHONUNBUFFERED": "1"}
    environment.setdefault("DEBUG", "true")
    environment.setdefault("PORT", "8000")
    environment.setdefault("LOG_LEVEL", "WARNING")
    if not environment.get("YOUTUBE_API_KEY"):
        environment |= {
            "YOUTUBE_SIMULATED": "true",
            "YOUTUBE_API_KEY": "simulated-key",
            "YOUTUBE_API_ENDPOINT": f"http://127.0.0.1:{_free_port()}",
        }
        if environment["DEBUG"] == "true":
            # The simulated hub reaches this machine.
            environment.setdefault("PUBLIC_URL", f"http://127.0.0.1:{environment['PORT']}")
    return environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _check_port(port: str) -> None:
    if not parse_number(port, maximum=65535):
        sys.exit(f"PORT: {port!r} is not a port number. Use one from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            sys.exit(f"PORT: {port} is not available ({error.strerror}). Use another: PORT=8001 make run")


def _manage(*arguments: str, stdin: str | None = None, quiet: bool = False) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=embedded.BASE,
        input=stdin,
        text=True,
        stdout=subprocess.DEVNULL if quiet else None,
        check=False,
    )
    if done.returncode:
        sys.exit(f"manage.py {arguments[0]} failed. See the error above.")


def _write_simulator_url(environment: dict[str, str], simulated: bool) -> None:
    """Write the URL of the simulated YouTube to a file, where commands in other terminals read it (see settings)."""
    path = embedded.simulator_file()
    path.unlink(missing_ok=True)
    if simulated:
        path.write_text(environment["YOUTUBE_API_ENDPOINT"])


def _password_file() -> Path:
    return embedded.home() / "demo_password"


def _create_demo_user() -> str:
    """Create the demo user on the first run and return their first password.

    It is kept in a file that only the owner can read. Later runs don't reset a password that was changed since.
    """
    path = _password_file()
    if path.exists():
        return path.read_text()
    password = secrets.token_urlsafe(12)
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(password)
    _manage("create_user", DEMO_USER, "--role", "SUPER_ADMIN", "--password-stdin", stdin=password + "\n", quiet=True)
    draft.rename(path)
    return password


def _processes(port: str, environment: dict[str, str], simulated: bool) -> list[Process]:
    python = sys.executable
    uvicorn = [python, "-m", "uvicorn", "syncmonitor.asgi:application", "--port", port, "--log-level", "warning"]
    uvicorn += ["--http", "syncmonitor.protocol:Protocol", "--ws", "none"]
    celery = [python, "-m", "celery", "-A", "syncmonitor"]
    queues = "video-sync,video-processing,maintenance"
    processes = [
        Process("web", [*uvicorn, "--timeout-graceful-shutdown", "5"]),
        Process("worker", [*celery, "worker", "-Q", queues, "--concurrency", "4"]),
        Process("beat", [*celery, "beat", "--pidfile", ""]),
    ]
    if simulated:
        endpoint_port = environment["YOUTUBE_API_ENDPOINT"].rpartition(":")[2]
        simulator = [python, "manage.py", "run_simulator", "--port", endpoint_port, "--latency", "0.5"]
        simulator += ["--publish-every", str(PUBLISH_SECONDS)]
        processes = [Process("youtube", simulator), *processes]
    return processes


def _banner(port: str, password: str, simulated: bool) -> str:
    source = "a simulated YouTube (set YOUTUBE_API_KEY for the real one)" if simulated else "YouTube"
    return (
        f"\n  Sync monitor   {_address(port)}\n"
        f"  Log in as      {DEMO_USER} / {password}   (unless you have changed it)\n"
        f"  Videos from    {source}\n"
        f"  Stop with      Ctrl-C\n"
    )


if __name__ == "__main__":
    main()
