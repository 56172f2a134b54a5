"""Cancelling jobs, and parents with their children."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from syncjobs.choices import JobStatus
from syncjobs.engine import lease, timeline
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.exceptions import CancelRequested, WrongState
from syncjobs.models import BulkAction, JobEvent, SyncJob
from syncjobs.operations import bulk
from syncjobs.operations import jobs as job_operations
from tests.concurrency import someone_waits_for_a_lock
from tests.factories import PERSON, claim, fanned_out, queue_job, wait_for

pytestmark = pytest.mark.django_db


def test_cancelling_a_parent_cancels_its_children() -> None:
    parent, children = fanned_out(3)
    running = claim()
    job_operations.cancel_job(PERSON, parent.pk)
    states = dict(SyncJob.objects.values_list("pk", "status"))
    assert states[parent.pk] == JobStatus.CANCELLED
    assert sorted(states[child.pk] for child in children) == ["CANCELLED", "CANCELLED", "IN_PROGRESS"]
    engine_outcomes.acknowledge_cancel(running)
    with pytest.raises(WrongState):
        job_operations.cancel_job(PERSON, parent.pk)


def test_events_of_many_jobs_are_inserted_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL ends a transaction that is idle for seconds while one statement for thousands of rows is made."""
    monkeypatch.setattr(timeline, "BATCH", 2)
    parent, children = fanned_out(5)
    with CaptureQueriesContext(connection) as queries:
        job_operations.cancel_job(PERSON, parent.pk)
    inserts = [query["sql"] for query in queries if 'INSERT INTO "syncjobs_jobevent"' in query["sql"]]
    assert len(inserts) == 2 * 3
    assert JobEvent.objects.filter(job__in=children, kind="CANCELLED").count() == 5


def test_cancelling_a_parent_during_its_fan_out_leaves_nothing_running() -> None:
    parent = queue_job(fans_out=True)
    attempt = claim()
    child = queue_job(parent=parent)
    with transaction.atomic():
        lease.save_progress(attempt, checkpoint={"fanned_out": True})
    job_operations.cancel_job(PERSON, parent.pk)
    with pytest.raises(CancelRequested):
        engine_outcomes.wait_for_children(attempt)
    engine_outcomes.acknowledge_cancel(attempt)
    assert set(SyncJob.objects.values_list("pk", "status")) == {(parent.pk, "CANCELLED"), (child.pk, "CANCELLED")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_bulk", [False, True])
def test_cancelling_a_parent_while_a_child_ends_does_not_deadlock(in_bulk: bool) -> None:
    parent = queue_job(fans_out=True)
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.IN_PROGRESS)
    children = [queue_job(parent=parent, dedupe_key=f"k{number}") for number in range(3)]
    locked = threading.Event()

    def end_one() -> None:
        """Lock the child first and then its parent, as a worker does."""
        try:
            with transaction.atomic():
                SyncJob.objects.filter(pk=children[-1].pk).update(progress_done=1)
                locked.set()
                wait_for(someone_waits_for_a_lock)
                SyncJob.objects.filter(pk=parent.pk).update(progress_done=1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(end_one)
        assert locked.wait(5)
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
