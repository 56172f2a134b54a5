"""Ids of requests, and lines of the log as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from syncjobs.choices import Role
from syncjobs.models import SyncJob
from syncjobs.operations import people
from syncjobs.youtube.simulator import Simulator
from syncmonitor import logs
from tests.clients import NOBODY, PASSWORD, Api
from tests.factories import PERSON, band_with_videos, queue_job, wait_for
from tests.faults.conftest import broker, workers  # noqa: F401 - fixtures
from tests.processes import Workers, environment, web_server

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"LOG_FORMAT": "json", "LOG_LEVEL": "INFO"}


def _lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log. Each must be a JSON object."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


@pytest.fixture
def site(log: Path) -> Iterator[str]:
    """Serve the site with a log of JSON; yield its URL."""
    with web_server(environment("http://127.0.0.1:9") | JSON, log) as url:
        yield url


def _requests(log: Path, count: int) -> list[dict[str, Any]]:
    """Return the lines of requests in the log, once there are so many."""

    def read() -> list[dict[str, Any]]:
        return [line for line in _lines(log.read_text()) if line.get("event") == "request"]

    wait_for(lambda: len(read()) >= count, 30, lambda: log.read_text())
    return read()


def test_the_access_log(site: str, log: Path) -> None:
    people.save_user(PERSON, "mo", PASSWORD, Role.MODERATOR)
    user_id = get_user_model().objects.get(username="mo").pk
    with httpx.Client(base_url=site, timeout=30) as client:
        assert client.get("/healthz").headers["X-Request-ID"]
        token = client.post("/api/auth/token", json={"username": "mo", "password": PASSWORD}).json()["access"]
        ids = {"X-Request-ID": "Root=1-67891233-abcdef012345678912345678"}
        answer = client.get("/api/bands?search=x", headers=ids | {"Authorization": f"Bearer {token}"})
        assert answer.headers["X-Request-ID"] == ids["X-Request-ID"]
        forged = client.get("/no%0awhere/", headers={"X-Request-ID": "not well formed"})
        assert len(forged.headers.get_list("X-Request-ID")) == 1
        assert client.post("/api/auth/token", content=b"x" * 100_000).status_code == 413
    _login, bands, nowhere, refused = _requests(log, 4)
    expected = {
        "level": "INFO",
        "logger": "syncmonitor.access",
        "request_id": ids["X-Request-ID"],
        "user_id": user_id,
        "method": "GET",
        "path": "/api/bands",
        "status": 200,
        "address": "127.0.0.1",
        "bytes": len(answer.content),
    }
    assert {name: bands.get(name) for name in expected} == expected
    assert 0 < bands["seconds"] < 60
    assert bands["time"].startswith("20")
    assert f"GET /api/bands 200 in {bands['seconds'] * 1000:.0f} ms" in bands["message"]
    assert (nowhere["path"], nowhere["status"]) == ("/no%0awhere/", 404)
    assert nowhere["request_id"] == forged.headers["X-Request-ID"] != "not well formed"
    assert "user_id" not in nowhere
    assert refused["status"] == 413


def test_other_lines_of_a_request_have_its_id(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Django's test client too, which has no ASGI server."""
    from syncmonitor import access

    seen = []

    def see(*_: object) -> dict[str, str]:
        record = logging.makeLogRecord({})
        access.Context().filter(record)
        seen.append(record.__dict__["request_id"])
        return {"status": "ok"}

    monkeypatch.setattr("syncmonitor.health.JsonResponse", lambda body: _response(see()))
    answer = Client().get("/healthz", headers={"X-Request-ID": "abc-1"})
    assert (answer["X-Request-ID"], seen) == ("abc-1", ["abc-1"])
    assert access.current() is None


def _response(body: object) -> Any:
    from django.http import JsonResponse

    return JsonResponse(body)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", 'a"b', "a\u00e9"])
def test_an_id_that_is_not_well_formed_is_replaced(given: str) -> None:
    answer = Client().get("/healthz", headers={"X-Request-ID": given})
    assert answer["X-Request-ID"] != given
    assert len(answer["X-Request-ID"]) == 32


def test_a_front_end_on_another_site_may_read_the_id(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    answer = Api(NOBODY)._client.get("/api/bands", headers={"Origin": "https://app.example"})
    assert "X-Request-ID" in answer["Access-Control-Expose-Headers"]


def test_the_library_for_json_is_imported_only_if_it_is_used() -> None:
    sys.modules.pop("pythonjsonlogger.core", None)
    logs.configuration("INFO", "text")
    assert "pythonjsonlogger.core" not in sys.modules
    logs.configuration("INFO", "json")
    assert "pythonjsonlogger.core" in sys.modules


@pytest.mark.faults
def test_every_line_of_a_worker_is_json_and_those_of_a_job_say_which(
    workers: Workers,  # noqa: F811
    youtube: Simulator,
) -> None:
    band, _channel = band_with_videos(youtube.world, 3)
    workers.start("one", concurrency=1, **JSON)
    job = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 60, workers.logs)
    wait_for(lambda: "job_completed" in workers.log("one"), 30, workers.logs)
    text = workers.log("one")
    lines = _lines(text[text.index("\n{") + 1 :])  # Celery prints a banner first.
    mine = [line for line in lines if line.get("job") == job.pk]
    assert [line["event"] for line in mine if "event" in line] == ["job_started", "job_completed"]
    ended = mine[-1]
    expected = {"attempt": 1, "worker": "one@test", "band": "Herons", "videos_added": 3, "units": 2, "level": "INFO"}
    assert {name: ended[name] for name in expected} == expected
    assert all(line["worker"] == "one@test" for line in lines)
