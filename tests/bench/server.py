"""A real web server on the services of a bench, and a client that asks it."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATUS = "/api/admin/queue/status"


def token() -> str:
    """The access token of a moderator, made for the bench. Django must be set up."""
    from datetime import timedelta

    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from rest_framework_simplejwt.tokens import AccessToken

    from syncjobs.operations import people

    people.setup_roles()
    user, _ = get_user_model().objects.get_or_create(username="bench", defaults={"is_staff": True})
    user.groups.set(Group.objects.filter(name="MODERATOR"))
    made = AccessToken.for_user(user)
    made.set_exp(lifetime=timedelta(hours=4))
    return str(made)


@contextlib.contextmanager
def as_in_production() -> Iterator[dict[str, str]]:
    """The environment of a web server as in production, but without TLS: its static files have names that browsers cache."""
    with tempfile.TemporaryDirectory() as folder:
        production = {"DEBUG": "false", "SECRET_KEY": secrets.token_urlsafe(60), "ALLOWED_HOSTS": "127.0.0.1"}
        production |= {"SECURE_HTTPS": "false", "STATIC_ROOT": folder, "LOG_LEVEL": "WARNING"}
        command = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=os.environ | production, check=True)
        yield production


@contextlib.contextmanager
def running(
    application: str = "tests.bench.site:application", variables: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Port and process id of a uvicorn that serves the application, on the services this process is on.

    `variables` are added to its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "error"]
    command += ["--http", "syncmonitor.protocol:Protocol", "--ws", "none"]
    server = subprocess.Popen(
        [*command, "--timeout-graceful-shutdown", "1"], cwd=ROOT, env={**os.environ, **(variables or {})}
    )
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                sys.exit("The web server did not start.")
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    try:
        return Client(port).get("/healthz")[0] == 200
    except OSError:
        return False


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()


def watch(client: Client, is_over: Callable[[], bool], pause: float = 0.02) -> list[float]:
    """Ask for the status of the queues as a moderator until it is over; return the seconds of each request."""
    times = []
    while not is_over():
        began = time.perf_counter()
        status, _body = client.get(STATUS)
        times.append(time.perf_counter() - began)
        assert status == 200, status
        time.sleep(pause)
    return times
