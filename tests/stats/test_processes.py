"""Workers and the scheduler as every page, the API and the metrics show them: by the database's clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework_simplejwt.tokens import AccessToken

from syncjobs.choices import JobStatus, QueueName, Role
from syncjobs.engine import outcomes
from syncjobs.models import SyncJob, Worker
from syncjobs.operations import bulk, people, schedules
from syncjobs.stats import queues as stats
from tests.clients import logged_in
from tests.factories import PERSON, claim, queue_job

pytestmark = pytest.mark.django_db
TOKEN = "a-token-for-prometheus"
HTMX = {"HX-Request": "true"}


def _worker(name: str = "w@a", **fields: object) -> Worker:
    values = {"process_id": 1, "queues": ["video-sync"], "concurrency": 2} | fields
    return Worker.objects.create(name=name, **values)


def _beat(silent_for: float = 0) -> None:
    at = Now() - dt.timedelta(seconds=silent_for)
    _worker("beat@a", is_scheduler=True, queues=[], concurrency=0, heartbeat_at=at)


@pytest.fixture
def metrics(settings: LazySettings) -> Callable[[], dict[str, float]]:
    settings.METRICS_TOKEN = TOKEN

    def read() -> dict[str, float]:
        text = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _space, value in lines}

    return read


def _api(path: str) -> list[dict[str, object]]:
    if not get_user_model().objects.filter(username="reader").exists():
        people.save_user(PERSON, "reader", "correct horse battery", Role.MODERATOR)
    token = AccessToken.for_user(get_user_model().objects.get(username="reader"))
    data: list[dict[str, object]] = Client().get(path, headers={"Authorization": f"Bearer {token}"}).json()["data"]
    return data


def _workers_of_queue() -> int:
    return next(queue.workers for queue in stats.queues() if queue.name == "video-sync")


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_wrong_clock_of_the_web_server_makes_no_worker_dead_or_alive(
    minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _worker()
    _worker("dead@a", heartbeat_at=Now() - dt.timedelta(minutes=2))
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + dt.timedelta(minutes=minutes))
    states = {each.worker.name: each.state for each in stats.workers()[0]}
    assert states == {"w@a": "alive", "dead@a": "silent"}
    assert _workers_of_queue() == 1
    assert {row["name"]: row["alive"] for row in _api("/api/admin/workers")} == {"w@a": True, "dead@a": False}


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_wrong_clock_of_a_worker_neither_hurries_nor_delays_the_end_of_the_grace_period(
    minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + dt.timedelta(minutes=minutes))
    job = queue_job()
    claim()
    SyncJob.objects.filter(pk=job.pk).update(cancel_requested_at=Now())
    assert outcomes.kill(job.pk) is None
    SyncJob.objects.filter(pk=job.pk).update(cancel_requested_at=Now() - dt.timedelta(minutes=1))
    assert outcomes.kill(job.pk) is not None
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_a_worker_whose_tasks_fail_is_not_alive() -> None:
    _worker(failing_since=Now())
    assert stats.workers()[0][0].state == "failing"
    assert _workers_of_queue() == 0
    (row,) = _api("/api/admin/workers")
    assert row["alive"] is False
    assert row["failingSince"] is not None
    page = logged_in(Role.MODERATOR).get("/admin/syncjobs/worker/")
    assert "Its tasks fail" in page.content.decode()
    assert QueueName.VIDEO_SYNC.label in page.context["unserved"]


def test_a_wrong_clock_is_shown(metrics: Callable[[], dict[str, float]], monkeypatch: pytest.MonkeyPatch) -> None:
    _worker(clock_skew=-300.5)
    _worker("right@a", clock_skew=0.1)
    client = logged_in(Role.MODERATOR)
    page = client.get("/admin/syncjobs/worker/").content.decode()
    assert page.count("Its clock is") == 1
    assert "Its clock is 300.5 s slow." in page
    assert {row["name"]: row["clockSkewSeconds"] for row in _api("/api/admin/workers")} == {
        "w@a": -300.5,
        "right@a": 0.1,
    }
    real = time.time
    monkeypatch.setattr("syncjobs.engine.clock.time.time", lambda: real() + 300)
    figures = metrics()
    assert figures['syncmonitor_clock_skew_seconds{process="w@a"}'] == -300.5
    assert figures['syncmonitor_clock_skew_seconds{process="web"}'] == pytest.approx(300, abs=20)
    assert "The web server:" in client.get("/admin/syncjobs/worker/").content.decode()


def _schedule(name: str, ran_ago: dt.timedelta) -> PeriodicTask:
    fields = {"name": name, "job_type": "FULL_SYNC", "enabled": True, "interval": {"every": 1, "period": "hours"}}
    schedule = schedules.save(PERSON, None, fields)
    PeriodicTask.objects.filter(pk=schedule.pk).update(last_run_at=timezone.now() - ran_ago)
    return schedules.get(schedule.pk)


def test_an_overdue_schedule_is_red_everywhere(metrics: Callable[[], dict[str, float]]) -> None:
    PeriodicTask.objects.all().delete()
    _beat()
    late = _schedule("Late", dt.timedelta(hours=2))
    _schedule("On time", dt.timedelta(minutes=30))
    client = logged_in(Role.MODERATOR)
    for url in ("/admin/django_celery_beat/periodictask/", "/admin/?part=ahead"):
        # On a phone, the head of the folded card repeats the first one.
        html = client.get(url, headers=HTMX).content.decode().rpartition("</summary>")[2]
        assert html.count("Overdue") == 1, url
        assert html.count('data-time="countdown"') == 1
        assert "No scheduler is running" not in html
    assert {row["name"]: row["overdue"] for row in _api("/api/admin/schedules")} == {"Late": True, "On time": False}
    due = schedules.next_run(late)
    assert due is not None
    assert due < timezone.now()
    figures = metrics()
    assert figures["syncmonitor_schedules_overdue"] == 1
    schedules.save(PERSON, late, {"enabled": False})
    assert [row["overdue"] for row in _api("/api/admin/schedules")] == [False, False]


@pytest.mark.parametrize("silent_for", [None, 60])
def test_a_scheduler_that_is_missing_or_dead_is_red_everywhere(
    silent_for: float | None, metrics: Callable[[], dict[str, float]]
) -> None:
    PeriodicTask.objects.all().delete()
    _schedule("On time", dt.timedelta(minutes=30))
    if silent_for:
        _beat(silent_for)
    assert not stats.scheduler_is_alive()
    client = logged_in(Role.MODERATOR)
    for url in ("/admin/django_celery_beat/periodictask/", "/admin/?part=attention"):
        assert "No scheduler is running" in client.get(url, headers=HTMX).content.decode(), url
    page = client.get("/admin/syncjobs/worker/").content.decode()
    assert ("Not responding" if silent_for else "No scheduler has reported in") in page
    assert metrics()["syncmonitor_scheduler_alive"] == 0
    Worker.objects.update(heartbeat_at=Now())
    if silent_for:
        assert stats.scheduler_is_alive()
        assert metrics()["syncmonitor_scheduler_alive"] == 1
        assert _api("/api/admin/workers") == []
        assert _workers_of_queue() == 0


def test_clearing_failed_jobs_with_a_slow_clock_deletes_those_that_failed_just_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue_job()
    outcomes.fail(claim(), "It broke.", reason="broken")
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() - dt.timedelta(minutes=5))
    assert bulk.clear_failed(PERSON) == 1
