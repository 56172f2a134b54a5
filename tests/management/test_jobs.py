"""sync_video, cancel_job, pause_queue, resume_queue, retry_jobs and clear_failed"""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.utils import timezone

from syncjobs.engine import outcomes
from syncjobs.management.doctor import site
from syncjobs.models import Queue, SyncJob
from syncjobs.operations import bulk
from syncjobs.youtube.simulator import Simulator
from tests.clients import command_error, run_command
from tests.factories import claim, fanned_out, make_band, queue_job

pytestmark = pytest.mark.django_db


def test_sync_video_pause_resume_cancel(youtube: Simulator) -> None:
    result = json.loads(run_command("sync_video", "dQw4w9WgXcQ", "--json"))
    assert result["new"] is True
    assert "already" in run_command("sync_video", "https://youtu.be/dQw4w9WgXcQ")
    assert "is cancelled" in run_command("cancel_job", result["jobId"])
    assert "already ended" in command_error("cancel_job", result["jobId"])
    assert "Paused: video-sync." in run_command("pause_queue", "video-sync", "--reason", "test")
    assert "already paused" in run_command("pause_queue", "video-sync")
    assert Queue.objects.get(pk="video-sync").pause_reason == "test"
    assert "Resumed: video-sync." in run_command("resume_queue", "all")


def test_retry_jobs_and_clear_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        queue_job("STATS_REFRESH", dedupe_key=f"k{number}")  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    waiting = queue_job("PRUNE")  # type: ignore[arg-type]
    assert "1 job could not be retried" in command_error("retry_jobs", str(waiting.pk))
    assert len(json.loads(run_command("retry_jobs", "--failed", "--json"))["retried"]) == 2
    assert "0 queued" in run_command("retry_jobs", "--failed", "--queue", "maintenance")
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or "n")
    assert command_error("clear_failed", "maintenance") == "Nothing was deleted."
    assert questions == ["Delete 2 failed jobs of maintenance, 2 of which have been retried? [y/N] "]
    assert "2 failed jobs deleted" in run_command("clear_failed", "maintenance", "--yes")
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 0)
    outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    assert "1 failed job in the background" in run_command("clear_failed", "maintenance", "--yes")
    assert bulk.run_pending() == 1
    assert "0 failed jobs deleted" in run_command("clear_failed", "maintenance")


def test_run_job_ends_a_delay() -> None:
    job = queue_job()
    SyncJob.objects.filter(pk=job.pk).update(run_at=timezone.now() + dt.timedelta(hours=5))
    assert "is no longer delayed" in run_command("run_job", str(job.pk))
    assert SyncJob.objects.waiting().get() == job


def test_delay_job_prioritize_job_and_move_to_front() -> None:
    first, job = queue_job(), queue_job()
    number = str(job.pk)
    assert run_command("move_to_front", number) == f"Job {job} is at the front of its queue.\n"
    assert SyncJob.objects.in_claim_order()[0] == job
    assert run_command("prioritize_job", number, "low") == f"Job {job} has the priority low.\n"
    assert SyncJob.objects.in_claim_order()[0] == first
    until = f"{timezone.now() + dt.timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    assert f"Job {job} is delayed until" in run_command("delay_job", number, "--until", until)
    assert f"Job {job} is delayed until" in run_command("delay_job", number, "--minutes", "60")
    assert SyncJob.objects.delayed().get() == job
    for wrong in (["--minutes", "-5"], ["--until", "2020-01-01"], ["--until", "soon"], []):
        assert command_error("delay_job", number, *wrong)
    assert "only a queued job" in command_error("move_to_front", str(_completed().pk))


def test_of_a_running_all_bands_job_the_queued_child_jobs_are_changed() -> None:
    parent = str(fanned_out(2)[0].pk)
    assert f"The queued child jobs of #{parent} are at the front of their queue." in run_command(
        "move_to_front", parent
    )
    assert f"The queued child jobs of #{parent} are delayed until" in run_command(
        "delay_job", parent, "--minutes", "60"
    )
    assert f"The queued child jobs of #{parent} are no longer delayed. They start" in run_command("run_job", parent)


def _completed() -> SyncJob:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    outcomes.complete(claim("maintenance"))
    return job


def test_pause_band_and_resume_band() -> None:
    band = make_band("herons", "UCabcdefghijklmnopqrstuv")
    job = queue_job(band=band)
    assert run_command("pause_band", "herons", "--reason", "moving") == "Paused: Herons.\n"
    assert "already paused" in run_command("pause_band", str(band.pk))
    shown = run_command("sync_status")
    assert "1 queued jobs of paused bands" in shown
    assert "band Herons: paused by" in shown
    assert "Jobs of paused bands wait: Herons (by " in list(site.queues())[-1].message
    state = json.loads(run_command("sync_status", "--json"))
    assert state["pausedBands"][0]["pauseReason"] == "moving"
    assert state["waiting"][0] | {"id": str(job.pk), "queuePosition": None} == state["waiting"][0]
    assert run_command("resume_band", "herons") == "Resumed: Herons.\n"
    assert "is not paused" in run_command("resume_band", "herons")
    assert "There is no band" in command_error("pause_band", "nonsense")
