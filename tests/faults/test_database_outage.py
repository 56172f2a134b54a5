"""A web server while its PostgreSQL restarts, is away, or has no free connection."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.db import connection, connections, transaction

from syncjobs.choices import Role
from syncmonitor import embedded
from tests.clients import PASSWORD, Api
from tests.factories import wait_for
from tests.processes import environment, web_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]
POOL = 6


@pytest.fixture
def api() -> Api:
    return Api(Role.MODERATOR)


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve the site with a small pool."""
    variables = environment("http://127.0.0.1:9") | {"DATABASE_POOL_SIZE": str(POOL)}
    with web_server(variables, tmp_path / "web.log") as url:
        with httpx.Client(base_url=url, headers=api.headers, timeout=30) as client:
            yield client
        log = (tmp_path / "web.log").read_text()
        assert "Traceback" not in log, log


def _fill_pool(site: httpx.Client) -> None:
    """Let so many requests wait for a lock that every connection of the pool is open."""
    with concurrent.futures.ThreadPoolExecutor(POOL) as visitors, transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("LOCK TABLE bands_band IN ACCESS EXCLUSIVE MODE")
        answers = [visitors.submit(site.get, "/api/bands") for _ in range(POOL)]
        wait_for(lambda: _waiting() == POOL, what="all connections to be used")
        transaction.set_rollback(True)
    assert {answer.result().status_code for answer in answers} == {200}


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'bands_band'::regclass")
        return int(cursor.fetchone()[0])


def _stop_postgres() -> None:
    connections.close_all()
    data = str(embedded.home() / "postgres")
    assert embedded._run_as_postgres("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop").returncode == 0


@pytest.fixture
def postgres() -> Iterator[None]:
    """Start PostgreSQL again whatever the test leaves."""
    yield
    embedded._start_postgres()


def test_the_first_request_after_a_restart_works_with_a_pool_of_dead_connections(
    site: httpx.Client, postgres: None
) -> None:
    _fill_pool(site)
    _stop_postgres()
    embedded._start_postgres()
    answers = [site.get("/api/bands").status_code for _ in range(POOL + 1)]
    assert answers == [200] * (POOL + 1)


def test_the_site_is_back_soon_after_a_long_outage(site: httpx.Client, postgres: None) -> None:
    assert site.get("/api/bands").status_code == 200
    _stop_postgres()
    began = time.monotonic()
    while time.monotonic() < began + 8:  # The pool's own pauses would have grown to 8 s.
        answer = site.get("/api/bands")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    ready = site.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, False)
    embedded._start_postgres()
    # A request waits for up to 3 s, so one is enough.
    assert site.get("/api/bands").status_code == 200


def test_a_request_without_a_free_connection_is_refused_quickly(site: httpx.Client) -> None:
    with concurrent.futures.ThreadPoolExecutor(POOL) as visitors:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute("LOCK TABLE bands_band IN ACCESS EXCLUSIVE MODE")
            waiting = [visitors.submit(site.get, "/api/bands") for _ in range(POOL)]
            wait_for(lambda: _waiting() == POOL, what="all connections to be used")
            body = {"username": str(Role.MODERATOR), "password": PASSWORD}
            session = {"Cookie": "sessionid=0123456789abcdef"}
            for answer in (site.post("/api/auth/token", json=body), site.get("/admin/", headers=session)):
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
                assert "too busy" in answer.text
            transaction.set_rollback(True)
        assert {answer.result().status_code for answer in waiting} == {200}
    assert site.post("/api/auth/token", json=body).status_code == 200
