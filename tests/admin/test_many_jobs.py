"""Bulk actions, exports and saved filters in the list of jobs."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import AsyncClient, Client

from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.models import AuditEntry, BulkAction, FilterPreset, SyncJob
from syncjobs.operations import bulk, presets
from syncjobs.operations import jobs as job_operations
from tests.clients import DIALOG, PART, logged_in
from tests.factories import HOSTILE, PERSON, failed_job, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def ask_for(client: Client, **query: Any) -> tuple[str, str]:
    """Return the URL of the confirmation and the mark of its jobs."""
    url = f"/admin/syncjobs/bulkaction/add/?{urlencode(query, doseq=True)}"
    page = client.get(url, headers=DIALOG)
    assert page.status_code == 200, page.headers
    found = re.search(r'name="mark" value="(\w+)"', page.content.decode())
    assert found is not None
    return url, found[1]


def toast(answer: Any) -> dict[str, str]:
    return json.loads(answer.headers["HX-Trigger"])["toast"]  # type: ignore[no-any-return]


# ---- Bulk actions


def test_the_confirmation_counts_affected_and_skipped_jobs(moderator: Client) -> None:
    jobs = [failed_job(), failed_job(), queue_job(JobType.ENRICH)]
    query = urlencode({"action": "retry", "job": [job.pk for job in jobs]}, doseq=True)
    page = moderator.get(f"/admin/syncjobs/bulkaction/add/?{query}", headers=DIALOG).content.decode()
    assert "Retry 2 jobs?" in page
    assert "2 of the 3 selected jobs are affected." in page
    assert "1 is excluded" in page
    assert SyncJob.objects.count() == 3
    query = urlencode({"action": "retry", "job": [job.pk for job in jobs[1:]]}, doseq=True)
    page = moderator.get(f"/admin/syncjobs/bulkaction/add/?{query}", headers=DIALOG).content.decode()
    assert "1 of the 2 selected jobs is affected." in page
    page = moderator.get(f"/admin/syncjobs/bulkaction/add/?action=retry&job={jobs[0].pk}", headers=DIALOG)
    assert "It runs again as a new job." in page.content.decode()


def test_only_selected_jobs_are_retried(moderator: Client) -> None:
    chosen, other = failed_job(), failed_job()
    url, mark = ask_for(moderator, action="retry", job=[chosen.pk])
    assert toast(moderator.post(url, {"mark": mark}, headers=DIALOG))["text"] == "1 job runs again."
    assert SyncJob.objects.filter(retry_of=chosen).exists()
    assert not SyncJob.objects.filter(retry_of=other).exists()
    assert AuditEntry.objects.filter(action="bulk_retry", actor_label="MODERATOR@example").exists()


def test_select_all_covers_every_job_that_matches_the_filter(moderator: Client) -> None:
    kept, cancelled = queue_job(JobType.ENRICH), [queue_job(JobType.PRUNE) for _ in range(25)]
    url, mark = ask_for(moderator, action="cancel", all=1, job_type="PRUNE")
    assert toast(moderator.post(url, {"mark": mark}, headers=DIALOG))["text"] == "25 jobs are cancelled or stopping."
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).count() == len(cancelled)
    assert SyncJob.objects.get(pk=kept.pk).status == JobStatus.QUEUED


@pytest.mark.parametrize("query", [{"all": 1, "status": "QUEUED"}, {"job": "both"}])
def test_changed_jobs_need_a_new_confirmation(moderator: Client, query: dict[str, Any]) -> None:
    one, two = queue_job(JobType.ENRICH), queue_job(JobType.PRUNE)
    if query.get("job") == "both":
        query = {"job": [one.pk, two.pk]}
    url, mark = ask_for(moderator, action="cancel", **query)
    job_operations.cancel_job(PERSON, one.pk)
    if "all" in query:
        queue_job(JobType.ENRICH)  # the same number of jobs, but different ones
    answer = moderator.post(url, {"mark": mark}, headers=DIALOG)
    assert answer.status_code == 422
    assert "the jobs have changed since you were asked" in answer.content.decode()
    assert SyncJob.objects.get(pk=two.pk).status == JobStatus.QUEUED
    url, mark = ask_for(moderator, action="cancel", **query)
    moderator.post(url, {"mark": mark}, headers=DIALOG)
    assert SyncJob.objects.get(pk=two.pk).status == JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("action=retry", "No job is selected"),
        ("action=explode&job=1", "Action must be one of"),
        ("action=retry&all=1&status=DONE", "status: "),
        ("action=retry&job=999999", "The selected job can't be retried: only failed and cancelled jobs can."),
        ("action=retry&job=999998&job=999999", "None of the 2 selected jobs can be retried"),
        ("action=cancel&all=1&status=FAILED", "it has already ended"),
        ("action=retry&job=x", "No job is selected"),
    ],
)
def test_an_invalid_request_shows_a_message(moderator: Client, query: str, message: str) -> None:
    failed_job()
    assert message in toast(moderator.get(f"/admin/syncjobs/bulkaction/add/?{query}", headers=DIALOG))["text"]
    page = moderator.get(f"/admin/syncjobs/bulkaction/add/?{query}", follow=True).content.decode()
    assert message in unescape(page)


def test_each_action_has_its_own_permission() -> None:
    job = failed_job()
    client = logged_in()
    user = get_user_model().objects.get(username="none@example")
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_syncjob", "retry_job")))
    assert client.get(f"/admin/syncjobs/bulkaction/add/?action=retry&job={job.pk}", headers=DIALOG).status_code == 200
    assert client.get(f"/admin/syncjobs/bulkaction/add/?action=cancel&job={job.pk}", headers=DIALOG).status_code == 403
    assert client.post(f"/admin/syncjobs/bulkaction/add/?action=cancel&job={job.pk}", headers=DIALOG).status_code == 403


def test_a_large_action_continues_in_the_background_and_shows_progress(
    moderator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 2)
    jobs = [queue_job(JobType.PRUNE) for _ in range(4)]
    url, mark = ask_for(moderator, action="cancel", all=1)
    answer = moderator.post(url, {"mark": mark}, headers=DIALOG)
    action = BulkAction.objects.get()
    progress = f"/admin/syncjobs/bulkaction/{action.pk}/change/"
    assert answer.headers["HX-Redirect"] == progress
    assert action.job_ids == [job.pk for job in jobs]
    part = moderator.get(progress, headers=PART).content.decode()
    assert 'data-active="true"' in part
    assert "<html" not in part
    job_operations.cancel_job(PERSON, jobs[0].pk)
    bulk.run_pending()
    page = moderator.get(progress).content.decode()
    assert 'data-active="false"' in page
    assert f"Job #{jobs[0].pk} has already ended" in page
    assert moderator.get("/admin/syncjobs/bulkaction/999/change/").status_code == 404


# ---- Exports


def exported(client: Client, query: str) -> tuple[Any, bytes]:
    """Request the export over ASGI, as in production."""

    async def fetch() -> tuple[Any, bytes]:
        browser = AsyncClient()
        browser.cookies = client.cookies
        answer = await browser.get(f"/admin/syncjobs/syncjob/export/?{query}")
        if not answer.streaming:
            return answer, answer.content
        return answer, b"".join([part async for part in answer.streaming_content])

    return asyncio.run(fetch())


@pytest.mark.django_db(transaction=True)
def test_filtered_jobs_can_be_exported(moderator: Client) -> None:
    broken = failed_job(HOSTILE)
    queue_job(JobType.ENRICH)
    answer, content = exported(moderator, "format=csv&status=FAILED&page=1&limit=20")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="sync-jobs.csv"'
    (row,) = csv.DictReader(io.StringIO(content.decode()))
    assert (row["id"], row["errors"]) == (str(broken.pk), HOSTILE)
    _, content = exported(moderator, "format=json")
    assert [json.loads(line)["status"] for line in content.splitlines()] == ["QUEUED", "FAILED"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_export_shows_the_reason(moderator: Client) -> None:
    for query, message in (("format=xml", "format: "), ("status=DONE", "status: ")):
        answer, content = exported(moderator, query)
        assert answer.status_code == 400
        assert content.decode().startswith(message)
    answer, _ = exported(logged_in(), "format=csv")
    assert answer.status_code == 403


# ---- Saved filters


def preset(name: str = "Failed", *, shared: bool = False, owner: str = "MODERATOR@example") -> FilterPreset:
    user = get_user_model().objects.get(username=owner)
    return FilterPreset.objects.create(
        name=name, filters={"status": "FAILED"}, owner=None if shared else user, created_by=owner
    )


def test_filters_can_be_saved_and_applied_by_name(moderator: Client) -> None:
    url = "/admin/syncjobs/filterpreset/add/?status=FAILED&search=quota&sort_order=asc&page=3&limit=50"
    assert 'name="shared"' not in moderator.get(url, headers=DIALOG).content.decode()
    answer = moderator.post(url, {"name": HOSTILE, "shared": "on"}, headers=DIALOG)
    saved = FilterPreset.objects.get()
    assert saved.filters == {"status": "FAILED", "search": "quota", "sort_order": "asc"}
    assert not saved.is_shared
    page = moderator.get(answer.headers["HX-Redirect"]).content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    again = moderator.post(url, {"name": HOSTILE}, headers=DIALOG)
    assert again.status_code == 422
    assert "already" in again.content.decode()


def test_sharing_a_preset_needs_permission() -> None:
    admin = logged_in(Role.ADMIN)
    url = "/admin/syncjobs/filterpreset/add/?status=FAILED"
    assert 'name="shared"' in admin.get(url, headers=DIALOG).content.decode()
    admin.post(url, {"name": "Failed", "shared": "on"}, headers=DIALOG)
    assert FilterPreset.objects.get().is_shared


def test_empty_and_invalid_presets_are_refused(moderator: Client) -> None:
    answer = moderator.post("/admin/syncjobs/filterpreset/add/", {"name": "All"}, headers=DIALOG)
    assert "No filter is set" in toast(answer)["text"]
    answer = moderator.post("/admin/syncjobs/filterpreset/add/?status=DONE", {"name": "Done"}, headers=DIALOG)
    assert "status" in toast(answer)["text"]
    assert not FilterPreset.objects.exists()


def test_owners_delete_their_presets_and_admins_delete_shared_ones(moderator: Client) -> None:
    own, shared = preset(), preset("Everybody's", shared=True)
    page = moderator.get("/admin/syncjobs/syncjob/").content.decode()
    assert f"/filterpreset/{own.pk}/delete/" in page
    assert f"/presets/{shared.pk}/delete/" not in page
    assert "/admin/syncjobs/syncjob/?status=FAILED" in page
    assert moderator.get(f"/admin/syncjobs/filterpreset/{own.pk}/delete/", headers=DIALOG).status_code == 200
    moderator.post(f"/admin/syncjobs/filterpreset/{own.pk}/delete/", headers=DIALOG)
    assert (
        "admins" in toast(moderator.post(f"/admin/syncjobs/filterpreset/{shared.pk}/delete/", headers=DIALOG))["text"]
    )
    assert list(FilterPreset.objects.all()) == [shared]
    logged_in(Role.ADMIN).post(f"/admin/syncjobs/filterpreset/{shared.pk}/delete/", headers=DIALOG)
    assert not FilterPreset.objects.exists()


def test_private_presets_are_hidden_from_others() -> None:
    logged_in(Role.MODERATOR)
    theirs = preset("Mine alone")
    admin = logged_in(Role.ADMIN)
    assert "Mine alone" not in admin.get("/admin/syncjobs/syncjob/").content.decode()
    assert admin.get(f"/admin/syncjobs/filterpreset/{theirs.pk}/delete/").status_code == 404
    assert presets.list_presets(get_user_model().objects.get(username="ADMIN@example")).count() == 0
