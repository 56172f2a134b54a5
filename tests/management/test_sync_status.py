"""sync_status, quota and reconcile"""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from syncjobs.models import AuditEntry, Worker
from syncjobs.operations import schedules
from tests.clients import command_error, run_command
from tests.factories import PERSON, claim, queue_job

pytestmark = pytest.mark.django_db


def test_status_quota_and_reconcile_print_text_or_json() -> None:
    queue_job()
    claim()
    run_command("pause_queue", "maintenance", "--reason", "cleaning")
    assert "paused by" in run_command("sync_status")
    status = json.loads(run_command("sync_status", "--json"))
    assert {q["name"]: q["active"] for q in status["queues"]} == {
        "maintenance": 0,
        "video-processing": 0,
        "video-sync": 1,
    }
    assert status["active"][0]["jobType"] == "FULL_SYNC"
    assert "main: 0 of 10000" in run_command("quota")
    assert json.loads(run_command("quota", "--day", "2026-01-02", "--json"))["day"] == "2026-01-02"
    assert "is not a date" in command_error("quota", "--day", "yesterday")
    assert "0 lost" in run_command("reconcile")
    assert json.loads(run_command("reconcile", "--json"))["lost"] == 0
    assert "queued" in run_command("prune_jobs")
    assert re.fullmatch(r"Deleted: ([a-z ]+ 0, )+sessions 0(, [a-z ]+ 0)*\.\n", run_command("cleanup"))


def _worker(name: str, **fields: object) -> Worker:
    values = {"process_id": 1, "queues": ["video-sync"], "concurrency": 2} | fields
    return Worker.objects.create(name=name, **values)


def test_status_names_what_does_not_run() -> None:
    """A dead scheduler, a schedule that is overdue, and workers that are dead or whose tasks fail."""
    PeriodicTask.objects.all().delete()
    fields = {"name": "Late", "job_type": "FULL_SYNC", "enabled": True, "interval": {"every": 1, "period": "hours"}}
    schedule = schedules.save(PERSON, None, fields)
    noon = timezone.now().replace(hour=12, minute=34, second=0, microsecond=0) - dt.timedelta(days=2)
    PeriodicTask.objects.filter(pk=schedule.pk).update(last_run_at=noon - dt.timedelta(hours=1))
    _worker("beat@old", is_scheduler=True, heartbeat_at=noon)
    _worker("dead@a", heartbeat_at=noon)
    _worker("failing@b", failing_since=timezone.now())
    _worker("sound@c")
    text, status = run_command("sync_status"), json.loads(run_command("sync_status", "--json"))
    lines = text.splitlines()
    assert "scheduler: NOT RUNNING, schedules trigger nothing" in lines
    assert f"overdue: Late, since {noon:%Y-%m-%d} 12:34 UTC" in lines
    assert f"scheduler beat@old: not responding since {noon:%Y-%m-%d} 12:34 UTC" in lines
    assert f"worker dead@a: not responding since {noon:%Y-%m-%d} 12:34 UTC" in lines
    assert re.search(r"^worker failing@b: its tasks fail since .*\d\d:\d\d UTC$", text, re.MULTILINE)
    assert "sound@c" not in text
    assert status["schedulerRunning"] is False
    assert [(each["name"], each["since"][:16]) for each in status["overdue"]] == [("Late", f"{noon:%Y-%m-%dT12:34}")]
    states = {each["name"]: (each["state"], each["failingSince"] is not None) for each in status["workers"]}
    assert states == {"dead@a": ("silent", False), "failing@b": ("failing", True), "sound@c": ("alive", False)}


def test_status_of_a_site_that_works() -> None:
    PeriodicTask.objects.all().delete()
    _worker("beat@a", is_scheduler=True)
    _worker("sound@c")
    text = run_command("sync_status")
    assert text.endswith("scheduler: running\n")
    assert json.loads(run_command("sync_status", "--json"))["schedulerRunning"] is True


def test_a_command_removes_a_dead_worker() -> None:
    _worker("dead@a", heartbeat_at=Now() - dt.timedelta(minutes=5))
    _worker("live@a")
    assert run_command("remove_worker", "dead@a") == "Removed: dead@a.\n"
    assert command_error("remove_worker", "dead@a") == "name: There is no worker “dead@a”."
    assert command_error("remove_worker", "live@a").startswith("name: Worker live@a is alive.")
    assert [worker.name for worker in Worker.objects.all()] == ["live@a"]
    assert AuditEntry.objects.filter(action="remove_worker", result="ok").count() == 1
