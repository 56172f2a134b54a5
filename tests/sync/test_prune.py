"""Deleting old jobs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from syncjobs.choices import JobStatus, JobType
from syncjobs.models import SyncJob
from syncjobs.operations import band_pauses, triggers
from syncjobs.operations import jobs as job_operations
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from tests.concurrency import start_and_wait_for_lock
from tests.factories import (
    PERSON,
    band_with_videos,
    claim,
    fanned_out,
    full_sync,
    make_band,
    queue_job,
    run_all,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_is_pruned_while_its_retry_is_created(settings: Any) -> None:
    old = queue_job(JobType.PRUNE)
    long_ago = timezone.now() - dt.timedelta(days=settings.SYNC_KEEP_JOBS_DAYS + 1)
    SyncJob.objects.update(status=JobStatus.FAILED, completed_at=long_ago)
    pruning = queue_job(JobType.PRUNE)
    with transaction.atomic():
        (created,) = job_operations.retry_jobs(PERSON, [old.pk]).values()
        prune = start_and_wait_for_lock(lambda: run_attempt(claim("maintenance")))
    assert prune.result() is True
    pruning.refresh_from_db()
    retry = SyncJob.objects.get(pk=created.job.pk)  # type: ignore[union-attr]
    assert (pruning.status, retry.retry_of_id, retry.status) == (JobStatus.COMPLETED, None, JobStatus.QUEUED)


def test_prune_deletes_only_jobs_that_ended_long_ago(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 5)
    old, new = full_sync(band), full_sync(band)
    SyncJob.objects.filter(pk=old.pk).update(completed_at=timezone.now() - dt.timedelta(days=91))
    job = triggers.trigger_maintenance(PERSON, JobType.PRUNE).job
    run_all()
    assert set(SyncJob.objects.values_list("pk", flat=True)) == {new.pk, job.pk}


def test_a_job_of_a_paused_band_outlives_the_all_bands_job_that_queued_it() -> None:
    parent, (child,) = fanned_out(1)
    band = make_band("herons")
    SyncJob.objects.filter(pk=child.pk).update(band=band)
    band_pauses.pause_band(PERSON, band.pk)
    long_ago = timezone.now() - dt.timedelta(days=91)
    SyncJob.objects.filter(pk=parent.pk, status=JobStatus.COMPLETED).update(completed_at=long_ago)
    queue_job(JobType.PRUNE)
    assert run_attempt(claim("maintenance"))
    assert not SyncJob.objects.filter(pk=parent.pk).exists()
    band_pauses.resume_band(PERSON, band.pk)
    assert claim().job_id == child.pk
