"""People log in, look and act while Redis is full, read-only or gone, and learn what is wrong while PostgreSQL is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client

from bands.models import Band
from syncjobs.choices import JobStatus, Role
from syncjobs.engine import broker
from syncjobs.models import ErrorGroup, SyncJob
from syncjobs.operations import people
from syncmonitor import embedded
from tests.clients import DIALOG, NOBODY, PASSWORD, Api, command_error, logged_in, run_command
from tests.factories import PERSON, failed_job, make_band, queue_job, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = "UC" + "a" * 22
TRIGGER = "admin/sync-jobs/trigger"
MOST_SECONDS = 10
"""How long a request may take on a slow machine; without limits it takes minutes."""


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def _fail_to_save(client: redis.Redis, folder: Path) -> None:
    """Let Redis fail to save its data; it then refuses writes."""
    (folder / "dump.rdb").mkdir()
    client.config_set("dir", str(folder))
    client.config_set("dbfilename", "dump.rdb")
    client.config_set("save", "3600 1")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="the failure to save")


@pytest.fixture(params=["full", "read-only", "unable to save", "gone"])
def without_redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Break the Redis of this process, and repair it."""
    with _redis() as client:
        folder = str(client.config_get("dir")["dir"])
        if request.param == "unable to save":
            _fail_to_save(client, tmp_path)
        elif request.param == "full":
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
        elif request.param == "read-only":
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
        else:
            client.shutdown(nosave=True)
    try:
        yield request.param
    finally:
        if request.param == "gone":
            embedded._start_redis()
        with _redis() as client:
            client.config_set("maxmemory", "0")
            client.config_set("save", "")
            client.config_set("dir", folder)
            client.execute_command("REPLICAOF", "NO", "ONE")
            # The first message may go to a connection that the server has closed.
            wait_for(lambda: broker._send(broker.DRAIN_TASK, "maintenance", "maintenance"), what="Redis")
            client.flushdb()


@pytest.fixture
def read_only() -> Iterator[None]:
    """Make PostgreSQL refuse writes, as it does after a failover to a standby."""
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")


def test_people_act_without_redis(without_redis: str) -> None:
    began = time.monotonic()
    api = Api(Role.ADMIN)
    band, failed = make_band("herons", CHANNEL), failed_job()
    answer = api.post(TRIGGER, {"syncType": "FULL", "bandId": str(band.pk)})
    assert answer.status_code == 202, answer.content
    job = SyncJob.objects.get(band=band)
    assert api.get("admin/sync-jobs").status_code == 200
    assert api.post(f"admin/sync-jobs/{job.pk}/delay", {"minutes": 5}).status_code == 202
    assert api.post(f"bands/{band.pk}/pause").status_code == 200
    assert api.post(f"bands/{band.pk}/resume").status_code == 200
    assert api.post(f"admin/sync-jobs/{job.pk}/run").status_code == 202
    assert api.post(f"admin/sync-jobs/{job.pk}/cancel").status_code == 202
    assert api.post(f"admin/sync-jobs/{failed.pk}/retry").status_code == 202
    assert SyncJob.objects.filter(status=JobStatus.QUEUED, retry_of=failed).exists()
    assert "queued" in run_command("sync_bands", "--band", band.slug, "--full", "--force").lower()
    assert time.monotonic() - began < 3 * MOST_SECONDS


def test_the_admin_works_without_redis(without_redis: str) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.ADMIN)
    client = Client()
    wrong = client.post("/admin/login/", {"username": "mo", "password": "guess"})
    assert wrong.status_code == 200
    assert client.post("/admin/login/", {"username": "mo", "password": PASSWORD}).status_code == 302
    for page in ("", "syncjobs/syncjob/", "quota/", "syncjobs/worker/"):
        assert client.get(f"/admin/{page}").status_code == 200, page
    file = SimpleUploadedFile("bands.csv", b"slug,name\nherons,Herons\n")
    token = client.post("/admin/import/", {"file": file}).context["token"]
    assert client.post("/admin/import/", {"token": token}).status_code == 302
    assert Band.objects.get().slug == "herons"
    band = Band.objects.get()
    assert client.post(f"/admin/bands/band/{band.pk}/edit/", {"name": "Blue Herons"}).status_code == 302


def test_readiness_names_redis(without_redis: str) -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"], body["redis"]) == ("degraded", True, False)
    expected = {"full": "maxmemory", "read-only": "read only", "unable to save": "MISCONF", "gone": "does not answer"}[
        without_redis
    ]
    assert expected in body["problems"][0]


def test_log_ins_are_limited_without_redis(without_redis: str) -> None:
    client, api, wrong = Client(), Api(NOBODY), {"username": "admin", "password": "guess"}
    assert [client.post("/admin/login/", wrong).status_code for _ in range(21)] == [200] * 20 + [429]
    assert api.post("auth/token", wrong).status_code == 429


def test_the_api_says_that_the_database_is_read_only(read_only: None, caplog: pytest.LogCaptureFixture) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
    api, band, failed, queued = Api(Role.ADMIN), make_band("herons", CHANNEL), failed_job(), queue_job()
    job, errors = f"admin/sync-jobs/{queued.pk}", f"admin/sync/errors/{ErrorGroup.objects.get().pk}"
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    caplog.clear()
    writes = (
        ("POST", "auth/token", {"username": Role.ADMIN, "password": PASSWORD}),
        ("POST", TRIGGER, {"syncType": "FULL"}),
        ("POST", f"admin/sync-jobs/{failed.pk}/retry", None),
        ("POST", f"{job}/front", None),
        ("POST", f"{job}/delay", {"minutes": 5}),
        ("POST", f"{job}/priority", {"priority": 30}),
        ("POST", "admin/sync-jobs/bulk", {"action": "front", "ids": [str(queued.pk)]}),
        ("POST", f"{errors}/resolve", None),
        ("POST", f"{errors}/notes", {"note": "Seen."}),
        ("POST", f"{errors}/assign", {"assignee": Role.ADMIN}),
        ("POST", f"bands/{band.pk}/pause", {"reason": "why"}),
        ("POST", f"bands/{band.pk}/resume", None),
        ("POST", "suggestions", {"bandId": str(band.pk), "youtubeChannel": "@Herons"}),
        ("POST", "admin/queue/pause", {"reason": "why"}),
        ("PATCH", f"bands/{band.pk}", {"city": "Ashby"}),
        ("DELETE", f"bands/{band.pk}", None),
    )
    for method, path, body in writes:
        answer = api.send(method, path, body)
        assert (answer.status_code, answer["Retry-After"]) == (503, "30"), (path, answer.content)
        assert answer.json()["type"] == "server_error"
        error = answer.json()["errors"][0]
        assert (error["code"], error["field"]) == ("unavailable", None)
        assert "read-only" in error["message"]
    assert api.get("admin/sync-jobs").status_code == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_the_admin_says_that_the_database_is_read_only(caplog: pytest.LogCaptureFixture) -> None:
    client, band, job = logged_in(Role.ADMIN), make_band("herons", CHANNEL), queue_job()
    client.raise_request_exception = False
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        assert client.get("/admin/").status_code == 200
        assert client.get(f"/admin/bands/band/{band.pk}/change/").status_code == 200
        url = f"/admin/bands/band/{band.pk}/sync/"
        page = client.post(url)
        assert (page.status_code, page["Retry-After"]) == (503, "30")
        assert "<html" in page.content.decode()
        assert "read-only" in page.content.decode()
        toast = client.post(url, headers=DIALOG)
        assert (toast.status_code, toast["Content-Type"]) == (503, "text/plain; charset=utf-8")
        assert toast.content.decode().startswith("The database is read-only")
        others = (f"/admin/syncjobs/syncjob/{job.pk}/front/", f"/admin/bands/band/{band.pk}/pause/", "/admin/settings/")
        assert [client.post(other, headers=DIALOG).status_code for other in others] == [503] * 3
        for command in (("pause_band", band.slug), ("move_to_front", str(job.pk)), ("run_job", str(job.pk))):
            assert "read-only" in command_error(*command)
        ready = Client().get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, False)
        assert "read-only" in ready.json()["problems"][0]
        assert "read-only" in command_error("sync_bands", "--band", band.slug, "--force")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    assert not [record for record in caplog.records if record.exc_info]
    assert client.post(url).status_code == 302


def test_a_full_disk_is_503_with_a_sentence(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    client, band = logged_in(Role.ADMIN), make_band("herons", CHANNEL)
    client.raise_request_exception = False

    def refuse_writes(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            raise OperationalError("could not extend file") from psycopg.errors.DiskFull("could not extend file")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse_writes):
        page, ready = client.post(f"/admin/bands/band/{band.pk}/sync/"), Client().get("/readyz")
        assert client.get("/admin/syncjobs/syncjob/").status_code == 200
    assert (page.status_code, page["Retry-After"]) == (503, "30")
    assert "disk is full" in page.content.decode()
    assert ready.status_code == 503
    assert "disk is full" in ready.json()["problems"][0]
    assert not [record for record in caplog.records if record.exc_info]


def test_readiness_names_a_database_that_refuses_writes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        owner = cursor.fetchone()[0]
        cursor.execute("DROP ROLE IF EXISTS reader")
        cursor.execute("CREATE ROLE reader")
        cursor.execute("SET ROLE reader")
        try:
            ready = Client().get("/readyz")
        finally:
            cursor.execute(f'SET ROLE "{owner}"')
            cursor.execute("DROP ROLE reader")
    assert (ready.status_code, ready.json()["database"]) == (503, False)


def test_readiness_does_not_need_the_migrations() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE syncmonitor_cache RENAME TO elsewhere")
        try:
            ready = Client().get("/readyz")
        finally:
            cursor.execute("ALTER TABLE elsewhere RENAME TO syncmonitor_cache")
    assert ready.json()["database"] is True


def test_readiness_writes_to_the_disk() -> None:
    """A change that is taken back needs no disk."""
    assert Client().get("/readyz").json()["status"] == "ok"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(value) FROM syncmonitor_cache WHERE cache_key = 'readyz'")
        first = cursor.fetchone()
        Client().get("/readyz")
        cursor.execute("SELECT count(*), max(value) FROM syncmonitor_cache WHERE cache_key = 'readyz'")
        second = cursor.fetchone()
    assert (first[0], second[0]) == (1, 1)
    assert first[1] != second[1]


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/api/bands", "/metrics"])
def test_a_database_that_is_away_is_503_everywhere(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    api, client = Api(Role.ADMIN), logged_in(Role.ADMIN)
    client.raise_request_exception = False
    settings.METRICS_ALLOWED_ADDRESSES = ["127.0.0.1"]

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("connection to server failed: no such host")

    connection.close()
    monkeypatch.setattr(connection, "connect", refuse)
    send = client.post if path == "/admin/login/" else client.get
    try:
        answer = send(path, {"username": "x", "password": "y"}, headers=api.headers if path == "/api/bands" else None)
    finally:
        monkeypatch.undo()
        settings.METRICS_ALLOWED_ADDRESSES = []
    assert (answer.status_code, answer["Retry-After"]) == (503, "5"), answer.content
    assert "The database is away" in answer.content.decode()
    assert not [record for record in caplog.records if record.exc_info]
