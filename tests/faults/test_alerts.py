"""Real processes are killed and frozen, and the alerts say so in time: nobody but the others is left to notice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from syncjobs.choices import AlertRuleName as Rule
from syncjobs.models import Alert, AlertRule
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, queue_job, wait_for
from tests.processes import Workers, environment, web_server

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(280)]
SECONDS = 60
"""Alerts are due within 30 seconds; the machine of the tests may be busy."""


def unresolved(rule: Rule, subject_id: str = "") -> bool:
    return Alert.objects.unresolved().filter(rule=rule, subject_id=subject_id).exists()


def die(workers: Workers, name: str) -> None:
    """Kill the worker, which leaves its row behind."""
    workers.signal(name, signal.SIGKILL)
    workers.running.pop(name).wait()


def test_the_elected_worker_is_killed_and_another_one_opens_and_ends_its_alert(workers: Workers) -> None:
    AlertRule.objects.create(name=Rule.WORKER_SILENT, resolve_after=1)
    workers.start("w1")
    workers.start("w2")
    die(workers, "w1")
    wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the killed worker")
    alert = Alert.objects.get(rule=Rule.WORKER_SILENT, subject_id="w1@test")
    assert alert.severity == "WARNING"
    workers.start("w1")
    wait_for(lambda: not unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the end of the alert")
    assert Alert.objects.filter(rule=Rule.WORKER_SILENT, subject_id="w1@test").count() == 1


def test_no_worker_is_left_and_the_web_process_opens_the_alert(
    workers: Workers, tmp_path: Path, youtube: Simulator
) -> None:
    workers.start("w1")
    with web_server(environment(youtube.url), tmp_path / "web.log"):
        die(workers, "w1")
        queue_job()
        wait_for(lambda: unresolved(Rule.NO_WORKER, "video-sync"), seconds=SECONDS, what="the alert of the queue")
        wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the worker")


def test_the_scheduler_opens_the_alert_if_nobody_else_is_left(workers: Workers) -> None:
    workers.start("w1")
    workers.start_beat()
    die(workers, "w1")
    wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the worker")


def test_a_refused_key_opens_an_alert_at_once(workers: Workers, youtube: Simulator) -> None:
    band, _channel = band_with_videos(youtube.world, 5)
    youtube.key = "another key"
    workers.start("w1")
    triggers.trigger_sync(PERSON, band, full=True)
    wait_for(lambda: unresolved(Rule.KEY_REFUSED), seconds=SECONDS, what="the alert of the key")


def test_youtube_that_hangs_opens_an_alert(workers: Workers, youtube: Simulator) -> None:
    band, _channel = band_with_videos(youtube.world, 500)
    youtube.faults.latency = 120
    workers.start("w1")
    triggers.trigger_sync(PERSON, band, full=True)
    wait_for(lambda: unresolved(Rule.YOUTUBE_SILENT), seconds=SECONDS, what="the alert of YouTube")
    youtube.faults.latency = 0


def test_a_frozen_worker_is_noticed_by_another_one(workers: Workers) -> None:
    workers.start("w1")
    workers.start("w2")
    workers.signal("w1", signal.SIGSTOP)
    wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the frozen worker")
    workers.signal("w1", signal.SIGCONT)
