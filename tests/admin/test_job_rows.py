"""Rows of the list of jobs: what they tell and offer, and how they follow the jobs while the list is open."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from syncjobs.choices import DelayReason, JobStatus, JobType, Role
from syncjobs.engine import clock, outcomes
from syncjobs.models import SyncJob
from syncjobs.operations import jobs
from tests.clients import PART, listed_jobs, logged_in
from tests.factories import PERSON, claim, failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db
LIST = "/admin/syncjobs/syncjob/"


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def row_of(client: Client, job: SyncJob) -> str:
    return client.get(LIST).content.decode().split(f'id="row-{job.pk}"')[1].split("</tr>")[0]


def test_buttons_depend_on_status_and_permissions() -> None:
    broken, waiting = failed_job(), queue_job(JobType.ENRICH)
    seen = logged_in(Role.MODERATOR).get("/admin/syncjobs/syncjob/").content.decode()
    assert f"/admin/syncjobs/syncjob/{broken.pk}/retry/" in seen
    assert f"/admin/syncjobs/syncjob/{waiting.pk}/cancel/" in seen
    assert f"/admin/syncjobs/syncjob/{broken.pk}/cancel/" not in seen
    assert f"/admin/syncjobs/syncjob/{waiting.pk}/retry/" not in seen
    allowed = dict(re.findall(r'name="job" value="(\d+)" data-select="([a-z ]*)"', seen))
    assert allowed == {str(broken.pk): "retry", str(waiting.pk): "cancel front priority delay"}
    watcher = logged_in()
    user = get_user_model().objects.get(username="none@example")
    user.user_permissions.add(Permission.objects.get(codename="view_syncjob"))
    seen = watcher.get("/admin/syncjobs/syncjob/").content.decode()
    assert "/retry/" not in seen
    assert "/cancel/" not in seen
    assert "data-select" not in seen
    assert 'value="retry"' not in seen


def test_a_delayed_job_shows_its_last_error_in_its_row_and_on_its_page(moderator: Client) -> None:
    job = queue_job(JobType.FULL_SYNC)
    outcomes.retry_later(claim(), "YouTube said: backend <error>", reason="backendError")
    SyncJob.objects.update(run_at=clock.now() + dt.timedelta(hours=1))
    job.refresh_from_db()
    assert (job.status, job.delay_reason) == (JobStatus.QUEUED, DelayReason.RETRY)
    row = row_of(moderator, job)
    assert "Waiting to retry" in row
    assert "YouTube said: backend &lt;error&gt;" in row
    page = moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()
    box = page.split('class="box box-warn"')[1].split("</section>")[0]
    assert "YouTube is busy" in box
    assert "YouTube said: backend &lt;error&gt;" in box


def test_the_time_a_job_has_run_so_far_is_called_elapsed(moderator: Client) -> None:
    job = queue_job(JobType.FULL_SYNC)
    claim()
    row = row_of(moderator, job)
    assert 'data-time="elapsed"' in row.split('data-label="Elapsed"')[1].split("</td>")[0]
    assert 'data-label="Duration"' not in row


def test_a_retried_or_covered_job_names_the_job_that_does_it_again_until_that_has_ended(moderator: Client) -> None:
    band = make_band()
    first, second = (failed_job(band=band, dedupe_key=f"full:{band.pk}") for _ in range(2))
    for job in (first, second):
        assert f"{LIST}{job.pk}/retry/" in row_of(moderator, job)
    retry = jobs.retry_job(PERSON, first.pk).job
    assert jobs.retry_job(PERSON, second.pk).job == retry
    for job, words in ((first, "Retried as"), (second, "Covered by")):
        row = row_of(moderator, job)
        assert re.search(rf'{words} <a href="{LIST}{retry.pk}/change/"[^>]*>#{retry.pk}</a>', row)
        assert f"{LIST}{job.pk}/retry/" not in row
        assert 'data-select=""' in row
    jobs.cancel_job(PERSON, retry.pk)
    for job in (first, second):
        row = row_of(moderator, job)
        assert f"{LIST}{job.pk}/retry/" in row
        assert f"#{retry.pk}" not in row


def test_rows_keep_their_place_while_the_list_changes(moderator: Client) -> None:
    first, second = failed_job(), queue_job(JobType.ENRICH)
    url = f"/admin/syncjobs/syncjob/rows/?shown={second.pk},{first.pk}"
    assert "pill" not in moderator.get(url, headers=PART).content.decode()
    third = queue_job(JobType.PRUNE)
    jobs.cancel_job(PERSON, second.pk)
    page = moderator.get(url, headers=PART)
    assert listed_jobs(page) == [second.pk, first.pk]
    assert "Cancelled" in page.content.decode()
    assert "1 new job" in page.content.decode()
    assert listed_jobs(moderator.get("/admin/syncjobs/syncjob/rows/", headers=PART)) == [third.pk, second.pk, first.pk]


def test_a_job_that_left_the_filter_stays_until_a_reload(moderator: Client) -> None:
    job = queue_job(JobType.ENRICH)
    jobs.cancel_job(PERSON, job.pk)
    page = moderator.get(f"/admin/syncjobs/syncjob/rows/?status=QUEUED&shown={job.pk}", headers=PART)
    assert listed_jobs(page) == [job.pk]
    assert "The list has changed" in page.content.decode()


def test_the_list_polls_only_while_a_listed_job_can_change(moderator: Client) -> None:
    job = queue_job(JobType.ENRICH)
    assert 'data-active="true"' in moderator.get("/admin/syncjobs/syncjob/").content.decode()
    jobs.cancel_job(PERSON, job.pk)
    assert 'data-active="false"' in moderator.get("/admin/syncjobs/syncjob/").content.decode()


def test_invalid_ids_of_shown_rows_are_ignored(moderator: Client) -> None:
    for shown in ("x", "-1", "9" * 40, "1,,2", ""):
        assert moderator.get(f"/admin/syncjobs/syncjob/rows/?shown={shown}", headers=PART).status_code == 200
