"""Workers and beat tell that they go on, also while the database is away."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError

from syncjobs.engine import liveness
from syncjobs.engine.heartbeat import Heartbeat, Reporter
from syncjobs.engine.scheduler import Scheduler
from syncmonitor.celery import app
from tests.factories import wait_for

ALIVE = b"READY=1\nWATCHDOG=1"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(10)
        yield listener


@pytest.fixture
def alive(tmp_path: Path, settings: LazySettings) -> Path:
    """The file that a probe looks at."""
    path = tmp_path / "alive"
    settings.ALIVE_FILE = str(path)
    return path


def test_a_worker_reports_while_the_database_is_away(
    systemd: socket.socket, alive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise OperationalError("gone")

    monkeypatch.setattr(Reporter, "report", refuse)
    monkeypatch.setattr(Reporter, "end", lambda self: None)
    monkeypatch.setattr("syncjobs.engine.heartbeat.RECONCILE_SECONDS", 0.01)
    heartbeat = Heartbeat("w@here", [], 1)
    heartbeat.start()
    try:
        assert systemd.recv(100) == ALIVE
        wait_for(alive.exists)
        alive.unlink()
        wait_for(alive.exists)
    finally:
        heartbeat.stop()


@pytest.mark.django_db(transaction=True)
def test_the_scheduler_reports_from_the_loop_that_runs_what_is_due(systemd: socket.socket, alive: Path) -> None:
    scheduler = Scheduler(app)
    assert not alive.exists()
    scheduler.tick()
    assert systemd.recv(100) == ALIVE
    assert alive.exists()


def test_an_address_without_a_file_is_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f"syncmonitor-{tmp_path.name}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        liveness.notify_systemd("READY=1")
        assert listener.recv(100) == b"READY=1"


def test_nobody_who_listens_is_only_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    settings.ALIVE_FILE = str(tmp_path / "no" / "folder")
    liveness.report()
    first, second = (record.getMessage() for record in caplog.records)
    assert "systemd" in first
    assert second.startswith("ALIVE_FILE: could not touch")
