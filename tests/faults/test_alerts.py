"""Real processes are killed and frozen, and the alerts say so in time: nobody but the others is left to notice."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.db.models import F
from django.db.models.functions import Now

from bands.models import Band
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import AlertStep as Step
from syncjobs.choices import ChannelKind, DeliveryState, JobStatus, JobType
from syncjobs.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertNotice,
    AlertRound,
    AlertRule,
    Queue,
    QuotaDay,
    SyncJob,
    Worker,
)  # fmt: skip
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from syncjobs.operations import queues, quota, schedules, triggers
from syncjobs.youtube.costs import Bucket, Operation
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.alerts.channels import make_channel
from tests.factories import PERSON, band_with_videos, queue_job, wait_for
from tests.processes import Workers, environment, web_server
from tests.receivers import mail_receiver, web_receiver

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(280)]
SECONDS = 60
"""Alerts are due within 30 seconds; the machine of the tests may be busy."""
OPENED_SECONDS, DELIVERED_SECONDS = (30, 60) if "SURVIVAL_MINUTES" in os.environ else (90, 180)
"""What is due, or three times as long on a machine that other tests use too."""
TROUBLE = (
    (Rule.QUOTA_EXHAUSTED, "stats"),
    (Rule.WORKER_SILENT, "w1@test"),
    (Rule.NO_SCHEDULER, ""),
    (Rule.YOUTUBE_SILENT, ""),
    (Rule.KEY_REFUSED, ""),
)
"""The alerts of the test of everything: rule and subject."""


def unresolved(rule: Rule, subject_id: str = "") -> bool:
    return Alert.objects.unresolved().filter(rule=rule, subject_id=subject_id).exists()


def die(workers: Workers, name: str) -> None:
    """Kill the worker, which leaves its row behind."""
    workers.signal(name, signal.SIGKILL)
    workers.running.pop(name).wait()


def pass_time(name: str) -> None:
    """Let a worker that reports no more have been silent for long, and the next round be due."""
    silence = dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
    assert Worker.objects.filter(name=f"{name}@test").update(heartbeat_at=F("heartbeat_at") - silence)
    AlertRound.objects.update(due_at=Now())


def test_each_channel_tells_of_every_fault_once_and_once_that_it_is_over(
    workers: Workers, youtube: Simulator, tmp_path: Path
) -> None:
    """A worker and the scheduler are killed, the quota is used up, YouTube hangs, and then the key is refused."""
    band, _channel = band_with_videos(youtube.world, 3)
    other, _channel = band_with_videos(youtube.world, 3, "egrets")
    schedules.save(PERSON, None, {"name": "Prune", "job_type": "PRUNE", "interval": {"every": 1, "period": "days"}})
    AlertRule.objects.bulk_create(AlertRule(name=rule, resolve_after=1) for rule, _subject in TROUBLE)
    with web_receiver() as web, mail_receiver() as post:
        started = environment(youtube.url) | {"ALERTS_ALLOW_LOCAL_ADDRESSES": "true", "EMAIL_PORT": str(post.port)}
        senders = Workers(started | {"EMAIL_HOST": "127.0.0.1"}, tmp_path)
        channels = [make_channel("Chat", web.url), make_channel("Mail", "mo@example.org", ChannelKind.EMAIL)]
        try:
            senders.start("w1", wait=False)
            senders.start("w2", wait=False)
            senders.start_beat()
            since = _provoke(senders, youtube, band, other, channels)
            _wait_until_told(channels, Step.OPENED, senders)
            youtube.key = os.environ["YOUTUBE_API_KEY"]
            youtube.faults.clear()
            queues.resume_queue(PERSON, "all")
            quota.reopen_bucket(PERSON, Bucket.STATS)
            senders.start("w1", wait=False)
            senders.start_beat()
            wait_for(
                lambda: not any(unresolved(*each) for each in TROUBLE),
                SECONDS,
                lambda: f"{_open()} {senders.logs()[-3000:]}",
            )
            _wait_until_told(channels, Step.RESOLVED, senders)
        finally:
            senders.kill_all()
    for rule, subject in TROUBLE:
        alert = Alert.objects.get(rule=rule, subject_id=subject)
        assert (alert.opened_at - since[rule]).total_seconds() <= OPENED_SECONDS, rule
        for told in AlertDelivery.objects.filter(notices__alert=alert, notices__step=Step.OPENED):
            assert told.ended_at is not None
            assert (told.ended_at - since[rule]).total_seconds() <= DELIVERED_SECONDS, rule
    arrived = {"Chat": web.keys(), "Mail": [str(message["X-Idempotency-Key"]) for message in post.messages]}
    for channel in channels:
        messages = AlertDelivery.objects.filter(channel=channel, state=DeliveryState.DELIVERED)
        assert sorted(arrived[channel.name]) == sorted(str(each.key) for each in messages)
        steps = Counter((each["id"], each["step"]) for message in messages for each in message.payload["alerts"])
        assert set(steps.values()) == {1}, steps
    text = "".join(message.get_content() for message in post.messages)
    assert text.count("Over: ") == len(TROUBLE), text


def _provoke(
    workers: Workers, youtube: Simulator, band: Band, other: Band, channels: Sequence[AlertChannel]
) -> dict[Rule, dt.datetime]:
    """Bring about all of TROUBLE. Return since when each condition has lasted, when all alerts are open."""
    alive = Worker.objects.filter(name__in=("w1@test", "w2@test"))
    wait_for(lambda: alive.count() == 2, SECONDS, lambda: workers.logs()[-3000:])
    job = triggers.trigger_sync(PERSON, band, full=True).job
    wait_for(lambda: SyncJob.objects.filter(pk=job.pk, status=JobStatus.COMPLETED).exists(), SECONDS, "a full sync")
    youtube.faults.add(Fault("quotaExceeded", operation=Operation.VIDEOS_BATCH_GET_STATS))
    triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH)
    closed = QuotaDay.objects.filter(bucket=Bucket.STATS, closed_at__isnull=False)
    wait_for(closed.exists, SECONDS, "the quota to be used up")
    die(workers, "w1")
    die(workers, "beat")
    youtube.faults.add(Fault("hang"))
    triggers.trigger_sync(PERSON, band, full=True, force=True)
    wait_for(lambda: unresolved(Rule.YOUTUBE_SILENT), SECONDS, "the alert of YouTube")
    told = AlertNotice.objects.filter(alert__rule=Rule.YOUTUBE_SILENT, delivery__isnull=False)
    wait_for(lambda: told.count() == len(channels), SECONDS, "messages about YouTube, before it answers again")
    youtube.key = "another key"
    youtube.faults.clear()
    triggers.trigger_sync(PERSON, other, full=True)
    for each in TROUBLE:
        found = Alert.objects.filter(rule=each[0], subject_id=each[1])
        wait_for(found.exists, SECONDS, lambda each=each: f"{each} {_open()} {workers.logs()[-3000:]}")  # type: ignore[misc]
    silent = Alert.objects.get(rule=Rule.YOUTUBE_SILENT)
    paused = Queue.objects.exclude(paused_at=None).order_by("paused_at").values_list("paused_at", flat=True)
    return {
        Rule.QUOTA_EXHAUSTED: closed.values_list("closed_at", flat=True).get(),
        Rule.WORKER_SILENT: Worker.objects.get(name="w1@test").heartbeat_at,
        Rule.NO_SCHEDULER: Worker.objects.get(is_scheduler=True).heartbeat_at,
        Rule.YOUTUBE_SILENT: dt.datetime.fromisoformat(silent.facts["since"]),
        Rule.KEY_REFUSED: paused[0],
    }  # type: ignore[dict-item]


def _wait_until_told(channels: Sequence[AlertChannel], step: Step, workers: Workers) -> None:
    notices = AlertNotice.objects.filter(step=step, alert__rule__in=[rule for rule, _subject in TROUBLE])
    told = notices.filter(channel__in=channels, delivery__state=DeliveryState.DELIVERED)

    def is_told() -> bool:
        # The messages that open them show that notices are collected and sent in time. One row at a time: no deadlock.
        for pk in notices.filter(step=Step.RESOLVED, delivery=None, due_at__gt=Now()).values_list("pk", flat=True):
            notices.filter(pk=pk).update(due_at=Now())
        return told.count() == len(TROUBLE) * len(channels)

    wait_for(
        is_told,
        SECONDS,
        lambda: f"{step}: {list(told.values_list('alert__rule', 'channel__name'))} {workers.logs()[-3000:]}",
    )


def _open() -> list[tuple[str, str]]:
    return list(Alert.objects.unresolved().values_list("rule", "subject_id"))


def test_no_worker_is_left_and_the_web_process_opens_the_alert(
    workers: Workers, tmp_path: Path, youtube: Simulator
) -> None:
    workers.start("w1")
    with web_server(environment(youtube.url), tmp_path / "web.log"):
        die(workers, "w1")
        queue_job()
        pass_time("w1")
        wait_for(lambda: unresolved(Rule.NO_WORKER, "video-sync"), seconds=SECONDS, what="the alert of the queue")
        wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the worker")


def test_the_scheduler_opens_the_alert_if_nobody_else_is_left(workers: Workers) -> None:
    workers.start("w1")
    workers.start_beat()
    die(workers, "w1")
    pass_time("w1")
    wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the worker")


def test_a_frozen_worker_is_noticed_by_another_one(workers: Workers) -> None:
    workers.start("w1")
    workers.start("w2")
    workers.signal("w1", signal.SIGSTOP)
    pass_time("w1")
    wait_for(lambda: unresolved(Rule.WORKER_SILENT, "w1@test"), seconds=SECONDS, what="the alert of the frozen worker")
    workers.signal("w1", signal.SIGCONT)
