"""Retrying, cancelling and deleting many jobs at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from syncjobs.choices import JobStatus, JobType
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.models import AuditEntry, BulkAction, JobError, SyncJob
from syncjobs.operations import bulk, errors, triggers
from syncjobs.operations import jobs as job_operations
from tests.concurrency import someone_waits_for_a_lock, start_and_wait_for_lock
from tests.factories import PERSON, claim, failed_job, fanned_out, make_band, queue_job, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = "UCabcdefghijklmnopqrstuv"


def test_simultaneous_bulk_retries_create_one_job_for_each() -> None:
    """This holds for jobs without a deduplication key too, and nothing deadlocks."""
    bands = [make_band(f"b{number}", f"UC{number:022d}") for number in range(10)]
    jobs = [triggers.trigger_sync(PERSON, band, full=True).job for band in bands]
    jobs += [queue_job(JobType.ENRICH) for _ in range(30)]
    SyncJob.objects.update(status=JobStatus.FAILED)
    ids = [job.pk for job in jobs]
    starts = threading.Barrier(4)

    def retry(number: int) -> bulk.BulkResult:
        try:
            starts.wait(5)
            return bulk.apply(PERSON, "retry", ids if number % 2 else ids[::-1])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(retry, range(4)))
    assert [outcome.refused for outcome in outcomes] == [{}] * 4
    assert {tuple(sorted(outcome.retried.items())) for outcome in outcomes} == {
        tuple(SyncJob.objects.filter(retry_of__isnull=False).order_by("retry_of").values_list("retry_of", "pk"))
    }
    assert SyncJob.objects.filter(retry_of__isnull=False).count() == len(ids)


def test_failed_jobs_of_one_band_are_retried_by_one_job() -> None:
    band = make_band(reference=CHANNEL)
    for _ in range(2):
        triggers.trigger_sync(PERSON, band, full=True)
        SyncJob.objects.update(status=JobStatus.FAILED)
    first, second = SyncJob.objects.order_by("pk")
    outcome = bulk.apply(PERSON, "retry", [first.pk, second.pk])
    assert list(outcome.retried) == [first.pk, second.pk]
    assert len(set(outcome.retried.values())) == 1
    is_new = AuditEntry.objects.filter(action="retry_job").order_by("pk").values_list("data__new", flat=True)
    assert list(is_new) == [True, False]


@pytest.mark.parametrize("in_background", [False, True])
def test_of_two_people_who_retry_a_group_at_once_one_retries_it(
    in_background: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jobs are chosen first; while the first action retries them, the retries may end before the second one begins."""
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 0 if in_background else 9)
    band = make_band(reference=CHANNEL)
    for _ in range(2):  # One of them is covered by the retry of the other.
        queue_job(band=band, dedupe_key="FULL")
        engine_outcomes.fail(claim(), "It broke.", reason="broken")
    ended = failed_job()
    key = JobError.objects.latest("pk").group_id
    chosen = errors.unretried_jobs(fingerprint=key)
    ids = SyncJob.objects.filter(pk__in=list(chosen.values_list("pk", flat=True))).order_by("pk")
    monkeypatch.setattr(errors, "unretried_jobs", lambda **_filters: ids)
    results = [bulk.retry_group(PERSON, key)]
    bulk.run_pending()
    retries = SyncJob.objects.filter(retry_of__isnull=False)
    retries.filter(retry_of=ended).update(status=JobStatus.CANCELLED, cancel_requested_at=timezone.now())
    retries.filter(retry_of__lt=ended.pk).update(status=JobStatus.COMPLETED)
    results.append(bulk.retry_group(PERSON, key))
    bulk.run_pending()
    assert retries.count() == 2
    for result, covered in zip(results, (1, 3), strict=True):
        if isinstance(result, BulkAction):
            result.refresh_from_db()
            assert (result.succeeded, result.covered, result.refused) == (3, covered, {})
        else:
            assert (len(result.retried), len(result.covered_by), result.refused) == (3, covered, {})
    # A person may still retry such a job on purpose.
    assert job_operations.retry_job(PERSON, ended.pk).is_new


def test_a_bulk_cancel_treats_each_job_like_a_single_cancel() -> None:
    """Parents are cancelled with their children, running jobs are asked to stop, and ended jobs are refused."""
    parent, children = fanned_out(3)
    running, ended, alone = claim(), queue_job(JobType.PRUNE), queue_job(JobType.ENRICH)
    SyncJob.objects.filter(pk=ended.pk).update(status=JobStatus.COMPLETED)
    outcome = bulk.apply(PERSON, "cancel", [parent.pk, children[1].pk, ended.pk, alone.pk, 999_999])
    assert outcome.cancelled == [parent.pk, children[1].pk, alone.pk]
    assert set(outcome.refused) == {ended.pk, 999_999}
    states = dict(SyncJob.objects.values_list("pk", "status"))
    assert [states[child.pk] for child in children] == ["IN_PROGRESS", "CANCELLED", "CANCELLED"]
    assert (states[parent.pk], states[alone.pk]) == ("CANCELLED", "CANCELLED")
    engine_outcomes.acknowledge_cancel(running)
    parent.refresh_from_db()
    assert parent.progress_done == 3
    results = AuditEntry.objects.filter(action="cancel_job").order_by("pk").values_list("target_id", "result")
    assert dict(results) == {
        str(parent.pk): "ok",
        str(children[1].pk): "ok",
        str(ended.pk): "wrong_state",
        str(alone.pk): "ok",
    }
    kinds = list(alone.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["QUEUED", "CANCEL_REQUESTED", "CANCELLED"]


def test_a_bulk_retry_during_a_fan_out_does_not_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """Both insert jobs for the same bands in one transaction, and so must do it in the same order."""
    bands = [make_band(f"{9 - number} band", f"UC{number:022d}") for number in range(10)]
    failed = [triggers.trigger_sync(PERSON, band, full=True).job for band in bands]
    SyncJob.objects.update(status=JobStatus.FAILED)
    second = threading.Event()

    def queue_all() -> None:
        """Queue all bands as a worker does, with a pause after the first one."""
        try:
            with transaction.atomic():
                queue_job(band=bands[0], dedupe_key=f"FULL_SYNC:band:{bands[0].pk}")
                second.set()
                wait_for(someone_waits_for_a_lock)
                for band in bands[1:]:
                    queue_job(band=band, dedupe_key=f"FULL_SYNC:band:{band.pk}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        queueing = pool.submit(queue_all)
        assert second.wait(5)
        outcome = bulk.apply(PERSON, "retry", [job.pk for job in failed])
        queueing.result()
    assert (outcome.refused, caplog.records) == ({}, [])
    active = SyncJob.objects.active()
    assert set(outcome.retried.values()) == set(active.values_list("pk", flat=True))
    assert active.count() == 10


def test_clearing_and_retrying_the_same_jobs_does_not_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """Both lock the jobs in the same order, whatever the order of their bands."""
    first, second = make_band("a", CHANNEL), make_band("b", CHANNEL[::-1].replace("v", "U", 1))
    jobs = [queue_job(band=band, dedupe_key=band.slug) for band in (second, first)]
    SyncJob.objects.update(status=JobStatus.FAILED)
    with transaction.atomic():
        SyncJob.objects.select_for_update().get(pk=jobs[0].pk)
        retrying = start_and_wait_for_lock(lambda: bulk.apply(PERSON, "retry", [job.pk for job in jobs]))
        assert SyncJob.objects.select_for_update(nowait=True).get(pk=jobs[1].pk) == jobs[1]
    assert (retrying.result().refused, caplog.records) == ({}, [])


def test_a_bulk_action_does_not_refuse_jobs_because_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    job = queue_job()

    def away(*_: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(bulk.job_operations, "cancel_jobs", away)
    with pytest.raises(OperationalError):
        bulk.apply(PERSON, "cancel", [job.pk])


def test_a_cancellation_in_the_background_counts_the_children_that_it_cancelled_with_their_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their turn comes in a later chunk than that of their parent."""
    parent, children = fanned_out(6)
    ended = queue_job(JobType.PRUNE)
    job_operations.cancel_job(PERSON, children[0].pk)
    SyncJob.objects.filter(pk=ended.pk).update(status=JobStatus.COMPLETED)
    monkeypatch.setattr(bulk, "MAX_FOREGROUND", 1)
    monkeypatch.setattr(bulk, "_CHUNK", 2)
    started = bulk.start(PERSON, "cancel", [parent.pk, *(child.pk for child in children), ended.pk])
    assert isinstance(started, BulkAction)
    bulk.run_pending()
    started.refresh_from_db()
    assert (started.done, started.succeeded) == (8, 6)
    assert set(started.refused) == {str(children[0].pk), str(ended.pk)}
    assert SyncJob.objects.filter(status=JobStatus.CANCELLED).count() == 7
