"""Pausing and resuming queues, and clearing their failed jobs."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from syncjobs.choices import JobStatus, JobType
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.exceptions import InvalidInput
from syncjobs.models import AuditEntry, BulkAction, SyncJob
from syncjobs.operations import bulk, queues, triggers, waiting
from tests.factories import PERSON, claim, failed_job, queue_job

pytestmark = pytest.mark.django_db


def test_queues_are_paused_and_resumed_by_name() -> None:
    assert queues.pause_queue(PERSON, "video-sync", "tidying") == ["video-sync"]
    assert queues.pause_queue(PERSON, "all") == ["maintenance", "video-processing"]
    assert queues.resume_queue(PERSON, "all") == ["maintenance", "video-processing", "video-sync"]
    with pytest.raises(InvalidInput, match="video-sync") as refused:
        queues.pause_queue(PERSON, "nonsense")
    assert refused.value.field == "queue"


def test_what_is_queued_while_its_queue_is_paused_says_so() -> None:
    failed = [failed_job() for _ in range(2)]
    paused = "The queue Maintenance is paused, so its jobs wait."
    queues.pause_queue(PERSON, "maintenance")
    created = triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH)
    assert triggers.describe(created) == f"Job #{created.job.pk} is queued. {paused}"
    retried = bulk.apply(PERSON, BulkAction.Action.RETRY, [job.pk for job in failed])
    said = bulk.summary(BulkAction.Action.RETRY, retried)
    assert said.endswith(paused), said
    queues.resume_queue(PERSON, "maintenance")
    assert paused not in triggers.describe(created) + bulk.summary(BulkAction.Action.RETRY, retried)
    assert waiting.pauses([]) == ""


def test_an_interrupted_clear_keeps_its_deletions_and_is_audited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_CLEAR_BATCH", 2)
    jobs = [queue_job(JobType.PRUNE) for _ in range(7)]
    SyncJob.objects.update(status=JobStatus.FAILED)
    real, batches = bulk._clear_batch, []

    def breaks_at_the_third(*selection: Any) -> int:
        batches.append(selection)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return real(*selection)

    monkeypatch.setattr(bulk, "_clear_batch", breaks_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        bulk.clear_failed(PERSON)
    assert list(SyncJob.objects.order_by("pk")) == jobs[4:]
    assert AuditEntry.objects.get(action="clear_failed").data == {"count": 7}
    assert bulk.clear_failed(PERSON) == 3


def test_clear_failed_deletes_the_failed_jobs_of_one_queue() -> None:
    for job_type in (JobType.FULL_SYNC, JobType.STATS_REFRESH):
        queue_job(job_type)
    engine_outcomes.fail(claim(), "no", reason="x")
    engine_outcomes.fail(claim("maintenance"), "no", reason="x")
    kept = queue_job()
    assert bulk.clear_failed(PERSON, "video-sync") == 1
    assert bulk.clear_failed(PERSON) == 1
    assert SyncJob.objects.get() == kept


def test_clear_failed_leaves_jobs_that_failed_after_the_count() -> None:
    running, failed = queue_job(JobType.PRUNE), queue_job(JobType.PRUNE)
    SyncJob.objects.filter(pk=failed.pk).update(status=JobStatus.FAILED, completed_at=timezone.now())
    until = timezone.now()
    assert bulk.failed_jobs(queues.queue_names("all"), until).count() == 1
    SyncJob.objects.filter(pk=running.pk).update(status=JobStatus.FAILED, completed_at=timezone.now())
    assert bulk.clear_failed(PERSON, "all", until) == 1
    assert SyncJob.objects.get() == running
