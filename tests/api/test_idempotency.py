"""Idempotency-Key: a repeated request does its work once and gets the same answer."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from syncjobs.api.core import idempotency
from syncjobs.choices import Role
from syncjobs.models import AuditEntry, ErrorGroup, IdempotencyKey, SyncJob
from syncjobs.operations import bulk, schedules
from syncjobs.operations import jobs as job_operations
from tests.clients import Api
from tests.factories import PERSON, failed_jobs, make_band, queue_job

pytestmark = pytest.mark.django_db
TRIGGER = "admin/sync-jobs/trigger"


@pytest.fixture(autouse=True)
def unthrottled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"login": None, "trigger": None})


def _post(api: Api, path: str, body: Any = None, key: str = "a-key") -> Any:
    headers = api.headers | {"Idempotency-Key": key}
    return Client(raise_request_exception=False).post(
        f"/api/{path}", {} if body is None else body, "application/json", headers=headers
    )


def _ends() -> None:
    """Cancel the only active job, so that an equal trigger would make a new one."""
    job_operations.cancel_job(PERSON, SyncJob.objects.active().get().pk)


def test_a_repeated_trigger_gets_the_first_answer() -> None:
    api = Api(Role.MODERATOR)
    first = _post(api, TRIGGER, {"syncType": "FULL", "forceSync": True})
    _ends()
    again = _post(api, TRIGGER, {"forceSync": True, "syncType": "FULL"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again["Location"] == first["Location"]
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert SyncJob.objects.count() == 1
    assert AuditEntry.objects.filter(action="trigger_sync").count() == 1
    other = _post(api, TRIGGER, {"syncType": "FULL", "forceSync": True}, "another-key")
    assert other.json()["jobId"] != first.json()["jobId"]


@pytest.mark.parametrize("what", ["retry", "schedule"])
def test_a_repeated_retry_or_run_gets_the_first_answer(what: str) -> None:
    api = Api(Role.ADMIN)
    if what == "retry":
        path = f"admin/sync-jobs/{failed_jobs(1)[0].pk}/retry"
    else:
        values: dict[str, Any] = {"name": "Often", "job_type": "ENRICH", "interval": {"every": 6, "period": "hours"}}
        path = f"admin/schedules/{schedules.save(PERSON, None, values).pk}/run"
    first = _post(api, path)
    _ends()
    assert _post(api, path).json() == first.json()
    assert _post(api, path, key="other").json()["jobId"] != first.json()["jobId"]


def test_a_repeated_bulk_retry_gets_the_first_answer() -> None:
    api = Api(Role.MODERATOR)
    failed_jobs(1)
    body = {"action": "retry", "filter": {"status": "FAILED"}}
    first = _post(api, "admin/sync-jobs/bulk", body)
    assert first.json()["queued"] == 1
    _ends()
    again = _post(api, "admin/sync-jobs/bulk", body)
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    assert SyncJob.objects.count() == 2
    assert _post(api, "admin/sync-jobs/bulk", body, "other").json() != first.json()


def test_a_repeated_retry_of_a_group_gets_the_first_answer() -> None:
    api = Api(Role.MODERATOR)
    failed_jobs(1)
    path = f"admin/sync/errors/{ErrorGroup.objects.get().pk}/retry"
    first = _post(api, path)
    assert first.json()["queued"] == 1
    again = _post(api, path)
    assert (again.status_code, again.json()) == (202, first.json())
    assert _post(api, path, key="other").json() != first.json()


def test_a_repeated_clearing_gets_the_first_answer() -> None:
    api = Api(Role.ADMIN)
    failed_jobs(2)
    first = _post(api, "admin/queue/clear-failed", {"queue": "all"})
    failed_jobs(1)
    assert _post(api, "admin/queue/clear-failed", {"queue": "all"}).json() == first.json()
    assert SyncJob.objects.failed().count() == 1


def test_a_repeated_cancel_or_run_gets_the_first_answer() -> None:
    api, job = Api(Role.MODERATOR), queue_job()
    SyncJob.objects.update(run_at="2100-01-01T00:00:00Z")
    for what in ("run", "cancel"):
        first = _post(api, f"admin/sync-jobs/{job.pk}/{what}", key=what)
        assert first.status_code == 202
        again = _post(api, f"admin/sync-jobs/{job.pk}/{what}", key=what)
        assert (again.status_code, again.json(), again["Location"]) == (202, first.json(), first["Location"])
        assert _post(api, f"admin/sync-jobs/{job.pk}/{what}", key=f"{what} again").status_code == 409


def test_a_repetition_during_a_bulk_action_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    api, retry = Api(Role.MODERATOR), job_operations.retry_jobs
    failed_jobs(1)
    body, meanwhile = {"action": "retry", "filter": {"status": "FAILED"}}, []

    def overtaken(*arguments: Any, **options: Any) -> Any:
        meanwhile.append(_post(api, "admin/sync-jobs/bulk", body))
        return retry(*arguments, **options)

    monkeypatch.setattr(job_operations, "retry_jobs", overtaken)
    first = _post(api, "admin/sync-jobs/bulk", body)
    (refused,) = meanwhile
    assert (refused.status_code, refused.json()["errors"][0]["code"], refused["Retry-After"]) == (
        409,
        "in_progress",
        "5",
    )
    assert _post(api, "admin/sync-jobs/bulk", body).json() == first.json()
    assert len(meanwhile) == 1


def test_a_repetition_that_meets_the_end_of_a_failed_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key was taken when the repetition claimed it, and is free when it looks for the answer."""
    monkeypatch.setattr(idempotency, "_claim", lambda request, key: None)
    refused = _post(Api(Role.MODERATOR), "admin/sync-jobs/bulk", {"action": "retry", "ids": ["1"]})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "in_progress")


@pytest.mark.parametrize("error", [RuntimeError("It broke."), OperationalError("away"), KeyboardInterrupt()])
def test_a_bulk_action_that_breaks_frees_its_key(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(Role.MODERATOR)
    failed_jobs(1)
    body = {"action": "retry", "filter": {"status": "FAILED"}}
    with monkeypatch.context() as patch:

        def breaks(*_arguments: Any) -> None:
            raise error

        patch.setattr(bulk, "start", breaks)
        if isinstance(error, Exception):
            assert _post(api, "admin/sync-jobs/bulk", body).status_code == (
                500 if isinstance(error, RuntimeError) else 503
            )
        else:
            with pytest.raises(KeyboardInterrupt):
                _post(api, "admin/sync-jobs/bulk", body)
    assert _post(api, "admin/sync-jobs/bulk", {**body, "action": "cancel"}).status_code == 200


def test_the_key_of_a_process_that_died_is_free_again() -> None:
    api = Api(Role.MODERATOR)
    failed_jobs(1)
    body = {"action": "retry", "filter": {"status": "FAILED"}}
    first = _post(api, "admin/sync-jobs/bulk", body)
    IdempotencyKey.objects.update(status=None, answer="")
    assert _post(api, "admin/sync-jobs/bulk", body).status_code == 409
    IdempotencyKey.objects.update(created_at=timezone.now() - dt.timedelta(minutes=idempotency.CLAIM_MINUTES + 1))
    again = _post(api, "admin/sync-jobs/bulk", body)
    # A retry that is still active covers a second one of the same job.
    assert (again.status_code, again.json()["retried"]) == (200, first.json()["retried"])


@pytest.mark.parametrize(
    ("path", "body"), [(TRIGGER, {"syncType": "INCREMENTAL"}), (TRIGGER, {}), ("admin/sync-jobs/1/retry", None)]
)
def test_a_key_belongs_to_one_request(path: str, body: Any) -> None:
    api = Api(Role.MODERATOR)
    _post(api, TRIGGER, {"syncType": "FULL"})
    refused = _post(api, path, body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"], error["field"], error["message"]) == (
        "idempotency_key_reused",
        "Idempotency-Key",
        idempotency.KEY_REUSED,
    )
    assert SyncJob.objects.count() == 1


def test_keys_are_each_persons_own() -> None:
    first = _post(Api(Role.MODERATOR), TRIGGER, {"syncType": "FULL"}).json()
    _ends()
    assert _post(Api(Role.ADMIN), TRIGGER, {"syncType": "FULL"}).json()["jobId"] != first["jobId"]


def test_a_refused_request_may_succeed_later() -> None:
    api, band = Api(Role.MODERATOR), make_band()
    body = {"bandId": str(band.pk)}
    refused = _post(api, TRIGGER, body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "no_channel")
    assert AuditEntry.objects.filter(action="trigger_sync", result="no_channel").count() == 1
    assert _post(api, TRIGGER, {"syncType": "HALF"}).status_code == 400
    band.channel_reference = "@herons"
    band.save()
    assert _post(api, TRIGGER, body).status_code == 202


def test_a_key_is_free_again_after_a_day() -> None:
    api = Api(Role.MODERATOR)
    first = _post(api, TRIGGER).json()
    _ends()
    IdempotencyKey.objects.update(created_at=timezone.now() - dt.timedelta(hours=23))
    assert _post(api, TRIGGER).json() == first
    IdempotencyKey.objects.update(created_at=timezone.now() - dt.timedelta(hours=25))
    second = _post(api, TRIGGER, {"syncType": "FULL"}).json()
    assert second["jobId"] != first["jobId"]
    assert _post(api, TRIGGER, {"syncType": "FULL"}).json() == second


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\tb"])
def test_a_malformed_key_is_refused(key: str) -> None:
    refused = _post(Api(Role.MODERATOR), TRIGGER, key=key)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert SyncJob.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_repetitions_one_does_the_work() -> None:
    api = Api(Role.MODERATOR)
    (failed,) = failed_jobs(1)
    answers: list[Any] = []
    together = threading.Barrier(4)

    def send() -> None:
        try:
            together.wait(timeout=30)
            answers.append(_post(api, f"admin/sync-jobs/{failed.pk}/retry"))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 3
    assert SyncJob.objects.filter(retry_of=failed).count() == 1
