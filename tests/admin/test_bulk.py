"""Retrying and cancelling many jobs at once."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.models import AuditEntry, BulkAction, SyncJob
from syncjobs.operations import bulk
from syncjobs.operations import jobs as job_operations
from tests.clients import DIALOG, PART, logged_in
from tests.factories import PERSON, failed_job, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def ask_for(client: Client, **query: Any) -> tuple[str, str]:
    """Return the URL of the confirmation and the packed ids of its jobs."""
    url = f"/admin/syncjobs/bulkaction/add/?{urlencode(query, doseq=True)}"
    page = client.get(url, headers=DIALOG)
    assert page.status_code == 200, page.headers
    found = re.search(r'name="asked" value="([^"]+)"', page.content.decode())
    assert found is not None
    return url, found[1]


def toast(answer: Any) -> dict[str, str]:
    return json.loads(answer.headers["HX-Trigger"])["toast"]  # type: ignore[no-any-return]


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
    assert "Jobs that do the same share a new one" in page.content.decode()


def test_only_selected_jobs_are_retried(moderator: Client) -> None:
    chosen, other = failed_job(), failed_job()
    url, asked = ask_for(moderator, action="retry", job=[chosen.pk])
    assert toast(moderator.post(url, {"asked": asked}, headers=DIALOG))["text"] == "1 queued."
    assert SyncJob.objects.filter(retry_of=chosen).exists()
    assert not SyncJob.objects.filter(retry_of=other).exists()
    assert AuditEntry.objects.filter(action="bulk_retry", actor_label="MODERATOR@example").exists()


def test_select_all_covers_every_job_that_matches_the_filter(moderator: Client) -> None:
    kept, cancelled = queue_job(JobType.ENRICH), [queue_job(JobType.PRUNE) for _ in range(25)]
    url, asked = ask_for(moderator, action="cancel", all=1, job_type="PRUNE")
    assert toast(moderator.post(url, {"asked": asked}, headers=DIALOG))["text"] == "25 cancelled."
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).count() == len(cancelled)
    assert SyncJob.objects.get(pk=kept.pk).status == JobStatus.QUEUED


def test_more_jobs_need_a_new_confirmation(moderator: Client) -> None:
    one, two = queue_job(JobType.ENRICH), queue_job(JobType.PRUNE)
    query = {"all": 1, "status": "QUEUED"}
    url, asked = ask_for(moderator, action="cancel", **query)
    job_operations.cancel_job(PERSON, one.pk)
    queue_job(JobType.ENRICH)  # the same number of jobs, but different ones
    answer = moderator.post(url, {"asked": asked}, headers=DIALOG)
    assert answer.status_code == 422
    assert "1 more job is selected since you were asked. 2 of 2 are affected now." in answer.content.decode()
    assert SyncJob.objects.get(pk=two.pk).status == JobStatus.QUEUED
    url, asked = ask_for(moderator, action="cancel", **query)
    moderator.post(url, {"asked": asked}, headers=DIALOG)
    assert SyncJob.objects.get(pk=two.pk).status == JobStatus.CANCELLED


def test_jobs_that_end_meanwhile_need_no_new_confirmation(moderator: Client) -> None:
    one, two = queue_job(JobType.ENRICH), queue_job(JobType.PRUNE)
    url, asked = ask_for(moderator, action="cancel", job=[one.pk, two.pk])
    job_operations.cancel_job(PERSON, one.pk)
    assert toast(moderator.post(url, {"asked": asked}, headers=DIALOG))["text"] == "1 cancelled; 1 had ended."
    assert SyncJob.objects.get(pk=two.pk).status == JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("action=retry", "No job is selected"),
        ("action=explode&job=1", "Action must be one of"),
        ("action=retry&all=1&status=DONE", "Status: "),
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
    url, asked = ask_for(moderator, action="cancel", all=1)
    answer = moderator.post(url, {"asked": asked}, headers=DIALOG)
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
