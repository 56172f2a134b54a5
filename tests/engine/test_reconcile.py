"""What the reconciler repairs."""

from __future__ import annotations

import datetime as dt
from unittest.mock import Mock

import pytest
import redis
from django.db import transaction
from django.utils import timezone

from syncjobs.choices import AttemptOutcome, JobStatus
from syncjobs.engine import broker, lease, outcomes
from syncjobs.engine.reconcile import reconcile
from syncjobs.exceptions import Fenced
from syncjobs.models import Attempt, BandImport, BulkAction, SyncJob
from syncjobs.operations import jobs, queues
from tests.factories import PERSON, claim, queue_job

pytestmark = pytest.mark.django_db


def test_an_unacknowledged_cancel_is_enforced_after_the_grace_period(
    settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SYNC_CANCEL_GRACE_SECONDS = 1  # type: ignore[attr-defined]
    killed: list[str] = []
    monkeypatch.setattr("syncjobs.engine.broker.terminate", killed.append)
    job = queue_job()
    attempt = claim()
    Attempt.objects.filter(pk=attempt.pk).update(task_id="task-7")
    jobs.cancel_job(PERSON, job.pk)
    assert reconcile().killed == 0
    SyncJob.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now() - dt.timedelta(seconds=2))
    assert reconcile().killed == 1
    job.refresh_from_db()
    attempt.refresh_from_db()
    assert (job.status, attempt.outcome, killed) == (JobStatus.CANCELLED, AttemptOutcome.KILLED, ["task-7"])
    with pytest.raises(Fenced):
        outcomes.complete(attempt)


def test_reconcile_sends_only_missing_wake_ups(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int]] = []

    def notify(queue: str, wake_ups: int = 1) -> int:
        sent.append((queue, wake_ups))
        return wake_ups

    monkeypatch.setattr("syncjobs.engine.broker.notify", notify)
    for _ in range(3):
        queue_job()
    sent.clear()
    monkeypatch.setattr("syncjobs.engine.broker.pending_wake_ups", lambda queue: 1)
    reconcile()
    assert sent == []
    monkeypatch.setattr("syncjobs.engine.broker.pending_wake_ups", lambda queue: 0)
    reconcile()
    assert sent == [("video-sync", 3)]
    sent.clear()
    queues.pause_queue(PERSON, "video-sync")
    reconcile()
    assert sent == []


def test_a_cancelled_all_bands_job_of_a_lost_worker_ends() -> None:
    parent = queue_job(fans_out=True)
    attempt = claim()
    with transaction.atomic():
        lease.save_progress(attempt, checkpoint={"fanned_out": True})
    jobs.cancel_job(PERSON, parent.pk)
    Attempt.objects.update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    reconcile()
    parent.refresh_from_db()
    assert parent.status == JobStatus.CANCELLED


@pytest.mark.parametrize("kind", [BulkAction, BandImport])
def test_a_background_action_whose_message_was_lost_is_run(
    monkeypatch: pytest.MonkeyPatch, kind: type[BulkAction | BandImport]
) -> None:
    sent: list[str] = []
    monkeypatch.setattr("syncjobs.engine.broker._send", lambda task, queue, *_: sent.append(task) is None)
    pending: int | None = 0
    monkeypatch.setattr("syncjobs.engine.broker.pending_wake_ups", lambda queue: pending)
    of_kind = {"action": "retry", "job_ids": [1]} if kind is BulkAction else {"packed": b"x", "is_csv": False}
    action = kind._default_manager.create(total=1, actor_label="pat", origin="API", **of_kind)
    assert reconcile().wake_ups_sent == 1
    assert sent == [broker.BULK_TASK]
    pending = 1
    assert reconcile().wake_ups_sent == 0
    pending = None
    assert not reconcile().broker_answered
    pending = 0
    kind._default_manager.filter(pk=action.pk).update(ended_at=timezone.now())
    assert reconcile().wake_ups_sent == 0
    assert sent == [broker.BULK_TASK]


def test_redis_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def refuse(*_: object, **__: object) -> None:
        tries.append(1)
        raise OSError("timed out")

    monkeypatch.setattr(broker.current_app, "send_task", refuse)
    monkeypatch.setattr(broker, "_away_until", 0.0)
    broker.notify("video-sync", 8)
    broker.notify("maintenance")
    assert len(tries) == 1
    assert broker.pending_wake_ups("video-sync") is not None, "Redis answers again"
    broker.notify("video-sync", 8)
    assert len(tries) == 2


def test_wake_ups_that_redis_refuses_are_not_reported_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis that is full or read-only still counts its messages."""
    queue_job()
    BulkAction.objects.create(action="retry", job_ids=[1], total=1, actor_label="pat", origin="API")
    monkeypatch.setattr(broker, "_away_until", 0.0)
    broker._send_outage.end()
    broker.redis_client().delete("video-sync", broker.BULK_QUEUE)
    refuse = Mock(side_effect=redis.exceptions.OutOfMemoryError("OOM command not allowed"))
    monkeypatch.setattr(broker.current_app, "send_task", refuse)
    for _ in range(3):
        report = reconcile()
        assert (report.wake_ups_sent, report.broker_answered, bool(report)) == (0, False, False)
    assert refuse.call_count > 1
    assert caplog.text.count("Could not send") == 1


def test_a_kill_does_not_wait_for_a_redis_that_has_just_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    revoke = Mock(side_effect=OSError("timed out"))
    monkeypatch.setattr(broker.current_app.control, "revoke", revoke)
    monkeypatch.setattr(broker, "_away_until", 0.0)
    broker.terminate("one")
    broker.terminate("two")
    assert revoke.call_count == 1
