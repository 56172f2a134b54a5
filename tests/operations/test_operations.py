from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from syncjobs.choices import JobStatus, JobType, Priority
from syncjobs.engine import attempts as engine_attempts
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.engine.fingerprints import fingerprint
from syncjobs.exceptions import CancelRequested, Conflict, InvalidInput, NoChannel, NotFound, RecentlySynced, WrongState
from syncjobs.models import AuditEntry, BulkAction, SyncJob
from syncjobs.operations import bands as band_operations
from syncjobs.operations import bulk, queues, triggers
from syncjobs.operations import jobs as job_operations
from syncjobs.sync.run import run_attempt
from tests.factories import PERSON, SCHEDULE, claim, make_band, queue_job, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
CHANNEL = "UCabcdefghijklmnopqrstuv"


def test_equal_triggers_at_the_same_moment_make_one_job() -> None:
    band = make_band(reference=CHANNEL)

    def trigger(_: int) -> tuple[int, bool]:
        try:
            created = triggers.trigger_sync(PERSON, band, full=True)
            return created.job.pk, created.is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(trigger, range(16)))
    assert len({job_id for job_id, _ in results}) == 1 == SyncJob.objects.count()
    assert sum(is_new for _, is_new in results) == 1


def test_people_go_before_schedules() -> None:
    first = triggers.trigger_sync(SCHEDULE, make_band("a", CHANNEL), full=True).job
    second = triggers.trigger_sync(PERSON, make_band("b", CHANNEL), full=True).job
    urgent = triggers.trigger_sync(PERSON, make_band("c", CHANNEL), full=True, priority=Priority.URGENT).job
    assert [claim().job_id for _ in range(3)] == [urgent.pk, second.pk, first.pk]


def test_a_band_synced_a_moment_ago_is_not_synced_again_unless_forced() -> None:
    now = timezone.now()
    band = make_band(reference=CHANNEL, last_full_sync_at=now)
    for full in (True, False):
        with pytest.raises(RecentlySynced) as refused:
            triggers.trigger_sync(PERSON, band, full=full)
        assert refused.value.details["allowed_at"] == now + dt.timedelta(seconds=900)
    assert triggers.trigger_sync(PERSON, band, full=True, force=True).is_new
    assert list(AuditEntry.objects.order_by("pk").values_list("result", flat=True)) == ["recently_synced"] * 2 + ["ok"]


def test_what_can_not_be_synced_says_why() -> None:
    with pytest.raises(NoChannel, match="has no YouTube channel"):
        triggers.trigger_sync(PERSON, make_band("a"), full=True)
    with pytest.raises(Conflict, match="inactive"):
        triggers.trigger_sync(PERSON, make_band("b", CHANNEL, is_active=False), full=True)
    with pytest.raises(InvalidInput) as refused:
        triggers.trigger_sync(PERSON, make_band("c", CHANNEL), full=True, priority=7)
    assert refused.value.field == "priority"
    with pytest.raises(InvalidInput, match="is not a video"):
        triggers.trigger_video(PERSON, "nonsense")
    assert SyncJob.objects.count() == 0


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


def _fanned_out(count: int) -> tuple[SyncJob, list[SyncJob]]:
    """An all-bands job that waits for so many children."""
    parent = queue_job(fans_out=True)
    attempt = claim()
    children = [queue_job(parent=parent) for _ in range(count)]
    with transaction.atomic():
        engine_attempts.save_progress(attempt, checkpoint={"fanned_out": True})
    engine_outcomes.wait_for_children(attempt)
    return parent, children


def test_cancelling_all_bands_cancels_the_children() -> None:
    parent, children = _fanned_out(3)
    running = claim()
    job_operations.cancel_job(PERSON, parent.pk)
    states = dict(SyncJob.objects.values_list("pk", "status"))
    assert states[parent.pk] == JobStatus.CANCELLED
    assert sorted(states[child.pk] for child in children) == ["CANCELLED", "CANCELLED", "IN_PROGRESS"]
    engine_outcomes.acknowledge_cancel(running)
    with pytest.raises(WrongState):
        job_operations.cancel_job(PERSON, parent.pk)


def test_cancelling_all_bands_while_they_are_being_queued_leaves_nothing_running() -> None:
    parent = queue_job(fans_out=True)
    attempt = claim()
    child = queue_job(parent=parent)
    with transaction.atomic():
        engine_attempts.save_progress(attempt, checkpoint={"fanned_out": True})
    job_operations.cancel_job(PERSON, parent.pk)
    with pytest.raises(CancelRequested):
        engine_outcomes.wait_for_children(attempt)
    engine_outcomes.acknowledge_cancel(attempt)
    assert set(SyncJob.objects.values_list("pk", "status")) == {(parent.pk, "CANCELLED"), (child.pk, "CANCELLED")}


def test_a_parent_completes_when_children_that_end_together_have() -> None:
    parent, _children = _fanned_out(8)
    attempts = [claim() for _ in range(8)]

    def end(child: Any) -> None:
        engine_outcomes.complete(child)
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, attempts))
    parent.refresh_from_db()
    assert (parent.status, parent.progress_done) == (JobStatus.COMPLETED, 8)
    assert parent.events.filter(kind="COMPLETED").count() == 1


def test_queues_are_paused_and_resumed_by_name() -> None:
    assert queues.pause_queue(PERSON, "video-sync", "tidying") == ["video-sync"]
    assert queues.pause_queue(PERSON, "all") == ["maintenance", "video-processing"]
    assert queues.resume_queue(PERSON, "all") == ["maintenance", "video-processing", "video-sync"]
    with pytest.raises(InvalidInput, match="video-sync") as refused:
        queues.pause_queue(PERSON, "nonsense")
    assert refused.value.field == "queue"


def test_a_clear_that_breaks_off_keeps_what_it_did_and_is_in_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_clear_failed_deletes_the_failed_of_one_queue() -> None:
    for job_type in (JobType.FULL_SYNC, JobType.STATS_REFRESH):
        queue_job(job_type)
    engine_outcomes.fail(claim(), "no", reason="x")
    engine_outcomes.fail(claim("maintenance"), "no", reason="x")
    kept = queue_job()
    assert bulk.clear_failed(PERSON, "video-sync") == 1
    assert bulk.clear_failed(PERSON) == 1
    assert SyncJob.objects.get() == kept


def test_the_audit_can_not_be_rewritten() -> None:
    queues.pause_queue(PERSON, "all", "why")
    entry = AuditEntry.objects.get()
    assert (entry.actor_label, entry.action, entry.target_id, entry.result, entry.message) == (
        "pat",
        "pause_queue",
        "all",
        "ok",
        "why",
    )
    for statement in ("UPDATE syncjobs_auditentry SET result = 'x'", "DELETE FROM syncjobs_auditentry"):
        with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
            cursor.execute(statement)


def test_errors_of_one_kind_share_a_fingerprint() -> None:
    same = [
        ("notFound", "YouTube no longer has the channel UCabcdefghijklmnopqrstuv."),
        ("notFound", "YouTube no longer has the channel UC0123456789012345678901."),
    ]
    assert len({fingerprint(*error) for error in same}) == 1
    assert len({fingerprint("timeout", f"No answer within {n} seconds for dQw4w9WgXc{n}") for n in range(9)}) == 1
    assert fingerprint("a", "information") != fingerprint("a", "application")
    assert fingerprint("a", "same") != fingerprint("b", "same")


def _someone_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction one look at the activity is kept for all that follow.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("in_bulk", [False, True])
def test_cancelling_all_bands_while_one_of_them_ends_is_no_deadlock(in_bulk: bool) -> None:
    parent = queue_job(fans_out=True)
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.IN_PROGRESS)
    children = [queue_job(parent=parent, dedupe_key=f"k{number}") for number in range(3)]
    holds = threading.Event()

    def end_one() -> None:
        """As a worker does: the child's row first, then its parent's."""
        try:
            with transaction.atomic():
                SyncJob.objects.filter(pk=children[-1].pk).update(progress_done=1)
                holds.set()
                wait_for(_someone_waits_for_a_lock)
                SyncJob.objects.filter(pk=parent.pk).update(progress_done=1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_one)
        assert holds.wait(5)
        if in_bulk:
            ids = [child.pk for child in children]
            BulkAction.objects.create(
                action="cancel", job_ids=ids, total=len(ids), actor_label="ann", origin=PERSON.origin
            )
            assert bulk.run_pending() == 3
        else:
            job_operations.cancel_job(PERSON, parent.pk)
        ending.result()
    assert {child.status for child in parent.children.all()} == {JobStatus.CANCELLED}


def test_a_band_that_is_deleted_meanwhile_keeps_none_of_the_others_from_being_synced() -> None:
    gone, there = make_band("a", CHANNEL), make_band("b", CHANNEL)
    type(gone).objects.filter(pk=gone.pk).delete()
    outcomes = triggers.trigger_bands(PERSON, [gone, there], full=True)
    assert isinstance(outcomes[gone.pk], NotFound)
    assert SyncJob.objects.get().band == there


def test_who_retry_the_same_jobs_at_once_get_one_new_job_for_each() -> None:
    """Jobs without a key that would make equal ones one, too; and no two of them deadlock."""
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
    told = AuditEntry.objects.filter(action="retry_job").order_by("pk").values_list("data__new", flat=True)
    assert list(told) == [True, False]


def test_many_are_cancelled_like_one() -> None:
    """All-bands jobs with their children, named themselves or not; who runs stops by itself, who has ended is refused."""
    parent, children = _fanned_out(3)
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
        "999999": "not_found",
    }
    kinds = list(alone.events.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["QUEUED", "CANCEL_REQUESTED", "CANCELLED"]


def test_retrying_many_bands_while_all_are_queued_is_no_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """Both make jobs with the keys of many bands in one transaction, whatever the bands are called."""
    bands = [make_band(f"{9 - number} band", f"UC{number:022d}") for number in range(10)]
    failed = [triggers.trigger_sync(PERSON, band, full=True).job for band in bands]
    SyncJob.objects.update(status=JobStatus.FAILED)
    second = threading.Event()

    def queue_all() -> None:
        """As a worker does that starts an all-bands job, and is slow between the first band and the rest."""
        try:
            with transaction.atomic():
                queue_job(band=bands[0], dedupe_key=f"FULL_SYNC:band:{bands[0].pk}")
                second.set()
                wait_for(_someone_waits_for_a_lock)
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


def test_what_is_just_being_cancelled_does_not_stand_for_what_is_asked_now() -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    attempt = claim()
    job_operations.cancel_job(PERSON, job.pk)
    with pytest.raises(Conflict, match="being cancelled"):
        triggers.trigger_sync(PERSON, band, full=True, force=True)
    engine_outcomes.acknowledge_cancel(attempt)
    assert triggers.trigger_sync(PERSON, band, full=True, force=True).is_new


def test_a_band_that_is_gone_is_named_by_whatever_is_triggered_for_it() -> None:
    band = make_band(reference=CHANNEL)
    type(band).objects.filter(pk=band.pk).delete()
    with pytest.raises(NotFound):
        triggers.trigger_video(PERSON, "dQw4w9WgXcQ", band)
    with pytest.raises(NotFound):
        triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH, band)


def _meanwhile(act: Any) -> Any:
    """Has it done in another thread, which is to wait for a lock that the caller's transaction has."""

    def run() -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    doing = pool.submit(run)
    wait_for(_someone_waits_for_a_lock)
    pool.shutdown(wait=False)
    return doing


def test_deleting_a_band_while_its_job_is_retried_is_no_deadlock() -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    SyncJob.objects.update(status=JobStatus.FAILED)
    with transaction.atomic():
        job_operations.retry_jobs(PERSON, [job.pk])
        deleting = _meanwhile(lambda: band_operations.delete(PERSON, band.pk))
    with pytest.raises(Conflict, match="queued or running"):
        deleting.result()
    with transaction.atomic():
        type(band).objects.select_for_update().get(pk=band.pk)
        SyncJob.objects.active().update(status=JobStatus.FAILED)
        retrying = _meanwhile(lambda: job_operations.retry_jobs(PERSON, [job.pk]))
        # The jobs of the band lose it, as in a deletion.
        SyncJob.objects.filter(band=band).update(band=None)
        type(band).objects.filter(pk=band.pk).delete()
    assert isinstance(retrying.result()[job.pk], Conflict)


def test_clearing_and_retrying_the_same_jobs_is_no_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever order their bands are in."""
    first, second = make_band("a", CHANNEL), make_band("b", CHANNEL[::-1].replace("v", "U", 1))
    jobs = [queue_job(band=band, dedupe_key=band.slug) for band in (second, first)]
    SyncJob.objects.update(status=JobStatus.FAILED)
    with transaction.atomic():
        SyncJob.objects.select_for_update().get(pk=jobs[0].pk)
        retrying = _meanwhile(lambda: bulk.apply(PERSON, "retry", [job.pk for job in jobs]))
        assert SyncJob.objects.select_for_update(nowait=True).get(pk=jobs[1].pk) == jobs[1]
    assert (retrying.result().refused, caplog.records) == ({}, [])


def test_what_is_just_being_retried_is_pruned_without_a_fault(settings: Any) -> None:
    old = queue_job(JobType.PRUNE)
    long_ago = timezone.now() - dt.timedelta(days=settings.SYNC_KEEP_JOBS_DAYS + 1)
    SyncJob.objects.update(status=JobStatus.FAILED, completed_at=long_ago)
    pruning = queue_job(JobType.PRUNE)
    with transaction.atomic():
        (created,) = job_operations.retry_jobs(PERSON, [old.pk]).values()
        prune = _meanwhile(lambda: run_attempt(claim("maintenance")))
    assert prune.result() is True
    pruning.refresh_from_db()
    retry = SyncJob.objects.get(pk=created.job.pk)  # type: ignore[union-attr]
    assert (pruning.status, retry.retry_of_id, retry.status) == (JobStatus.COMPLETED, None, JobStatus.QUEUED)


def test_what_fails_after_it_was_counted_is_not_cleared() -> None:
    running, failed = queue_job(JobType.PRUNE), queue_job(JobType.PRUNE)
    SyncJob.objects.filter(pk=failed.pk).update(status=JobStatus.FAILED, completed_at=timezone.now())
    until = timezone.now()
    assert bulk.failed_jobs("all", until).count() == 1
    SyncJob.objects.filter(pk=running.pk).update(status=JobStatus.FAILED, completed_at=timezone.now())
    assert bulk.clear_failed(PERSON, "all", until) == 1
    assert SyncJob.objects.get() == running
