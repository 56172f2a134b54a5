"""What an error asks people to do, once somebody has removed its cause."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from bands.channels import set_channel
from bands.models import Band, ChannelProblem
from syncjobs.choices import QUEUE_OF_TYPE, JobType, Role
from syncjobs.engine import outcomes
from syncjobs.engine.enqueue import band_key
from syncjobs.engine.errors import ErrorReport, record
from syncjobs.models import Attempt, ErrorGroup, JobError, SyncJob
from syncjobs.operations import errors, jobs
from syncjobs.stats import errors as stats_errors
from tests.clients import logged_in
from tests.factories import PERSON, claim, make_band, queue_job

from .test_errors import fail

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def _unknown_channel() -> tuple[ErrorGroup, SyncJob, Band]:
    group = fail("Channel not found: @herons", "channelNotFound", slug="herons")
    band = Band.objects.get()
    set_channel(band, "@herons")
    band.channel_problem = ChannelProblem.NOT_FOUND
    band.save()
    Band.objects.update(channel_changed_at=None)
    return group, SyncJob.objects.get(), Band.objects.get()


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_an_error_whose_cause_is_removed_asks_nobody_to_remove_it(role: Role) -> None:
    group, job, band = _unknown_channel()
    client = logged_in(role)
    about, retry = f"/admin/syncjobs/errorgroup/{group.pk}/change/", f"/admin/syncjobs/errorgroup/{group.pk}/retry/"
    of_job, retry_job = (f"/admin/syncjobs/syncjob/{job.pk}/{action}/" for action in ("change", "retry"))
    pages = (about, retry, of_job, retry_job)
    wanted = ("Suggest a channel for Herons", "Change the channel of Herons")
    for page in pages:
        html = client.get(page).content.decode()
        assert any(text in html for text in wanted)
        assert "paste its address" in html
    set_channel(band, "@NewHerons")
    band.save()
    for page in pages:
        html = client.get(page).content.decode()
        assert not [text for text in (*wanted, "paste its address", "permanent, so", "Retry anyway") if text in html]
        assert "The channel of Herons was changed since." in html or page == retry_job
    html = client.get(about).content.decode()
    assert "If its syncs succeed, resolve this error." in html
    assert re.search(rf'btn-primary" href="/admin/syncjobs/errorgroup/{group.pk}/resolve/" data-dialog>', html)
    outcomes.complete(claim_of(band))
    Band.objects.update(last_full_sync_at=timezone.now())
    assert "Herons was synced since. If its syncs succeed, resolve this error." in client.get(about).content.decode()
    errors.resolve_errors(PERSON, group.pk)
    assert "resolve this error" not in client.get(about).content.decode()
    outcomes.fail(claim_of(band), "Channel not found: @NewHerons", reason="channelNotFound", permanent=True)
    assert any(text in client.get(about).content.decode() for text in wanted)


def claim_of(band: Band) -> Attempt:
    queue_job(JobType.FULL_SYNC, band=band)
    return claim(QUEUE_OF_TYPE[JobType.FULL_SYNC])


def test_only_the_bands_that_still_have_a_problem_are_named(moderator: Client) -> None:
    group, _job, band = _unknown_channel()
    other = fail("Channel not found: @egrets", "channelNotFound", slug="egrets")
    assert other == group
    set_channel(band, "@NewHerons")
    band.save()
    for page in ("change", "retry"):
        html = moderator.get(f"/admin/syncjobs/errorgroup/{group.pk}/{page}/").content.decode()
        assert "Suggest a channel for Egrets" in html
        assert "Suggest a channel for Herons" not in html
        assert "paste its address" in html


def test_an_item_that_cannot_be_read_is_not_over_because_the_sync_completed() -> None:
    band = make_band("herons")
    attempt = claim_of(band)
    record(attempt, [ErrorReport("forbidden", "It is private.", is_permanent=True, item_id="PLx")])
    outcomes.complete(attempt)
    Band.objects.update(last_full_sync_at=timezone.now())
    group = ErrorGroup.objects.get()
    assert stats_errors.still_affected(group.pk, [band.pk]) == {band.pk}
    Band.objects.update(channel_changed_at=timezone.now())
    assert stats_errors.still_affected(group.pk, [band.pk]) == set()


def test_the_question_says_how_many_jobs_a_retry_queues(moderator: Client) -> None:
    bands = [make_band(slug, f"@{slug}") for slug in ("herons", "egrets")]
    for band in bands * 2:
        job = queue_job(JobType.FULL_SYNC, band=band, dedupe_key=band_key(JobType.FULL_SYNC, band.pk))
        outcomes.fail(claim(QUEUE_OF_TYPE[JobType.FULL_SYNC]), "It broke.", reason="backendError", permanent=False)
    group = JobError.objects.get(job=job).group_id
    url = f"/admin/syncjobs/errorgroup/{group}/retry/"

    def asked() -> str:
        return moderator.get(url).content.decode()

    assert "4 failed jobs can be retried. This queues 2 new jobs: one for each band and type." in asked()
    other = queue_job(JobType.FULL_SYNC, band=bands[0], dedupe_key=band_key(JobType.FULL_SYNC, bands[0].pk))
    assert "This queues 1 new job: one for each band and type. 1 job that is queued or running already" in asked()
    Band.objects.filter(pk=bands[1].pk).update(is_active=False)
    assert "4 failed jobs can be retried. This queues no new job. 1 job that is queued" in asked()
    other.delete()
    Band.objects.update(is_active=False)
    assert "None of the 4 failed jobs can be retried: their bands are inactive, deleted" in asked()
    Band.objects.filter(pk=bands[0].pk).update(is_active=True)
    assert "This queues 1 new job:" in asked()
    Band.objects.update(is_active=True)
    done = moderator.post(url, headers={"HX-Request": "true"})
    assert "2 queued; 2 are covered by them." in done["HX-Trigger"]


def test_a_cancelled_job_no_longer_waits_for_a_worker(moderator: Client) -> None:
    job = queue_job()
    page = f"/admin/syncjobs/syncjob/{job.pk}/change/"
    assert "No worker has started it yet." in moderator.get(page).content.decode()
    jobs.cancel_job(PERSON, job.pk)
    html = moderator.get(page).content.decode()
    assert ("No worker has started it." in html, "started it yet" in html) == (True, False)
