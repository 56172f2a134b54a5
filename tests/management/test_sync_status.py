"""sync_status, quota and reconcile"""

from __future__ import annotations

import json
import re

import pytest

from tests.clients import command_error, run_command
from tests.factories import claim, queue_job

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
