"""Rules for every address: the shape of errors, ETags, rate limits, CORS and Prometheus metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from syncjobs.choices import Role
from syncjobs.engine import outcomes, quota
from syncjobs.engine.quota import Spender
from syncjobs.operations import queues
from syncjobs.youtube.costs import Operation
from tests.clients import NOBODY, Api
from tests.factories import PERSON, claim, queue_job

pytestmark = pytest.mark.django_db


def _assert_one_shape(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"type", "errors"}
    assert (body["type"] == "validation_error") is (status == 400)
    (error,) = body["errors"]
    assert set(error) == {"code", "field", "message"}
    assert error["code"] == code


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["nothing/here", "admin/sync-jobs/01", "", "admin/sync-jobs/", "bands/x", "admin/sync/errors/a.b/retry"]
)
def test_an_unknown_address_is_404_for_every_method(method: str, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    _assert_one_shape(client.generic(method, f"/api/{path}", "{}", "application/json"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b'{"syncType": ', "application/json", 400, "parse_error"),
        (b'{"syncType": NaN}', "application/json", 400, "parse_error"),
        (b"\xff\xfe", "application/json", 400, "parse_error"),
        (b'{"syncType": "FULL", "syncType": "INCREMENTAL"}', "application/json", 400, "parse_error"),
        (b"[" * 200_000, "application/json", 400, "parse_error"),
        (b'{"syncType": "' + b"x" * 1_000_001 + b'"}', "application/json", 413, "too_large"),
        (b"syncType=FULL", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"<a/>", "text/xml", 415, "unsupported_media_type"),
    ],
)
def test_an_unreadable_body_is_refused(body: bytes, content_type: str, status: int, code: str) -> None:
    api = Api(Role.MODERATOR)
    answer = Client().generic("POST", "/api/admin/sync-jobs/trigger", body, content_type, headers=api.headers)
    _assert_one_shape(answer, status, code)


@pytest.mark.parametrize(
    "body",
    [
        b'{"syncType": "FULL", "forceSync": true, "syncType": "FULL"}',
        b'{"action": "retry", "filter": {"status": "FAILED", "syncType": 1, "syncType": 2}}',
    ],
)
@pytest.mark.parametrize("path", ["admin/sync-jobs/trigger", "admin/sync-jobs/bulk"])
def test_a_key_that_is_given_twice_is_named(path: str, body: bytes) -> None:
    api = Api(Role.MODERATOR)
    answer = Client().generic("POST", f"/api/{path}", body, "application/json", headers=api.headers)
    _assert_one_shape(answer, 400, "parse_error")
    assert "“syncType”" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("sync-jobs/estimate", [], None, "Must be an object. Valid keys: bandId, syncType, forceSync, priority."),
        ("sync-jobs/estimate", None, None, "Must be an object. Valid keys: bandId, syncType, forceSync, priority."),
        ("sync-jobs/bulk", {"action": "retry", "ids": "1"}, "ids", "Must be a list."),
        ("sync-jobs/bulk", {"action": "retry", "ids": []}, "ids", "Must have at least one entry."),
        (
            "sync-jobs/bulk",
            {"action": "retry", "filter": "all"},
            "filter",
            'Must be an object such as {"status": "FAILED"}.',
        ),
        ("schedules", {"name": "N", "jobType": "PRUNE", "cron": {}}, "cron", "At least one field is required."),
        (
            "schedules",
            {"name": "N", "jobType": "PRUNE", "interval": 5},
            "interval",
            "Must be an object. Valid keys: every, period.",
        ),
    ],
)
def test_type_errors_use_the_names_of_json_types(path: str, body: Any, field: str | None, message: str) -> None:
    api = Api(Role.ADMIN)
    answer = Client().post(f"/api/admin/{path}", json.dumps(body), "application/json", headers=api.headers)
    assert answer.status_code == 400
    assert [(error["field"], error["message"]) for error in answer.json()["errors"]] == [(field, message)]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "admin/sync-jobs/trigger", b"{"),
        ("POST", "admin/sync-jobs/trigger", b"{}"),
        ("GET", "admin/sync-jobs?page=0", b""),
        ("GET", "admin/events?lastEventId=x", b""),
        (
            "POST",
            "admin/schedules",
            b'{"name": "N", "jobType": "PRUNE", "interval": {"every": 1, "period": "seconds"}}',
        ),
    ],
)
def test_every_400_has_the_same_type(method: str, path: str, body: bytes) -> None:
    answer = Client().generic(method, f"/api/{path}", body, "application/json", headers=Api(Role.ADMIN).headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")


def test_an_unacceptable_accept_header_is_406_except_for_files() -> None:
    api = Api(Role.MODERATOR)
    accept = api.headers | {"Accept": "text/csv"}
    _assert_one_shape(Client().get("/api/admin/sync-jobs", headers=accept), 406, "not_acceptable")
    assert Client().get("/api/admin/sync-jobs/export", headers=accept).status_code == 200


def test_errors_raised_by_django_have_the_same_shape(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    client = Client(raise_request_exception=False)
    _assert_one_shape(client.get("/api/bands", headers={"host": "evil.example"}), 400, "invalid")


def test_a_repeated_parameter_is_refused_unless_it_is_repeatable() -> None:
    api = Api(Role.MODERATOR)
    assert api.get("admin/sync-jobs", page=["1", "2"]).json()["errors"][0]["field"] == "page"
    assert api.get("admin/sync-jobs", status=["FAILED", "QUEUED"]).status_code == 200


# ---- ETags


@pytest.mark.parametrize(
    "path", ["admin/queue/status", "admin/sync-jobs", "admin/sync-jobs/{job}", "admin/sync/errors", "admin/quota"]
)
def test_an_unchanged_response_is_304(path: str) -> None:
    api, client = Api(Role.MODERATOR), Client()
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    address = "/api/" + path.format(job=job.pk)
    first = client.get(address, headers=api.headers)
    assert first["Cache-Control"] == "private, no-cache"
    assert "Authorization" in first["Vary"]
    again = client.get(address, headers=api.headers | {"If-None-Match": f'"other", {first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    quota.reserve(Operation.VIDEOS_LIST, Spender(is_personal=False))
    changed = client.get(address, headers=api.headers | {"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_an_etag_does_not_bypass_authentication() -> None:
    tag = Client().get("/api/admin/queue/status", headers=Api(Role.MODERATOR).headers)["ETag"]
    assert Client().get("/api/admin/queue/status", headers={"If-None-Match": tag}).status_code == 401


# ---- Rate limits


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("admin/sync-jobs/trigger", {"syncType": "FULL", "bandId": "1"}),
        ("admin/sync-jobs/1/retry", None),
        ("admin/sync-jobs/bulk", {"action": "cancel", "ids": ["1"]}),
        ("admin/sync/errors/abc/retry", None),
        ("admin/schedules/1/run", None),
    ],
)
def test_a_throttled_response_has_retry_after(path: str, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.throttling import SimpleRateThrottle

    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": "20/min", "trigger": "2/min"})
    api = Api(Role.ADMIN)
    answers = [api.post(path, body) for _ in range(3)]
    assert 429 not in [answer.status_code for answer in answers[:2]]
    _assert_one_shape(answers[2], 429, "throttled")
    assert 1 <= int(answers[2]["Retry-After"]) <= 60


# ---- CORS


SENT = "authorization,cache-control,content-type,if-none-match,last-event-id"


def _preflight(origin: str) -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": SENT}
    return Client().options("/api/bands/1", headers=asked)


def test_other_origins_are_refused_unless_configured(settings: LazySettings) -> None:
    origin = "https://front.example.org"
    assert not [name for name in _preflight(origin).headers if name.lower().startswith("access-control")]
    settings.CORS_ALLOWED_ORIGINS = [origin]
    allowed = _preflight(origin)
    assert (allowed.status_code, allowed["Access-Control-Allow-Origin"]) == (200, origin)
    assert "PATCH" in allowed["Access-Control-Allow-Methods"]
    assert set(SENT.split(",")) <= set(allowed["Access-Control-Allow-Headers"].split(", "))
    answer = Client().get("/api/bands", headers={"Origin": origin})
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (401, origin)
    result = {"ETag", "Retry-After", "Content-Disposition"}
    assert result <= set(answer["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Origin" not in _preflight("https://evil.example").headers


# ---- Prometheus

TOKEN = "a-token-for-prometheus"


def test_metrics_are_404_until_configured(settings: LazySettings) -> None:
    _assert_one_shape(Client().get("/metrics"), 404, "not_found")
    settings.METRICS_TOKEN = TOKEN
    for wrong in ("", "Bearer ", "Bearer wrong", TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", "Bearer ÿ"):
        refused = Client().get("/metrics", headers={"Authorization": wrong})
        _assert_one_shape(refused, 401, "not_authenticated")
        assert refused["WWW-Authenticate"].startswith("Bearer ")
    for scheme in ("Bearer", "bearer"):
        good = {"Authorization": f"{scheme} {TOKEN}"}
        assert Client().get("/metrics", headers=good).status_code == 200
    _assert_one_shape(Client().post("/metrics", headers=good), 405, "method_not_allowed")
    settings.METRICS_TOKEN, settings.METRICS_ALLOWED_ADDRESSES = "", ["10.0.0.0/8"]
    assert Client(REMOTE_ADDR="10.1.2.3").get("/metrics").status_code == 200
    _assert_one_shape(Client(REMOTE_ADDR="192.0.2.7").get("/metrics"), 403, "permission_denied")
    assert Client(REMOTE_ADDR="").get("/metrics").status_code == 403


def test_metrics_equal_the_figures_of_the_api(settings: LazySettings) -> None:
    settings.METRICS_ALLOWED_ADDRESSES = ["127.0.0.1"]
    queue_job()
    queue_job("PRUNE")  # type: ignore[arg-type]
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    queues.pause_queue(PERSON, "video-sync")
    quota.reserve(Operation.VIDEOS_LIST, Spender(is_personal=False))
    text = Client().get("/metrics").content.decode()
    result = {
        (sample.name.removeprefix("syncmonitor_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples  # labels are sorted by name
    }
    for queue in Api(Role.MODERATOR).get("admin/queue/status").json():
        for state in ("waiting", "active", "delayed", "completed", "failed", "cancelled"):
            assert result["jobs", queue["name"], state] == queue[state]
        assert result["queue_paused", queue["name"]] == queue["paused"]
    assert result["jobs_by_type", "FAILED", "PRUNE"] == 1
    assert (result["quota_used_units", "main"], result["error_groups_open",]) == (1, 1)


def test_wrong_credentials_reveal_nothing() -> None:
    Api(Role.ADMIN)
    answers = [
        Api(NOBODY).post("auth/token", {"username": name, "password": "wrong"}).json() for name in ("ADMIN", "nobody")
    ]
    assert answers[0] == answers[1]
