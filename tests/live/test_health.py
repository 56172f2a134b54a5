"""What the stream tells about workers, the scheduler and YouTube when a deadline passes, without any change of a job."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from syncjobs.choices import JobStatus
from syncjobs.live import health
from syncjobs.models import Alert, AlertRound, Attempt, QuotaCall, SyncJob, Worker
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from syncjobs.operations import alerts, queues
from syncjobs.sync.context import JobMeter, LeaseRenewal
from syncjobs.youtube.costs import Operation, quota_day
from tests.factories import PERSON, claim, make_alert, queue_job, wait_for
from tests.live.watchers import Watch

pytestmark = pytest.mark.django_db
ALL = ["video-sync", "video-processing", "maintenance"]


def _ago(seconds: float) -> object:
    return Now() - dt.timedelta(seconds=seconds)


def _worker(name: str = "w@a", silent_for: float = 0.0, **fields: object) -> Worker:
    values: dict[str, object] = {"process_id": 1, "queues": ALL, "concurrency": 2} | fields
    return Worker.objects.create(name=name, heartbeat_at=_ago(silent_for), **values)


def _call(seconds_ago: float, **fields: object) -> QuotaCall:
    values: dict[str, object] = {"bucket": "main", "operation": "videos.list", "units": 1, "seconds": 0.1} | fields
    day = quota_day(dt.datetime.now(dt.UTC))
    return QuotaCall.objects.create(day=day, at=_ago(seconds_ago), **values)


def _problems() -> list[tuple[str, str, bool]]:
    return [(each.code, each.name, each.urgent) for each in health.current().problems]


@pytest.mark.django_db(transaction=True)
def test_viewers_are_told_when_a_worker_falls_silent_and_when_it_is_back(watch: Watch) -> None:
    worker = _worker(silent_for=WORKER_SILENCE_SECONDS - 2)
    queue_job()
    watcher = watch()
    wait_for(lambda: watcher.health, what="the health at the start")
    wait_for(
        lambda: watcher.problems() == [("no_worker", "video-sync"), ("worker_silent", "w@a")], what="the silent worker"
    )
    assert watcher.health[-1]["workers"] == [{"name": "w@a", "state": "silent"}]
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=Now())
    wait_for(lambda: watcher.problems() == [], what="the worker to be back")
    assert watcher.health[-1]["workers"] == [{"name": "w@a", "state": "alive"}]
    assert len({told["version"] for told in watcher.health}) == 2
    assert watcher.received == []


@pytest.mark.django_db(transaction=True)
def test_viewers_are_told_that_a_worker_has_left(watch: Watch) -> None:
    worker = _worker()
    watcher = watch()
    wait_for(lambda: watcher.health, what="the health at the start")
    worker.delete()
    wait_for(lambda: watcher.health[-1]["workers"] == [], what="the end of the worker")


@pytest.mark.django_db(transaction=True)
def test_the_stream_has_heartbeats(watch: Watch) -> None:
    watcher = watch()
    wait_for(lambda: watcher.heartbeats >= 2, what="two heartbeats")
    assert watcher.id


def test_a_silent_worker_is_less_urgent_if_others_serve_its_queues() -> None:
    _worker("dead@a", WORKER_SILENCE_SECONDS + 1, queues=["maintenance"])
    assert _problems() == [("worker_silent", "dead@a", True)]
    _worker("alive@a")
    assert _problems() == [("worker_silent", "dead@a", False)]


@pytest.mark.parametrize("state", ["waiting", "running", "delayed", "paused", "none"])
def test_a_queue_without_a_worker_is_a_problem_if_it_has_work(state: str) -> None:
    if state != "none":
        job = queue_job()
    if state == "running":
        claim()
    elif state == "delayed":
        SyncJob.objects.filter(pk=job.pk).update(run_at=Now() + dt.timedelta(hours=1))
    elif state == "paused":
        queues.pause_queue(PERSON, "video-sync")
    assert _problems() == ([("no_worker", "video-sync", True)] if state in ("waiting", "running") else [])


def test_schedules_need_a_scheduler() -> None:
    assert _problems() == []
    every = IntervalSchedule.objects.create(every=1, period="days")
    PeriodicTask.objects.create(name="Daily", task="syncjobs.trigger", interval=every)
    assert _problems() == [("no_scheduler", "", True)]
    _worker("beat@a", is_scheduler=True, queues=[])
    assert _problems() == []
    Worker.objects.update(heartbeat_at=_ago(WORKER_SILENCE_SECONDS + 1))
    assert _problems() == [("no_scheduler", "", True)]


@pytest.mark.parametrize(
    ("last", "is_silent"),
    [
        ({"http_status": 200}, False),
        ({"http_status": None, "reason": "timeout"}, True),
        ({"http_status": 503, "reason": "backendError"}, False),
        ({"http_status": 503, "reason": "http503"}, True),
        ({"http_status": 302, "reason": "http302"}, True),
        ({"http_status": 403, "reason": "quotaExceeded"}, False),
        ({"http_status": None, "reason": "aborted"}, False),
    ],
)
def test_youtube_is_silent_from_the_first_call_without_an_answer(last: dict[str, object], is_silent: bool) -> None:
    _call(60, http_status=200)
    _call(40, **last)
    _call(20, **last)
    assert _problems() == ([("youtube_silent", "", True)] if is_silent else [])
    _call(1, http_status=200)
    assert _problems() == []


def test_time_without_calls_is_no_silence() -> None:
    _call(7200, http_status=None, reason="connection")
    _call(3600, http_status=None, reason="connection")
    _call(3590, http_status=None, reason="timeout", seconds=7)
    assert _problems() == []
    _call(60, http_status=None, reason="connection")
    assert _problems() == []
    last = _call(50, http_status=None, reason="timeout", seconds=7)
    assert _problems() == []
    _call(40, http_status=None, reason="connection")
    (problem,) = health.current().problems
    first = QuotaCall.objects.order_by("-id")[2]
    assert (problem.code, problem.since, last.id) == ("youtube_silent", first.at, first.id + 1)


@pytest.mark.django_db(transaction=True)
def test_a_job_that_makes_no_further_call_does_not_wait_for_youtube(settings: LazySettings) -> None:
    settings.SYNC_LEASE_SECONDS = 30
    _worker("w1")
    queue_job()
    attempt = claim()
    settings.SYNC_LEASE_SECONDS = 1  # Renewed every quarter of it.
    meter = JobMeter(attempt)
    with LeaseRenewal(attempt, meter):
        receipt = meter.reserve(Operation.VIDEOS_LIST)
        QuotaCall.objects.update(at=_ago(20))
        Attempt.objects.update(started_at=_ago(30))
        assert _problems() == [("youtube_silent", "", True)]
        meter.record_result(receipt, status=200, reason="", seconds=0.1, is_accepted=True)
        wait_for(lambda: _problems() == [], what="the recorded answer")
    assert QuotaCall.objects.get().http_status == 200


def test_a_call_that_hangs_is_silence_only_while_its_worker_lives() -> None:
    worker = _worker("w1")
    queue_job()
    attempt = claim()
    Attempt.objects.filter(pk=attempt.pk).update(worker="w1", started_at=_ago(30))
    _call(60, http_status=200)
    _call(20, seconds=None, job_id=attempt.job_id)
    assert _problems() == [("youtube_silent", "", True)]
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=_ago(15))
    assert SyncJob.objects.get().status == JobStatus.IN_PROGRESS
    assert _problems() == []
    # The worker is back, but a new attempt runs: the call was made by one that was killed.
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=Now())
    assert _problems() == [("youtube_silent", "", True)]
    Attempt.objects.filter(pk=attempt.pk).update(started_at=_ago(10))
    assert _problems() == []


# ---- Alerts


@pytest.mark.django_db(transaction=True)
def test_viewers_are_told_when_an_alert_is_opened_acknowledged_and_over(watch: Watch) -> None:
    watcher = watch()

    def told() -> tuple[int, int]:
        return (watcher.alerts[-1]["attention"], watcher.alerts[-1]["critical"]) if watcher.alerts else (-1, -1)

    wait_for(lambda: told() == (0, 0), what="the number at the start")
    alert = make_alert(severity="CRITICAL")
    wait_for(lambda: told() == (1, 1), what="the new alert")
    alerts.acknowledge(PERSON, [alert.pk])
    wait_for(lambda: told() == (0, 0), what="the acknowledgement")
    count = len(watcher.alerts)
    Alert.objects.update(resolved_at=Now(), changed_at=Now())
    wait_for(lambda: len(watcher.alerts) == count + 1, what="the end of the alert")
    assert watcher.received == []


def test_counts_are_of_the_alerts_that_need_attention() -> None:
    make_alert()
    make_alert(subject_id="b@a", severity="CRITICAL")
    make_alert(subject_id="c@a", severity="CRITICAL", acknowledged_at=_ago(9), escalated_at=_ago(3))
    for number, fields in enumerate(
        ({"resolved_at": _ago(1)}, {"acknowledged_at": _ago(1)}, {"snoozed_until": _ago(-60)})
    ):
        make_alert(subject_id=f"{number}", **fields)
    counts = health.current().alerts
    assert (counts.attention, counts.critical) == (3, 2)
    assert counts.attention == Alert.objects.needing_attention().count()


def test_alerts_that_nobody_evaluates_are_a_problem() -> None:
    AlertRound.objects.update(ended_at=_ago(80))
    assert _problems() == []
    AlertRound.objects.update(ended_at=_ago(100))
    assert _problems() == [("alerts_late", "", False)]
