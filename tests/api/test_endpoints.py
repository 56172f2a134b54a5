"""Every endpoint: methods, permissions, unknown parameters and the shape of errors."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import get_resolver
from django.utils import timezone

from bands.models import Band
from bands.text import camel_case
from syncjobs.api import urls
from syncjobs.api.core import exception_handler
from syncjobs.choices import JobStatus, Role
from syncjobs.models import ErrorGroup, FilterPreset, SyncJob
from tests.alerts.channels import make_channel
from tests.clients import NOBODY, WHO, Api
from tests.factories import failed_job, make_alert

pytestmark = pytest.mark.django_db
MODERATOR_UP, ADMIN_UP, ANYBODY, LOGGED_IN = WHO[2:], WHO[3:], WHO, WHO[1:]
TOMORROW = (timezone.now() + dt.timedelta(days=1)).isoformat()

# (method, path, body, permitted roles, status if permitted)
ENDPOINTS: tuple[tuple[str, str, Any, tuple[str, ...], int], ...] = (
    ("POST", "auth/token", {"username": "x", "password": "y"}, (), 401),
    ("POST", "auth/token/refresh", {"refresh": "x"}, (), 401),
    ("POST", "auth/logout", {"refresh": "x"}, (), 401),
    ("GET", "auth/me", None, LOGGED_IN, 200),
    ("GET", "admin/sync-jobs", None, MODERATOR_UP, 200),
    ("POST", "admin/sync-jobs/trigger", {"syncType": "FULL"}, MODERATOR_UP, 202),
    ("POST", "admin/sync-jobs/estimate", {"syncType": "FULL"}, MODERATOR_UP, 200),
    ("POST", "admin/sync-jobs/bulk", {"action": "retry", "ids": ["1"]}, MODERATOR_UP, 200),
    ("GET", "admin/sync-jobs/bulk/<id:bulk_id>", None, MODERATOR_UP, 404),
    ("GET", "admin/sync-jobs/export", None, MODERATOR_UP, 200),
    ("GET", "admin/sync-jobs/<id:job_id>", None, MODERATOR_UP, 200),
    ("POST", "admin/sync-jobs/<id:job_id>/retry", None, MODERATOR_UP, 202),
    ("POST", "admin/sync-jobs/<id:job_id>/cancel", None, MODERATOR_UP, 409),
    ("POST", "admin/sync-jobs/<id:job_id>/run", None, MODERATOR_UP, 409),
    ("POST", "admin/sync-jobs/<id:job_id>/delay", {"minutes": 5}, MODERATOR_UP, 409),
    ("POST", "admin/sync-jobs/<id:job_id>/priority", {"priority": 30}, MODERATOR_UP, 409),
    ("POST", "admin/sync-jobs/<id:job_id>/front", None, MODERATOR_UP, 409),
    ("GET", "admin/queue/status", None, MODERATOR_UP, 200),
    ("POST", "admin/queue/pause", {"reason": "why"}, ADMIN_UP, 200),
    ("POST", "admin/queue/resume", None, ADMIN_UP, 200),
    ("POST", "admin/queue/clear-failed", None, ADMIN_UP, 200),
    ("GET", "admin/sync/errors", None, MODERATOR_UP, 200),
    ("GET", "admin/sync/errors/export", None, MODERATOR_UP, 200),
    ("POST", "admin/sync/errors/<slug:fingerprint>/acknowledge", {"note": "seen"}, MODERATOR_UP, 200),
    ("DELETE", "admin/sync/errors/<slug:fingerprint>/acknowledge", None, MODERATOR_UP, 204),
    ("POST", "admin/sync/errors/<slug:fingerprint>/retry", None, MODERATOR_UP, 202),
    ("GET", "admin/sync/errors/<slug:fingerprint>", None, MODERATOR_UP, 200),
    ("POST", "admin/sync/errors/<slug:fingerprint>/assign", {"assignee": None}, MODERATOR_UP, 200),
    ("POST", "admin/sync/errors/<slug:fingerprint>/notes", {"note": "seen"}, MODERATOR_UP, 201),
    ("POST", "admin/sync/errors/<slug:fingerprint>/ignore", {"until": TOMORROW}, MODERATOR_UP, 200),
    ("POST", "admin/sync/errors/<slug:fingerprint>/resolve", None, MODERATOR_UP, 200),
    ("GET", "admin/jobs/metrics", None, MODERATOR_UP, 200),
    ("GET", "admin/jobs/trends", None, MODERATOR_UP, 200),
    ("GET", "admin/jobs/stuck", None, MODERATOR_UP, 200),
    ("GET", "admin/workers", None, MODERATOR_UP, 200),
    ("DELETE", "admin/workers/<str:name>", None, ADMIN_UP, 404),
    ("GET", "admin/freshness", None, MODERATOR_UP, 200),
    ("POST", "admin/freshness/renew", {}, ADMIN_UP, 409),
    ("POST", "admin/freshness/read-feeds", {}, MODERATOR_UP, 200),
    ("GET", "admin/alerts", None, MODERATOR_UP, 200),
    ("GET", "admin/alerts/<id:alert_id>", None, MODERATOR_UP, 200),
    ("POST", "admin/alerts/<id:alert_id>/acknowledge", {"note": "mine"}, MODERATOR_UP, 200),
    ("DELETE", "admin/alerts/<id:alert_id>/acknowledge", None, MODERATOR_UP, 204),
    ("POST", "admin/alerts/bulk", {"action": "acknowledge", "ids": ["99999"]}, MODERATOR_UP, 404),
    ("POST", "admin/alerts/<id:alert_id>/snooze", {"minutes": 60}, MODERATOR_UP, 200),
    ("DELETE", "admin/alerts/<id:alert_id>/snooze", None, MODERATOR_UP, 204),
    ("GET", "admin/alert-rules", None, MODERATOR_UP, 200),
    ("PATCH", "admin/alert-rules/<slug:rule>", {"enabled": True}, ADMIN_UP, 200),
    ("GET", "admin/alert-channels", None, MODERATOR_UP, 200),
    ("POST", "admin/alert-channels", {}, ADMIN_UP, 400),
    ("GET", "admin/alert-channels/<id:channel_id>", None, MODERATOR_UP, 200),
    ("PATCH", "admin/alert-channels/<id:channel_id>", {"enabled": False}, ADMIN_UP, 200),
    ("POST", "admin/alert-channels/<id:channel_id>/test", None, ADMIN_UP, 202),
    ("DELETE", "admin/alert-channels/<id:channel_id>", None, ADMIN_UP, 204),
    ("GET", "admin/alert-deliveries", None, MODERATOR_UP, 200),
    ("GET", "admin/alert-deliveries/<id:delivery_id>", None, MODERATOR_UP, 404),
    ("POST", "admin/alert-deliveries/<id:delivery_id>/retry", None, ADMIN_UP, 404),
    ("GET", "admin/audit", None, ADMIN_UP, 200),
    ("GET", "admin/audit/export", None, ADMIN_UP, 200),
    ("GET", "admin/schedules", None, MODERATOR_UP, 200),
    ("POST", "admin/schedules", {}, ADMIN_UP, 400),
    ("GET", "admin/schedules/<id:schedule_id>", None, MODERATOR_UP, 404),
    ("PATCH", "admin/schedules/<id:schedule_id>", {"enabled": True}, ADMIN_UP, 404),
    ("DELETE", "admin/schedules/<id:schedule_id>", None, ADMIN_UP, 404),
    ("POST", "admin/schedules/<id:schedule_id>/run", None, ADMIN_UP, 404),
    ("GET", "admin/filter-presets", None, MODERATOR_UP, 200),
    ("POST", "admin/filter-presets", {"name": "mine", "filters": {"status": "FAILED"}}, MODERATOR_UP, 201),
    ("POST", "admin/filter-presets", {"name": "ours", "filters": {}, "shared": True}, ADMIN_UP, 201),
    ("GET", "admin/filter-presets/<id:preset_id>", None, MODERATOR_UP, 200),
    ("PATCH", "admin/filter-presets/<id:preset_id>", {"name": "renamed"}, ADMIN_UP, 200),
    ("DELETE", "admin/filter-presets/<id:preset_id>", None, ADMIN_UP, 204),
    ("GET", "admin/quota/history", None, MODERATOR_UP, 200),
    ("GET", "admin/quota/usage", None, MODERATOR_UP, 200),
    ("POST", "admin/quota/reopen", {"bucket": "main"}, ADMIN_UP, 200),
    ("GET", "admin/quota", None, MODERATOR_UP, 200),
    ("GET", "admin/events", None, MODERATOR_UP, 200),
    ("GET", "bands", None, MODERATOR_UP, 200),
    ("POST", "bands", {"name": "B", "slug": "b"}, ADMIN_UP, 201),
    ("GET", "bands/<id:band_id>", None, MODERATOR_UP, 200),
    ("GET", "bands/<id:band_id>/videos", None, MODERATOR_UP, 200),
    ("POST", "bands/<id:band_id>/pause", {"reason": "why"}, MODERATOR_UP, 200),
    ("POST", "bands/<id:band_id>/resume", None, MODERATOR_UP, 200),
    ("PATCH", "bands/<id:band_id>", {"city": "Ashby"}, ADMIN_UP, 200),
    ("DELETE", "bands/<id:band_id>", None, ADMIN_UP, 204),
    ("GET", "suggestions", None, MODERATOR_UP, 200),
    ("POST", "suggestions", {"bandId": "99999", "youtubeChannel": "@herons"}, MODERATOR_UP, 404),
    ("GET", "suggestions/<id:suggestion_id>", None, MODERATOR_UP, 404),
    ("POST", "suggestions/<id:suggestion_id>/accept", None, ADMIN_UP, 404),
    ("POST", "suggestions/<id:suggestion_id>/decline", {"reason": "why"}, ADMIN_UP, 404),
    ("POST", "suggestions/<id:suggestion_id>/withdraw", None, MODERATOR_UP, 404),
    ("GET", "videos", None, MODERATOR_UP, 200),
    ("GET", "schema", None, ANYBODY, 200),
    ("GET", "docs", None, ANYBODY, 200),
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


@pytest.fixture
def address() -> Callable[[str], str]:
    """Return a function that fills the table's paths with ids that exist or don't."""
    job = failed_job()
    band = Band.objects.create(name="A", slug="a")
    preset = FilterPreset.objects.create(name="shared", created_by="pat")
    ids = {"job": job.pk, "band": band.pk, "preset": preset.pk, "bulk": 1, "schedule": 99999, "alert": make_alert().pk}
    ids |= {"channel": make_channel().pk, "delivery": 99999, "suggestion": 99999}

    def address(path: str) -> str:
        path = re.sub(r"<id:(\w+)_id>", lambda match: str(ids[match[1]]), path)
        return path.replace("<slug:fingerprint>", ErrorGroup.objects.get().pk).replace("<slug:rule>", "clock_skew")

    return address


def _first_field(answer: Any) -> str | None:
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return answer.json()["errors"][0]["field"] if is_json and answer.status_code >= 400 else None


def _filtered() -> dict[str, list[str]]:
    """Return the parameters of each address that takes some and does not stream."""
    taken = {}
    for pattern in urls.router.urls:
        view = pattern.callback.cls(**pattern.callback.initkwargs)
        view.action = pattern.callback.actions.get("get")
        taken[str(pattern.pattern)] = list(view.get_filterset_class().spelled(camel_case))
    return {path: names for path, names in taken.items() if names and path != "admin/events"}


def test_the_table_lists_every_endpoint() -> None:
    assert {str(pattern.pattern) for pattern in urls.urlpatterns} == {path for _, path, *_ in ENDPOINTS}
    top = {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    assert top == {"", "admin/", "api/", "^api(?:/|$)", "websub/<str:token>", "^(?!admin$)"}


@pytest.mark.parametrize("who", WHO)
def test_permissions_of_every_endpoint(who: str, address: Callable[[str], str]) -> None:
    api = Api(who)
    statuses = {}
    for method, path, body, allowed, status in ENDPOINTS:
        answer = api.send(method, address(path), body)
        expected = status if who in allowed or not allowed else (401 if who == NOBODY else 403)
        if answer.status_code != expected:
            statuses[method, path] = (answer.status_code, expected, answer.content[:200])
        if answer.status_code >= 400:
            assert {"code", "field", "message"} == set(answer.json()["errors"][0])
    assert statuses == {}


@pytest.mark.parametrize("who", [NOBODY, Role.SUPER_ADMIN])
def test_other_methods_are_not_allowed(who: str, address: Callable[[str], str]) -> None:
    api = Api(who)
    listed = {(method, path) for method, path, *_ in ENDPOINTS}
    for path in dict.fromkeys(path for _, path, *_ in ENDPOINTS):
        for method in METHODS:
            if (method, path) in listed:
                continue
            answer = api.send(method, address(path))
            assert answer.status_code == 405, (method, path, answer.content)
            assert answer.json()["errors"][0]["code"] == "method_not_allowed"
            assert set(answer["Allow"].split(", ")) >= {other for other, at in listed if at == path}


def test_every_endpoint_refuses_an_unknown_parameter(address: Callable[[str], str]) -> None:
    api, taken = Api(Role.SUPER_ADMIN), {}
    for method, path, body, *_ in ENDPOINTS:
        answer = api.send(method, f"{address(path)}?colour=red", body)
        if (answer.status_code, _first_field(answer)) != (400, "colour"):
            taken[method, path] = (answer.status_code, _first_field(answer))
    assert taken == {}


def test_every_body_refuses_an_unknown_key(address: Callable[[str], str]) -> None:
    api, taken = Api(Role.SUPER_ADMIN), {}
    for method, path, body, *_ in ENDPOINTS:
        if method == "GET":
            continue
        answer = api.send(method, address(path), {**(body or {}), "colour": "red"})
        if (answer.status_code, _first_field(answer)) != (400, "colour"):
            taken[method, path] = (answer.status_code, _first_field(answer))
    assert taken == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("admin/schedules", {"name": "a", "jobType": "PRUNE", "cron": {"hours": "3"}}, "cron.hours"),
        ("admin/schedules", {"name": "a", "jobType": "PRUNE", "interval": {"each": 3}}, "interval.each"),
        ("admin/filter-presets", {"name": "a", "filters": {"colour": "red"}}, "filters.colour"),
        ("admin/sync-jobs/bulk", {"action": "retry", "filter": {"colour": "red"}}, "filter.colour"),
    ],
)
def test_an_unknown_nested_key_is_refused(path: str, body: Any, field: str) -> None:
    answer = Api(Role.SUPER_ADMIN).post(path, body)
    assert (answer.status_code, _first_field(answer)) == (400, field)


@pytest.mark.parametrize(("path", "names"), _filtered().items())
def test_empty_parameters_are_ignored(path: str, names: list[str], address: Callable[[str], str]) -> None:
    """Send all of them together, as a form does."""
    api = Api(Role.SUPER_ADMIN)
    bare, empty = api.get(address(path)), api.get(address(path), **dict.fromkeys(names, ""))
    assert (bare.status_code, empty.status_code) == (200, 200)
    if not bare.streaming and "total" in bare.json():
        assert empty.json() | {"asOf": ""} == bare.json() | {"asOf": ""}


def test_the_docs_serve_their_script() -> None:
    answer = Api(NOBODY).get("docs", script="")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/javascript")


def test_errors_have_one_shape_and_reveal_nothing(moderator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = moderator.get("no/such/thing")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "not_found")
    assert moderator.get("admin/sync-jobs/424242").json()["errors"][0]["message"] == "There is no job #424242."
    assert moderator.post("admin/sync-jobs").status_code == 405

    def explode(*args: Any) -> None:
        raise RuntimeError("SELECT secret FROM /etc/passwd")

    monkeypatch.setattr("syncjobs.stats.queues.queues", explode)
    broken = moderator.get("admin/queue/status")
    assert broken.status_code == 500
    assert broken.json() == json.loads(exception_handler.server_error(HttpRequest()).content)
    assert broken.json()["errors"][0]["message"] == "Something went wrong here. It has been logged."
    assert b"secret" not in broken.content


def test_a_refusal_names_the_key_that_was_sent(moderator: Api) -> None:
    band = Band.objects.create(name="A", slug="a")
    job = SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", status=JobStatus.FAILED, band=band)
    preset = FilterPreset.objects.create(name="shared", created_by="pat")
    sync = {"syncType": "FULL", "bandId": str(band.pk)}

    def refused(method: str, path: str, body: Any = None) -> tuple[int, str, str | None]:
        answer = moderator.send(method, path, body)
        (error,) = answer.json()["errors"]
        return answer.status_code, error["code"], error["field"]

    assert refused("POST", "admin/sync-jobs/trigger", sync) == (409, "no_channel", "bandId")
    assert refused("POST", f"admin/sync-jobs/{job.pk}/retry") == (409, "no_channel", None)
    Band.objects.update(channel_reference="@a", is_active=False)
    assert refused("POST", "admin/sync-jobs/trigger", sync) == (409, "band_inactive", "bandId")
    assert refused("POST", f"admin/sync-jobs/{job.pk}/retry") == (409, "band_inactive", None)
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/cancel")):
        assert refused(method, f"admin/sync-jobs/424242{path}") == (404, "not_found", "id")
    assert refused("GET", "bands/424242") == (404, "not_found", "id")
    assert refused("POST", "admin/sync/errors/abc/retry") == (404, "not_found", "fingerprint")
    assert refused("DELETE", f"admin/filter-presets/{preset.pk}") == (403, "permission_denied", None)
    assert refused("PATCH", f"admin/filter-presets/{preset.pk}", {"shared": False}) == (
        403,
        "permission_denied",
        "shared",
    )
    assert refused("GET", "admin/events?lastEventId=x") == (400, "invalid", "lastEventId")
