"""An all-bands job shows the sums and errors of its children as its own, in every list, file and page."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import errors
from syncjobs.listing import filters
from syncjobs.models import Attempt, SyncJob
from tests.clients import Api, exported, logged_in
from tests.factories import make_band, queue_job

pytestmark = pytest.mark.django_db

FOUND = {"videosFound": 30, "videosAdded": 7, "videosUpdated": 5, "videosUnavailable": 3, "quotaUsed": 12}
TEXTS = ["Herons: No answer within 10 seconds.", "Owls: Playlist PLx can't be read.", "Owls: Video y can't be read."]


def _fail(job: SyncJob, *messages: str, will_retry: bool = False) -> None:
    attempt = Attempt.objects.create(job=job, number=1, worker="w", lease_expires_at="2100-01-01T00:00:00Z")
    errors.record(attempt, [errors.ErrorReport("odd", message, False, will_retry=will_retry) for message in messages])


@pytest.fixture
def parent() -> SyncJob:
    """Create a completed all-bands job with a failed child, one with errors and a clean one."""
    parent = queue_job(JobType.FULL_SYNC, fans_out=True)
    children = [queue_job(parent=parent, band=make_band(slug)) for slug in ("herons", "owls", "larks")]
    for number, (child, status) in enumerate(zip(children, ("FAILED", "COMPLETED", "COMPLETED"), strict=True)):
        SyncJob.objects.filter(pk=child.pk).update(
            status=status,
            videos_found=10,
            videos_added=(4, 2, 1)[number],
            videos_updated=(0, 5, 0)[number],
            videos_unavailable=1,
            quota_used=3,
        )
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.COMPLETED, quota_used=3)
    _fail(children[0], "No answer within 10 seconds.")
    _fail(children[1], "Playlist PLx can't be read.", "Video y can't be read.")
    _fail(children[2], "It was retried.", will_retry=True)
    return parent


def _figures(job: dict[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in FOUND}


def test_the_api_lists_and_shows_the_sums(parent: SyncJob) -> None:
    api = Api(Role.MODERATOR)
    listed = api.get("admin/sync-jobs", limit=100).json()["data"]
    shown = api.get(f"admin/sync-jobs/{parent.pk}").json()
    (of_parent,) = (job for job in listed if job["id"] == str(parent.pk))
    for job in (of_parent, shown):
        assert (_figures(job), job["errors"], job["status"]) == (FOUND, TEXTS, "COMPLETED")
    others = {job["bandName"]: (job["videosFound"], job["errors"]) for job in listed if job["bandName"]}
    assert others["Herons"] == (10, ["No answer within 10 seconds."])
    assert others["Larks"] == (10, [])


def test_the_last_runs_of_a_schedule_count_the_errors(parent: SyncJob) -> None:
    api = Api(Role.ADMIN)
    body = {"name": "Nightly", "jobType": "FULL_SYNC", "interval": {"every": 1, "period": "days"}}
    made = api.post("admin/schedules", body).json()
    SyncJob.objects.filter(pk=parent.pk).update(requested_by_label="schedule: Nightly")
    (run,) = api.get(f"admin/schedules/{made['id']}").json()["lastRuns"]
    assert (run["jobId"], run["status"], run["errorCount"]) == (str(parent.pk), "COMPLETED", len(TEXTS))


def test_the_sums_cost_no_query_of_their_own(parent: SyncJob) -> None:
    for _number in range(3):
        other = queue_job(JobType.INCREMENTAL_SYNC, fans_out=True)
        SyncJob.objects.filter(pk=other.pk).update(status=JobStatus.COMPLETED)
        queue_job(parent=other)
    api = Api(Role.MODERATOR)
    with CaptureQueriesContext(connection) as queries:
        assert api.get("admin/sync-jobs", limit=100).json()["total"] == 10
    assert len(queries) <= 3


@pytest.mark.django_db(transaction=True)  # Exports read committed rows through separate connections.
def test_files_hold_the_sums(parent: SyncJob) -> None:
    api = Api(Role.MODERATOR)
    lines = exported(api.get("admin/sync-jobs/export", format="json")).splitlines()
    (as_json,) = (job for job in map(json.loads, lines) if job["id"] == str(parent.pk))
    assert (_figures(as_json), as_json["errors"]) == (FOUND, TEXTS)
    rows = csv.DictReader(io.StringIO(exported(api.get("admin/sync-jobs/export", format="csv"))))
    (as_csv,) = (job for job in rows if job["id"] == str(parent.pk))
    assert ({name: int(as_csv[name]) for name in FOUND}, as_csv["errors"]) == (FOUND, " | ".join(TEXTS))


def test_the_pages_say_completed_with_errors(parent: SyncJob) -> None:
    client: Client = logged_in(Role.MODERATOR)
    listed = client.get("/admin/syncjobs/syncjob/").content.decode()
    row = listed[listed.index(f'id="row-{parent.pk}"') :].partition("</tr>")[0]
    assert "Completed with errors" in row
    assert "Herons: No answer within 10 seconds." in row
    page = client.get(f"/admin/syncjobs/syncjob/{parent.pk}/change/").content.decode()
    assert "Completed with errors" in page
    assert "<dt>Found</dt><dd>30</dd>" in page
    assert "<dt>Errors</dt><dd>3</dd>" in page


def test_a_job_without_children_keeps_its_own_figures() -> None:
    lonely = queue_job(JobType.FULL_SYNC, fans_out=True)
    SyncJob.objects.filter(pk=lonely.pk).update(videos_found=2)
    _fail(lonely, "It broke before it had children.")
    job = filters.for_display(SyncJob.objects.filter(pk=lonely.pk)).get()
    job.add_child_sums()
    assert (job.videos_found, job.error_count) == (2, 1)
    assert job.error_texts == ["It broke before it had children."]  # type: ignore[attr-defined]


def test_the_errors_of_many_children_are_limited(monkeypatch: pytest.MonkeyPatch, parent: SyncJob) -> None:
    monkeypatch.setattr(filters, "MAX_CHILD_ERRORS", 2)
    job = filters.for_display(SyncJob.objects.filter(pk=parent.pk)).get()
    job.add_child_sums()
    assert job.error_texts == TEXTS[:2]  # type: ignore[attr-defined]
    assert job.error_count == 3
