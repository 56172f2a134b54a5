"""Retrying failed jobs."""

from __future__ import annotations

import pytest
from django.db import transaction

from syncjobs.choices import JobStatus
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.exceptions import Conflict, NotFound, WrongState
from syncjobs.models import SyncJob
from syncjobs.operations import bands as band_operations
from syncjobs.operations import jobs as job_operations
from syncjobs.operations import triggers
from tests.concurrency import start_and_wait_for_lock
from tests.factories import PERSON, claim, make_band

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = "UCabcdefghijklmnopqrstuv"


def test_a_retry_is_a_new_job_linked_to_the_old_one() -> None:
    job = triggers.trigger_sync(PERSON, make_band(reference=CHANNEL), full=True).job
    with pytest.raises(WrongState, match="is queued"):
        job_operations.retry_job(PERSON, job.pk)
    engine_outcomes.fail(claim(), "It broke.", reason="broken")
    again = job_operations.retry_job(PERSON, job.pk)
    assert (again.is_new, again.job.retry_of_id, again.job.status) == (True, job.pk, JobStatus.QUEUED)
    twice = job_operations.retry_job(PERSON, job.pk)
    assert (twice.is_new, twice.job.pk) == (False, again.job.pk)
    job.refresh_from_db()
    assert job.status == JobStatus.FAILED
    with pytest.raises(NotFound):
        job_operations.retry_job(PERSON, 999_999)


def test_deleting_a_band_while_its_job_is_retried_does_not_deadlock() -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    SyncJob.objects.update(status=JobStatus.FAILED)
    with transaction.atomic():
        job_operations.retry_jobs(PERSON, [job.pk])
        deleting = start_and_wait_for_lock(lambda: band_operations.delete(PERSON, band.pk))
    with pytest.raises(Conflict, match="queued or running"):
        deleting.result()
    with transaction.atomic():
        type(band).objects.select_for_update().get(pk=band.pk)
        SyncJob.objects.active().update(status=JobStatus.FAILED)
        retrying = start_and_wait_for_lock(lambda: job_operations.retry_jobs(PERSON, [job.pk]))
        # The jobs of the band lose it, as in a deletion.
        SyncJob.objects.filter(band=band).update(band=None)
        type(band).objects.filter(pk=band.pk).delete()
    assert isinstance(retrying.result()[job.pk], Conflict)
