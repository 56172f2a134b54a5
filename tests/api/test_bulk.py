"""Bulk actions, at once and in the background."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from django.db import connection, transaction

from syncjobs.choices import JobStatus, Role
from syncjobs.models import AuditEntry, BulkAction, ErrorGroup, JobError, SyncJob
from syncjobs.operations import bulk
from syncjobs.operations import jobs as job_operations
from tests.clients import Api, exported
from tests.factories import PERSON, failed_jobs, queue_job

pytestmark = pytest.mark.django_db


def _three_work_off() -> None:
    """Let three workers process the same bulk actions."""

    def work() -> None:
        try:
            bulk.run_pending()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _queued_retry(jobs: list[SyncJob]) -> BulkAction:
    ids = [job.pk for job in jobs]
    return BulkAction.objects.create(action="retry", job_ids=ids, total=len(ids), actor_label="pat", origin="API")


def test_a_bulk_action_reports_the_outcome_for_each_job(moderator: Api) -> None:
    failed, queued = failed_jobs(1)[0], queue_job("PRUNE")  # type: ignore[arg-type]
    ids = [str(failed.pk), str(queued.pk), "999999"]
    result = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "ids": ids}).json()
    assert list(result["retried"]) == [str(failed.pk)]
    assert set(result["refused"]) == {str(queued.pk), "999999"}
    assert "queued" in result["refused"][str(queued.pk)]
    result = moderator.post("admin/sync-jobs/bulk", {"action": "cancel", "filter": {"status": ["QUEUED"]}}).json()
    assert len(result["cancelled"]) == 2
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "retry"}, "ids"),
        ({"action": "retry", "ids": ["1"], "filter": {}}, "ids"),
        ({"action": "explode", "ids": ["1"]}, "action"),
        ({"action": "retry", "ids": ["x"]}, "ids.0"),
        ({"action": "retry", "filter": {"colour": "red"}}, "filter.colour"),
        ({"action": "retry", "filter": {"status": "DONE"}}, "filter.status"),
        ({"action": "retry", "filter": {"page": "2"}}, "filter.page"),
        ({"action": "retry", "filter": {"search": ""}}, "filter.search"),
        ({"action": "retry", "filter": {"requestedBy": " "}}, "filter.requestedBy"),
        ({"action": "retry", "filter": {"status": ""}}, "filter.status"),
        ({"action": "retry", "filter": {"status": "FAILED,"}}, "filter.status"),
        ({"action": "retry", "filter": {"jobType": []}}, "filter.jobType"),
        ({"action": "retry", "filter": {"jobType": [""]}}, "filter.jobType"),
        ({"action": "retry", "filter": {"startDate": ""}}, "filter.startDate"),
    ],
)
def test_an_invalid_bulk_action_changes_nothing(moderator: Api, body: dict[str, Any], field: str) -> None:
    failed_jobs(1)
    answer = moderator.post("admin/sync-jobs/bulk", body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SyncJob.objects.count() == 1


@pytest.mark.django_db(transaction=True)  # An export reads through a connection of its own.
def test_a_filter_selects_the_same_jobs_in_list_export_and_bulk(moderator: Api) -> None:
    broken, other = failed_jobs(3), failed_jobs(2, "Another thing.")
    parent = queue_job(fans_out=True)
    children = [queue_job(parent=parent) for _ in range(2)]
    SyncJob.objects.filter(pk=broken[0].pk).update(status=JobStatus.CANCELLED, requested_by_label="ann")
    fingerprint = JobError.objects.filter(job=broken[0]).values_list("group_id", flat=True).get()
    for filters, expected in (
        ({"error": fingerprint}, broken),
        ({"error": fingerprint, "status": "FAILED"}, broken[1:]),
        ({"search": "another"}, other),
        ({"search": "it broke", "status": "CANCELLED"}, broken[:1]),
        ({"requestedBy": "ann"}, broken[:1]),
        ({"parentId": str(parent.pk)}, children),
        ({"due": "now"}, [parent, *children]),
        ({"status": ["FAILED", "CANCELLED"], "jobType": "PRUNE"}, broken + other),
    ):
        ids = [str(job.pk) for job in expected]
        query = {name: ",".join(value) if isinstance(value, list) else value for name, value in filters.items()}
        pages = [
            moderator.get("admin/sync-jobs", **query, limit=2, page=page, sortOrder="asc").json() for page in (1, 2, 3)
        ]
        assert ([job["id"] for page in pages for job in page["data"]], pages[0]["total"]) == (ids, len(ids)), filters
        lines = exported(moderator.get("admin/sync-jobs/export", format="json", **query)).splitlines()
        assert sorted((json.loads(line)["id"] for line in lines), key=int) == ids, filters
        with transaction.atomic():
            result = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": filters}).json()
            assert sorted({*result["retried"], *result["refused"]}) == sorted(ids), filters
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({}, "Must have at least one filter"),
        ({"sortBy": "id", "sortOrder": "asc"}, "Must have at least one filter"),
        ({"search": ""}, "Must not be empty. Leave the key out to not filter by it."),
        ({"limit": 1}, "Unknown filter. Valid filters: status, jobType,"),
        ({"foo": 1}, "Unknown filter. Valid filters: status, jobType,"),
    ],
)
def test_an_invalid_filter_in_a_body_is_explained(moderator: Api, filters: dict[str, Any], message: str) -> None:
    answer = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": filters})
    assert answer.json()["errors"][0]["message"].startswith(message)


@pytest.mark.django_db(transaction=True)  # Threads process the bulk action.
def test_a_large_bulk_action_runs_in_the_background_once_per_job(
    moderator: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 10)
    monkeypatch.setattr(bulk, "_CHUNK", 7)
    jobs = failed_jobs(60)
    answer = moderator.post("admin/sync-jobs/bulk", {"action": "retry", "filter": {"status": "FAILED"}})
    assert (answer.status_code, answer.json()["total"], answer.json()["done"]) == (202, 60, 0)
    failed_jobs(1)  # This job is created after the count, so it is not in the set.
    _three_work_off()
    bulk.run_pending()
    result = moderator.get(f"admin/sync-jobs/bulk/{answer.json()['id']}").json()
    assert (result["done"], result["succeeded"], result["refused"]) == (60, 60, {})
    assert result["endedAt"] is not None
    retried = SyncJob.objects.filter(retry_of__in=jobs)
    assert retried.count() == retried.values("retry_of").distinct().count() == 60
    assert {entry.actor_label for entry in AuditEntry.objects.filter(action="retry_job")} == {"MODERATOR"}


def test_a_crash_in_a_chunk_repeats_and_skips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = failed_jobs(6)
    _queued_retry(jobs)
    monkeypatch.setattr(bulk, "_CHUNK", 3)
    real, calls = job_operations.retry_jobs, []

    def dies_after_the_second_chunk(*args: Any, **options: Any) -> Any:
        calls.append(args)
        done = real(*args, **options)
        if len(calls) == 2:
            raise SystemExit
        return done

    monkeypatch.setattr(job_operations, "retry_jobs", dies_after_the_second_chunk)
    with pytest.raises(SystemExit):
        bulk.run_pending()
    assert (BulkAction.objects.get().done, SyncJob.objects.filter(retry_of__isnull=False).count()) == (3, 3)
    bulk.run_pending()
    assert SyncJob.objects.filter(retry_of__in=jobs).values("retry_of").distinct().count() == 6
    assert SyncJob.objects.filter(retry_of__isnull=False).count() == 6


@pytest.mark.parametrize(("count", "jobs"), [(1, "1 failed job"), (2, "2 failed jobs"), (0, "0 failed jobs")])
def test_messages_use_singular_and_plural(count: int, jobs: str) -> None:
    admin = Api(Role.ADMIN)
    failed_jobs(count)
    for group in ErrorGroup.objects.all():
        retried = admin.post(f"admin/sync/errors/{group.pk}/retry").json()["message"]
        assert retried == f"{count} queued."
    assert admin.post("admin/queue/clear-failed").json()["message"] == f"{jobs} deleted."


def test_a_job_that_fails_does_not_stop_the_bulk_action(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = failed_jobs(3)
    later = _queued_retry(jobs)
    real = job_operations.retry_jobs

    def breaks_on_the_second(actor: Any, job_ids: list[int], **options: Any) -> Any:
        done = real(actor, job_ids, **options)
        if jobs[1].pk in job_ids:
            raise RuntimeError("a bug")
        return done

    monkeypatch.setattr(job_operations, "retry_jobs", breaks_on_the_second)
    bulk.run_pending()
    later.refresh_from_db()
    assert (later.done, later.succeeded, list(later.refused)) == (3, 2, [str(jobs[1].pk)])
    assert "a bug" not in later.refused[str(jobs[1].pk)]
    assert later.ended_at is not None


@pytest.mark.django_db(transaction=True)  # Threads process the bulk action.
def test_many_failed_jobs_are_deleted_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 5)
    monkeypatch.setattr(bulk, "_CLEAR_BATCH", 4)
    failed_jobs(10)
    admin = Api(Role.ADMIN)
    answer = admin.post("admin/queue/clear-failed", {"queue": "maintenance"})
    assert (answer.status_code, answer.json()["count"]) == (202, 10)
    later = failed_jobs(1)[0]
    assert SyncJob.objects.count() == 11
    _three_work_off()
    result = admin.get(f"admin/sync-jobs/bulk/{answer.json()['bulkId']}").json()
    assert (result["action"], result["total"], result["done"], result["succeeded"]) == ("clear", 10, 10, 10)
    assert result["endedAt"] is not None
    assert SyncJob.objects.get() == later
    assert AuditEntry.objects.get(action="clear_failed").data["count"] == 10
    answer = admin.post("admin/queue/clear-failed", {"queue": "maintenance"})
    assert (answer.status_code, answer.json()["count"]) == (200, 1)


def test_a_clear_ends_even_if_its_jobs_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 0)
    jobs = failed_jobs(2)
    clearing = bulk.clear_failed(PERSON)
    SyncJob.objects.filter(pk=jobs[0].pk).delete()
    SyncJob.objects.filter(pk=jobs[1].pk).update(status=JobStatus.CANCELLED)
    retry = _queued_retry(jobs[1:])
    assert bulk.run_pending() == 1
    assert isinstance(clearing, BulkAction)
    assert BulkAction.objects.filter(ended_at=None).count() == 0
    retry.refresh_from_db()
    assert retry.succeeded == 1
