"""Services that don't refuse but stay silent: frozen processes, and hosts whose packets are lost."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from django.db import connections

from syncjobs.choices import JobStatus, Role
from syncjobs.models import SyncJob
from syncjobs.youtube.simulator import Simulator
from syncmonitor import embedded
from tests.clients import Api
from tests.factories import band_with_videos, make_band, queue_job, wait_for
from tests.processes import Workers, environment, web_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults, pytest.mark.timeout(280)]
MOST_SECONDS = 25
"""How long an answer may take on a slow machine. Without limits there is none."""


@pytest.fixture
def api() -> Api:
    return Api(Role.MODERATOR)


@contextlib.contextmanager
def _site(api: Api, log: Path, **variables: str) -> Iterator[httpx.Client]:
    """Serve the site with a small pool."""
    served = environment("http://127.0.0.1:9") | {"DATABASE_POOL_SIZE": "3"} | variables
    with web_server(served, log) as url:
        with httpx.Client(base_url=url, headers=api.headers, timeout=MOST_SECONDS) as client:
            yield client
        assert "Traceback" not in log.read_text(), log.read_text()


@contextlib.contextmanager
def _frozen(*pids: int) -> Iterator[None]:
    """Freeze the processes."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # Autovacuum has ended since.
                os.kill(pid, signal.SIGCONT)


def _postgres() -> list[int]:
    """Return the processes of the test's PostgreSQL; the first is the one that accepts connections."""
    pid = int((embedded.home() / "postgres" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


@pytest.fixture
def silent() -> Iterator[int]:
    """Return a port whose server accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield server.getsockname()[1]


def test_a_frozen_postgresql_is_503_and_works_again_when_it_goes_on(api: Api, tmp_path: Path) -> None:
    with _site(api, tmp_path / "web.log") as site:
        assert site.get("/api/bands").status_code == 200
        connections.close_all()
        with _frozen(*_postgres()):
            # The first uses a connection that worked, the next ones need new ones.
            for path in ("/api/bands", "/api/bands", "/readyz"):
                assert site.get(path).status_code == 503, path
            assert site.get("/healthz").status_code == 200
        wait_for(lambda: site.get("/api/bands").status_code == 200, MOST_SECONDS, "the site to be back")
        assert site.get("/readyz").json()["database"] is True


def test_jobs_go_on_after_postgresql_was_frozen(workers: Workers, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 600)
    youtube.faults.latency = 0.1
    workers.start("one", concurrency=1)
    job = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).videos_found >= 100, 60, workers.logs)
    connections.close_all()
    with _frozen(*_postgres()):
        time.sleep(6)  # Longer than a lease of the tests.
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 60, workers.logs)
    job.refresh_from_db()
    assert (job.status, job.videos_added) == (JobStatus.COMPLETED, 600)
    assert "Traceback" not in workers.logs()


def test_people_act_while_redis_is_frozen_and_jobs_run_when_it_goes_on(
    workers: Workers, youtube: Simulator, broker: redis.Redis, api: Api, tmp_path: Path
) -> None:
    bands = [band_with_videos(youtube.world, 10, f"band{number}")[0] for number in range(4)]
    workers.start("one", concurrency=1)
    pid = int(broker.info("server")["process_id"])
    with _site(api, tmp_path / "web.log") as site:
        with _frozen(pid):
            began = time.monotonic()
            for band in bands:
                body = {"syncType": "FULL", "bandId": str(band.pk)}
                assert site.post("/api/admin/sync-jobs/trigger", json=body).status_code == 202
            assert time.monotonic() - began < MOST_SECONDS, "one limit for all of them, not one for each"
            assert site.get("/readyz").json()["status"] == "degraded"
        wait_for(lambda: SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == len(bands), 60, workers.logs)


def test_a_redis_that_never_answers_stops_no_person(api: Api, silent: int, tmp_path: Path) -> None:
    band = make_band("herons", "UC" + "a" * 22)
    with _site(api, tmp_path / "web.log", REDIS_URL=f"redis://127.0.0.1:{silent}/0") as site:
        answer = site.post("/api/admin/sync-jobs/trigger", json={"syncType": "FULL", "bandId": str(band.pk)})
        assert answer.status_code == 202
        assert site.get("/readyz").json()["redis"] is False


def test_a_postgresql_that_never_answers_is_503(api: Api, silent: int, tmp_path: Path) -> None:
    url = f"postgres://postgres@127.0.0.1:{silent}/syncmonitor"
    with _site(api, tmp_path / "web.log", DATABASE_URL=url) as site:
        for path in ("/api/bands", "/readyz"):
            assert site.get(path).status_code == 503
