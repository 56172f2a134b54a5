"""A web server while its PostgreSQL restarts, is away, or has no free connection."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection, connections, transaction
from psycopg.conninfo import make_conninfo

from syncjobs.choices import Role
from syncmonitor import embedded
from tests.clients import PASSWORD, Api
from tests.factories import wait_for
from tests.processes import environment, web_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults]
LONG = "SURVIVAL_MINUTES" in os.environ
POOL = 6
MOST_SECONDS = 10
"""How long an answer may take on a slow machine. A request waits for a connection for 3 s."""


@pytest.fixture
def api() -> Api:
    return Api(Role.MODERATOR)


@pytest.fixture
def site(api: Api, tmp_path: Path) -> Iterator[httpx.Client]:
    """Serve the site with a small pool. Requests wait long for a lock: they must have all connections until the test ends it."""
    variables = environment("http://127.0.0.1:9") | {"DATABASE_POOL_SIZE": str(POOL)}
    variables["DATABASE_URL"] += "?options=-c%20lock_timeout%3D25000"
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
    back = site.get("/api/bands")
    assert back.status_code == 200
    assert back.elapsed.total_seconds() < (2 if LONG else MOST_SECONDS)


@pytest.mark.parametrize("path", ["/api/auth/token", "/admin/"])
def test_a_request_without_a_free_connection_is_refused_quickly(site: httpx.Client, path: str) -> None:
    body = {"username": str(Role.MODERATOR), "password": PASSWORD}
    session = {"Cookie": "sessionid=0123456789abcdef"}
    with concurrent.futures.ThreadPoolExecutor(POOL) as visitors:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                cursor.execute("LOCK TABLE bands_band IN ACCESS EXCLUSIVE MODE")
            waiting = [visitors.submit(site.get, "/api/bands") for _ in range(POOL)]
            wait_for(lambda: _waiting() == POOL, what="all connections to be used")
            answer = site.get(path, headers=session) if path == "/admin/" else site.post(path, json=body)
            assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "5")
            assert "too busy" in answer.text
            assert answer.elapsed.total_seconds() < MOST_SECONDS
            transaction.set_rollback(True)
        assert {answer.result().status_code for answer in waiting} <= {200, 503}
    assert site.post("/api/auth/token", json=body).status_code == 200


@contextlib.contextmanager
def _no_free_connection() -> Iterator[None]:
    """Use every connection that the server allows, until the site has none."""
    with contextlib.ExitStack() as stack:

        def use_all() -> bool:
            with contextlib.suppress(psycopg.OperationalError):  # SQLSTATE 53300: too many clients already
                while True:
                    stack.enter_context(psycopg.connect(_conninfo()))
            return _end_sessions_of_the_site() == 0

        wait_for(use_all, what="the site to have no connection")
        yield


def _conninfo() -> str:
    database = connection.settings_dict
    return make_conninfo(host=str(database["HOST"]), user="postgres", dbname=str(database["NAME"]))


def _end_sessions_of_the_site() -> int:
    """Return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'web'")
        return int(cursor.fetchone()[0])


def test_a_server_without_free_connections_is_503_and_works_again(site: httpx.Client) -> None:
    assert site.get("/api/bands").status_code == 200
    with _no_free_connection():
        answers = [site.get("/api/bands"), site.get("/readyz")]
        assert [answer.status_code for answer in answers] == [503, 503]
        assert answers[0].headers["Retry-After"] == "5"
        assert all(answer.elapsed.total_seconds() < MOST_SECONDS for answer in answers)
    assert site.get("/api/bands").status_code == 200
