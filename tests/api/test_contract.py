"""The API as its clients use it: who gets in, what comes back, what is refused and how."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest
from django.urls import get_resolver
from django.utils import timezone

from bands.models import Band
from syncjobs.api import urls
from syncjobs.api.core import exception_handler
from syncjobs.choices import EventKind, JobStatus, Role
from syncjobs.engine import outcomes
from syncjobs.engine import timeline as engine_timeline
from syncjobs.models import ErrorGroup, FilterPreset, Queue, SyncJob
from syncjobs.operations import errors as error_operations
from syncjobs.operations import queues
from syncjobs.youtube.simulator import Simulator
from tests.clients import NOBODY, WHO, Api
from tests.factories import band_with_videos, claim, failed_job, queue_job, run_all

pytestmark = pytest.mark.django_db
MODERATOR_UP, ADMIN_UP, ANYBODY, LOGGED_IN = WHO[2:], WHO[3:], WHO, WHO[1:]


@pytest.fixture
def moderator() -> Api:
    return Api(Role.MODERATOR)


# (method, path, body, who may, status when they may)
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
    ("GET", "admin/queue/status", None, MODERATOR_UP, 200),
    ("POST", "admin/queue/pause", {"reason": "why"}, ADMIN_UP, 200),
    ("POST", "admin/queue/resume", None, ADMIN_UP, 200),
    ("POST", "admin/queue/clear-failed", None, ADMIN_UP, 200),
    ("GET", "admin/sync/errors", None, MODERATOR_UP, 200),
    ("GET", "admin/sync/errors/export", None, MODERATOR_UP, 200),
    ("POST", "admin/sync/errors/<slug:fingerprint>/acknowledge", {"note": "seen"}, MODERATOR_UP, 200),
    ("DELETE", "admin/sync/errors/<slug:fingerprint>/acknowledge", None, MODERATOR_UP, 204),
    ("POST", "admin/sync/errors/<slug:fingerprint>/retry", None, MODERATOR_UP, 202),
    ("GET", "admin/jobs/metrics", None, MODERATOR_UP, 200),
    ("GET", "admin/jobs/trends", None, MODERATOR_UP, 200),
    ("GET", "admin/jobs/stuck", None, MODERATOR_UP, 200),
    ("GET", "admin/workers", None, MODERATOR_UP, 200),
    ("GET", "admin/audit", None, ADMIN_UP, 200),
    ("GET", "admin/audit/export", None, ADMIN_UP, 200),
    ("GET", "admin/schedules", None, MODERATOR_UP, 200),
    ("POST", "admin/schedules", {}, ADMIN_UP, 400),
    ("PATCH", "admin/schedules/<id:schedule_id>", {"enabled": True}, ADMIN_UP, 404),
    ("DELETE", "admin/schedules/<id:schedule_id>", None, ADMIN_UP, 404),
    ("POST", "admin/schedules/<id:schedule_id>/run", None, ADMIN_UP, 404),
    ("GET", "admin/filter-presets", None, MODERATOR_UP, 200),
    ("POST", "admin/filter-presets", {"name": "mine", "filters": {"status": "FAILED"}}, MODERATOR_UP, 201),
    ("POST", "admin/filter-presets", {"name": "ours", "filters": {}, "shared": True}, ADMIN_UP, 201),
    ("PATCH", "admin/filter-presets/<id:preset_id>", {"name": "renamed"}, ADMIN_UP, 200),
    ("DELETE", "admin/filter-presets/<id:preset_id>", None, ADMIN_UP, 204),
    ("GET", "admin/quota/history", None, MODERATOR_UP, 200),
    ("GET", "admin/quota", None, MODERATOR_UP, 200),
    ("GET", "admin/events", None, MODERATOR_UP, 200),
    ("GET", "bands", None, MODERATOR_UP, 200),
    ("POST", "bands", {"name": "B", "slug": "b"}, ADMIN_UP, 201),
    ("GET", "bands/<id:band_id>", None, MODERATOR_UP, 200),
    ("GET", "bands/<id:band_id>/videos", None, MODERATOR_UP, 200),
    ("PATCH", "bands/<id:band_id>", {"city": "Ashby"}, ADMIN_UP, 200),
    ("DELETE", "bands/<id:band_id>", None, ADMIN_UP, 204),
    ("GET", "videos", None, MODERATOR_UP, 200),
    ("GET", "schema", None, ANYBODY, 200),
    ("GET", "docs", None, ANYBODY, 200),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")


def test_the_table_lists_every_endpoint() -> None:
    assert {str(pattern.pattern) for pattern in urls.urlpatterns} == {path for _, path, *_ in ENDPOINTS}
    top = {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    assert top == {"", "admin/", "api/", "^api(?:/|$)", "^(?!admin$)"}


@pytest.fixture
def address() -> Callable[[str], str]:
    """Turns the table's paths into addresses of things that are there, or aren't."""
    job = failed_job()
    band = Band.objects.create(name="A", slug="a")
    preset = FilterPreset.objects.create(name="shared", created_by="pat")
    ids = {"job": job.pk, "band": band.pk, "preset": preset.pk, "bulk": 1, "schedule": 99999}

    def address(path: str) -> str:
        path = re.sub(r"<id:(\w+)_id>", lambda match: str(ids[match[1]]), path)
        return path.replace("<slug:fingerprint>", ErrorGroup.objects.get().pk)

    return address


@pytest.mark.parametrize("who", WHO)
def test_who_may_do_what(who: str, address: Callable[[str], str]) -> None:
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
def test_no_method_but_those_of_the_table_is_there(who: str, address: Callable[[str], str]) -> None:
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


def test_an_unknown_query_parameter_is_refused_everywhere(address: Callable[[str], str]) -> None:
    api, taken = Api(Role.SUPER_ADMIN), {}
    for method, path, body, *_ in ENDPOINTS:
        answer = api.send(method, f"{address(path)}?colour=red", body)
        if (answer.status_code, _first_field(answer)) != (400, "colour"):
            taken[method, path] = (answer.status_code, _first_field(answer))
    assert taken == {}


def test_an_unknown_key_is_refused_in_every_body(address: Callable[[str], str]) -> None:
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
def test_an_unknown_key_further_down_is_refused_too(path: str, body: Any, field: str) -> None:
    answer = Api(Role.SUPER_ADMIN).post(path, body)
    assert (answer.status_code, _first_field(answer)) == (400, field)


def _first_field(answer: Any) -> str | None:
    is_json = answer.headers.get("Content-Type", "").startswith("application/json")
    return answer.json()["errors"][0]["field"] if is_json and answer.status_code >= 400 else None


def test_a_token_is_rotated_and_a_logged_out_one_worthless(moderator: Api) -> None:
    rotated = moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).json()
    assert moderator.post("auth/token/refresh", {"refresh": moderator.refresh}).status_code == 401
    assert moderator.post("auth/logout", {"refresh": rotated["refresh"]}).status_code == 200
    assert moderator.post("auth/token/refresh", {"refresh": rotated["refresh"]}).status_code == 401
    me = moderator.get("auth/me").json()
    assert (me["name"], me["role"]) == ("MODERATOR", "MODERATOR")
    assert "syncjobs.retry_job" in me["permissions"]


def test_guessing_passwords_is_slowed_down() -> None:
    answers = [Api(NOBODY).post("auth/token", {"username": "x", "password": "y"}) for _ in range(21)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_trigger_watch_and_retry(moderator: Api, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    body = {"bandId": str(band.pk), "syncType": "FULL"}
    first = moderator.post("admin/sync-jobs/trigger", body)
    assert first.status_code == 202
    job_id = first.json()["jobId"]
    assert moderator.post("admin/sync-jobs/trigger", body).json() == {
        "message": f"Job #{job_id} was queued already.",
        "jobId": job_id,
        "isNew": False,
    }
    waiting = moderator.get("admin/sync-jobs").json()["data"][0]
    assert (waiting["id"], waiting["status"], waiting["queuePosition"], waiting["errors"]) == (job_id, "QUEUED", 1, [])
    run_all()
    job = moderator.get(f"admin/sync-jobs/{job_id}").json()
    assert (job["status"], job["videosFound"], job["bandId"], job["queuePosition"]) == (
        "COMPLETED",
        60,
        str(band.pk),
        None,
    )
    assert job["duration"] >= 0
    assert [event["kind"] for event in job["timeline"]] == ["QUEUED", "STARTED", "COMPLETED"]
    assert job["attemptHistory"][0]["outcome"] == "SUCCEEDED"
    again = moderator.post("admin/sync-jobs/trigger", body)
    assert again.status_code == 409
    assert again.json()["errors"][0]["code"] == "recently_synced"
    assert set(again.json()["details"]) == {"syncedAt", "allowedAt"}
    assert moderator.post("admin/sync-jobs/trigger", body | {"forceSync": True}).status_code == 202
    refused = moderator.post(f"admin/sync-jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "wrong_state")
    assert len(moderator.get(f"bands/{band.pk}/videos").json()["data"]) == 20
    assert moderator.get("videos", search="new 7").json()["total"] == 1


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"page": "0"}, "page"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"status": "DONE"}, "status"),
        ({"jobType": "FULL_SYNC,HALF_SYNC"}, "jobType"),
        ({"bandId": "x"}, "bandId"),
        ({"queue": "nonsense"}, "queue"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"startDate": "2026-11-24T10:00:00"}, "startDate"),
        ({"startDate": "2026-02-30"}, "startDate"),
        ({"startDate": "2026-11-24", "endDate": "2026-11-23"}, "endDate"),
        ({"sortBy": "size"}, "sortBy"),
        ({"sortOrder": "up"}, "sortOrder"),
        ({"search": "x" * 201}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"colour": "red"}, "colour"),
        ({"colour": ""}, "colour"),
        ({"\x00": "1"}, "%00"),
    ],
)
def test_a_parameter_that_can_not_be_right_is_named(moderator: Api, parameters: dict[str, str], field: str) -> None:
    answer = moderator.get("admin/sync-jobs", **parameters)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "parameter", "message"),
    [
        ("admin/sync-jobs", "bandId=abc", "Must be a whole number of at most 18 digits, such as 48213."),
        ("admin/sync-jobs", f"parentId={10**18}", "Must be a whole number of at most 18 digits, such as 48213."),
        ("admin/sync-jobs", "error=xyz", "Must be the fingerprint of an error group, such as a3f09c1e5b7d2468."),
        (
            "admin/sync/errors",
            "window=15m",
            "Must be hours such as 24h or days such as 7d, from 1 to 9999 of them, or all.",
        ),
    ],
)
def test_a_message_says_what_would_be_right(moderator: Api, path: str, parameter: str, message: str) -> None:
    answer = moderator.get(f"{path}?{parameter}")
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, message)


def _filtered() -> dict[str, list[str]]:
    """The parameters of each address that takes some and answers at once."""
    taken = {}
    for pattern in urls.router.urls:
        view = pattern.callback.cls(**pattern.callback.initkwargs)
        view.action = pattern.callback.actions.get("get")
        taken[str(pattern.pattern)] = list(view.get_filterset_class().base_filters)
    return {path: names for path, names in taken.items() if names and path != "admin/events"}


@pytest.mark.parametrize(("path", "names"), _filtered().items())
def test_an_empty_parameter_counts_as_not_given(path: str, names: list[str], address: Callable[[str], str]) -> None:
    """All at once, as a form sends them."""
    api = Api(Role.SUPER_ADMIN)
    bare, empty = api.get(address(path)), api.get(address(path), **dict.fromkeys(names, ""))
    assert (bare.status_code, empty.status_code) == (200, 200)
    if not bare.streaming and "total" in bare.json():
        assert empty.json() == bare.json()


def test_the_script_of_the_docs_is_asked_for_by_a_parameter_without_value() -> None:
    answer = Api(NOBODY).get("docs", script="")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/javascript")


def test_dates_and_lists_are_read_as_people_write_them(moderator: Api) -> None:
    _create_jobs()
    for written, as_meant in (
        ("status=FAILED, COMPLETED", {"status": ["FAILED", "COMPLETED"]}),
        ("status=&status=FAILED,", {"status": "FAILED"}),
        ("startDate=2026-11-01T20:00:00+02:00", {"startDate": "2026-11-01T18:00:00Z"}),
        ("endDate=2026-11-02T00:00:00+0000", {"endDate": "2026-11-02T00:00:00Z"}),
    ):
        found = moderator.get(f"admin/sync-jobs?{written}&limit=100").json()
        assert found["data"] == moderator.get("admin/sync-jobs", limit=100, **as_meant).json()["data"]
        assert 0 < found["total"] < 60
    assert moderator.get("admin/sync-jobs?startDate=2026-11-01 20:00").status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "syncType"),
        ({"syncType": "HALF"}, "syncType"),
        ({"syncType": "FULL", "bandId": "x"}, "bandId"),
        ({"syncType": "FULL", "priority": 7}, "priority"),
        ({"syncType": "FULL", "hurry": True}, "hurry"),
        ([1], None),
    ],
)
def test_a_body_that_can_not_be_right_is_named(moderator: Api, body: Any, field: str | None) -> None:
    answer = moderator.post("admin/sync-jobs/trigger", body)
    assert answer.status_code == 400
    if field:
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SyncJob.objects.count() == 0


def test_a_band_that_there_is_not_is_named(moderator: Api) -> None:
    answer = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "bandId": "999"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "bandId")
    assert SyncJob.objects.count() == 0


def test_a_refusal_names_what_was_sent(moderator: Api) -> None:
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


def test_errors_have_one_shape_and_tell_nothing(moderator: Api, monkeypatch: pytest.MonkeyPatch) -> None:
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


def _create_jobs() -> list[SyncJob]:
    """Jobs of every status, with ties in their times and without some of them."""
    day = timezone.datetime(2026, 11, 1, tzinfo=timezone.get_current_timezone())  # type: ignore[attr-defined]
    bands = [Band.objects.create(name=f"Band {n}", slug=f"b{n}") for n in range(2)]
    rows = []
    for number in range(60):
        status = JobStatus.values[number % 5]
        started = None if number % 4 == 0 else day + timezone.timedelta(hours=number % 7)  # type: ignore[attr-defined]
        rows.append(
            SyncJob(
                job_type=("FULL_SYNC", "INCREMENTAL_SYNC", "ENRICH")[number % 3],
                queue_id="video-processing" if number % 3 == 2 else "video-sync",
                status=status,
                band=(None, *bands)[number % 3],
                created_at=day + timezone.timedelta(hours=6 * (number % 9)),  # type: ignore[attr-defined]
                started_at=started,
                completed_at=started if status in ("COMPLETED", "FAILED") else None,
            )
        )
    SyncJob.objects.bulk_create(rows)
    return list(SyncJob.objects.all())


def test_past_the_last_page_there_is_nothing_but_the_totals(moderator: Api) -> None:
    _create_jobs()
    first = moderator.get("admin/sync-jobs", limit=7, sortBy="startedAt", sortOrder="asc").json()
    assert [row["startedAt"] for row in first["data"]] == sorted(row["startedAt"] for row in first["data"])
    past = moderator.get("admin/sync-jobs", page=999, limit=7).json()
    assert (past["data"], past["total"], past["totalPages"]) == ([], 60, 9)


def test_queries_do_not_grow_with_the_page(moderator: Api, django_assert_max_num_queries: Any) -> None:
    """Authentication included; found by what the counts tell apart, or by anything else."""
    _create_jobs()
    parent = queue_job(fans_out=True)
    SyncJob.objects.filter(pk__in=SyncJob.objects.values("pk")[:30]).update(parent=parent)
    for parameters, expected in (({}, 61), ({"parentId": parent.pk}, 30), ({"page": "9"}, 0)):
        with django_assert_max_num_queries(3):
            listed = moderator.get("admin/sync-jobs", limit=100, **parameters).json()  # type: ignore[arg-type]
        assert len(listed["data"]) == expected
    with django_assert_max_num_queries(6):
        assert sum(moderator.get(f"admin/sync-jobs/{parent.pk}").json()["children"].values()) == 30


def test_queue_states_sum_to_the_jobs_there_are() -> None:
    _create_jobs()
    api = Api(Role.ADMIN)
    rows = api.get("admin/queue/status").json()
    counted = sum(
        row[name] for row in rows for name in ("waiting", "active", "delayed", "completed", "failed", "cancelled")
    )
    assert counted == SyncJob.objects.count() == 60
    assert api.post("admin/queue/pause", {"reason": "tidying"}).json() == {"message": "Paused: video-sync."}
    paused = {row["name"]: (row["paused"], row["pauseReason"]) for row in api.get("admin/queue/status").json()}
    assert paused["video-sync"] == (True, "tidying")
    assert api.post("admin/queue/pause", {"queue": "nonsense"}).json()["errors"][0]["field"] == "queue"
    assert api.post("admin/queue/resume", {"queue": "all"}).status_code == 200
    assert Queue.objects.filter(paused_at=None).count() == 3
    assert api.post("admin/queue/clear-failed").json()["count"] == 12


def test_errors_are_grouped_acknowledged_and_retried(moderator: Api) -> None:
    for number in range(3):
        queue_job("PRUNE")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), f"No answer within {number} seconds.", reason="timeout")
    listed = moderator.get("admin/sync/errors", window="7d").json()
    (group,) = listed["errors"]
    assert (listed["totalErrors"], group["count"], group["errorMessage"]) == (3, 3, "No answer within <n> seconds.")
    assert moderator.post(f"admin/sync/errors/{group['fingerprint']}/acknowledge", {"note": "seen"}).status_code == 200
    assert moderator.get("admin/sync/errors", acknowledged="false").json()["errors"] == []
    assert moderator.get("admin/sync/errors", acknowledged="true").json()["totalErrors"] == 3
    assert moderator.get("admin/sync-jobs", error=group["fingerprint"]).json()["total"] == 3
    assert moderator.get("admin/sync-jobs", search="within 1 sec").json()["total"] == 1
    retried = moderator.post(f"admin/sync/errors/{group['fingerprint']}/retry").json()
    assert len(retried["retried"]) == 3
    assert moderator.post("admin/sync/errors/0000/retry").status_code == 404
    assert moderator.get("admin/sync/errors", window="soon").json()["errors"][0]["field"] == "window"
    assert error_operations.unretried_jobs().count() == 0


def test_an_error_that_comes_back_counts_as_not_seen_to(moderator: Api) -> None:
    def fails() -> None:
        queue_job("PRUNE")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), "It broke.", reason="broken")

    def is_listed(acknowledged: str) -> bool:
        return bool(moderator.get("admin/sync/errors", window="all", acknowledged=acknowledged).json()["errors"])

    fails()
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    address = f"admin/sync/errors/{group['fingerprint']}/acknowledge"
    moderator.post(address, {"note": "a bug"})
    assert (is_listed("true"), is_listed("false")) == (True, False)
    fails()
    assert (is_listed("true"), is_listed("false")) == (False, True)
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["hasComeBack"], group["note"], group["acknowledgedBy"]) == (True, "a bug", "MODERATOR")
    moderator.post(address)
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["hasComeBack"], group["note"], is_listed("true")) == (False, "a bug", True)
    assert moderator.send("DELETE", address).status_code == 204
    (group,) = moderator.get("admin/sync/errors").json()["errors"]
    assert (group["acknowledgedAt"], group["note"], is_listed("false")) == (None, "a bug", True)


def test_a_trigger_raises_the_equal_job_that_waits(moderator: Api) -> None:
    moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 10})
    told = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 40, "forceSync": True}).json()
    job = SyncJob.objects.get()
    assert (told["isNew"], told["jobId"], job.priority, job.params) == (False, str(job.pk), 40, {"force": True})
    assert "taken on" in told["message"]
    assert job.events.get(kind="NOTE").message == "MODERATOR: priority Urgent, force"
    told = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 20}).json()
    assert "was queued already." in told["message"]
    claim()
    told = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 40}).json()
    assert "running already" in told["message"]
    assert SyncJob.objects.get().priority == 40


def test_an_all_bands_job_tells_what_its_children_have_done(moderator: Api) -> None:
    parent = queue_job(fans_out=True)
    for status in ("COMPLETED", "COMPLETED", "FAILED"):
        child = queue_job(parent=parent)
        SyncJob.objects.filter(pk=child.pk).update(status=status, videos_found=5, quota_used=2, error_count=1)
    told = moderator.get(f"admin/sync-jobs/{parent.pk}").json()
    assert told["children"] == {"COMPLETED": 2, "FAILED": 1}
    assert told["childrenTotals"] == {
        "videosFound": 15,
        "videosAdded": 0,
        "videosUpdated": 0,
        "quotaUsed": 6,
        "errors": 3,
    }


def test_a_long_timeline_tells_its_end(moderator: Api) -> None:
    job = queue_job()
    for number in range(505):
        engine_timeline.note(job.pk, EventKind.NOTE, str(number))
    timeline = moderator.get(f"admin/sync-jobs/{job.pk}").json()["timeline"]
    assert [line["message"] for line in timeline] == [str(number) for number in range(5, 505)]


def test_who_pauses_again_puts_a_reason_beside_it() -> None:
    api = Api(Role.ADMIN)
    api.post("admin/queue/pause")
    since = Queue.objects.get(pk="video-sync").paused_at
    assert "paused already" in api.post("admin/queue/pause", {"reason": " clean-up "}).json()["message"]
    queue = Queue.objects.get(pk="video-sync")
    assert (queue.pause_reason, queue.paused_at) == ("clean-up", since)
    queues.pause_for_configuration("bad key")
    assert Queue.objects.get(pk="video-sync").pause_reason == "clean-up"
