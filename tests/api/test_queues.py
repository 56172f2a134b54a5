"""Queues: figures, pause, resume and clearing failed jobs."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from syncjobs.choices import DelayReason, Role
from syncjobs.models import Queue, SyncJob
from syncjobs.operations import queues
from tests.clients import Api
from tests.factories import queue_job, various_jobs

pytestmark = pytest.mark.django_db


def test_queue_figures_sum_to_all_jobs() -> None:
    various_jobs()
    api = Api(Role.ADMIN)
    rows = api.get("admin/queue/status").json()
    counted = sum(
        row[name] for row in rows for name in ("waiting", "active", "delayed", "completed", "failed", "cancelled")
    )
    assert counted == SyncJob.objects.count() == 60
    assert api.post("admin/queue/pause", {"reason": "tidying"}).json() == {"message": "Paused: video-sync."}
    paused = {row["name"]: (row["paused"], row["pauseReason"]) for row in api.get("admin/queue/status").json()}
    assert paused["video-sync"] == (True, "tidying")
    assert api.post("admin/queue/pause", {"queue": "nonsense"}).json()["errors"][0]["field"] == "queue"
    assert api.post("admin/queue/resume", {"queue": "all"}).status_code == 200
    assert Queue.objects.filter(paused_at=None).count() == 3
    assert api.post("admin/queue/clear-failed").json()["count"] == 12


def test_pausing_again_adds_a_reason() -> None:
    api = Api(Role.ADMIN)
    api.post("admin/queue/pause")
    since = Queue.objects.get(pk="video-sync").paused_at
    assert "paused already" in api.post("admin/queue/pause", {"reason": " clean-up "}).json()["message"]
    queue = Queue.objects.get(pk="video-sync")
    assert (queue.pause_reason, queue.paused_at) == ("clean-up", since)
    queues.pause_for_configuration("bad key")
    assert Queue.objects.get(pk="video-sync").pause_reason == "clean-up"


def test_queued_jobs_are_waiting_or_delayed(moderator: Api) -> None:
    now = queue_job("PRUNE")  # type: ignore[arg-type]
    later = SyncJob.objects.create(
        job_type="ENRICH",
        queue_id="video-processing",
        run_at=timezone.now() + dt.timedelta(hours=1),
        delay_reason=DelayReason.QUOTA_MAIN,
    )
    for filters, expected in (
        ({"due": "now"}, now),
        ({"due": "later"}, later),
        ({"delayReason": "QUOTA_MAIN"}, later),
        ({"status": "WAITING"}, now),
        ({"status": "DELAYED"}, later),
    ):
        result = moderator.get("admin/sync-jobs", **filters).json()
        assert ([job["id"] for job in result["data"]], result["total"]) == ([str(expected.pk)], 1)
    assert moderator.get("admin/sync-jobs", due="soon").status_code == 400
