"""Each rule finds its condition in the real tables, and not without it."""

from __future__ import annotations

import datetime as dt
import re
import socket
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from bands.models import Band, Video
from syncjobs.alerts import conditions, rounds, words
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobStatus, JobType, QueueName
from syncjobs.engine import clock, outcomes, quota
from syncjobs.engine.quota import Spender
from syncjobs.freshness import feeds, subscriptions
from syncjobs.models import (
    Alert,
    AlertDelivery,
    AlertRound,
    AlertRule,
    Attempt,
    ChannelFeed,
    ErrorGroup,
    HubState,
    JobError,
    Queue,
    QuotaCall,
    QuotaDay,
    Subscription,
    SyncJob,
    Worker,
)
from syncjobs.operations import alert_rules, bands, errors, queues, schedules
from syncjobs.youtube.costs import Bucket, Operation, quota_day
from tests.alerts.channels import make_channel
from tests.factories import PERSON, claim, failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db(transaction=True)
ALL = [str(name) for name in QueueName.values]


def ago(**durations: float) -> Any:
    return Now() - dt.timedelta(**durations)


def worker(name: str = "w@a", **fields: Any) -> Worker:
    return Worker.objects.create(
        **{"name": name, "process_id": 1, "queues": ALL, "concurrency": 2, "heartbeat_at": Now()} | fields
    )


def evaluate() -> None:
    """Run a round of all rules and one of the forecast."""
    for _ in range(2):
        AlertRound.objects.update(due_at=Now())
        assert rounds.run_if_due() is not None


def unresolved() -> dict[tuple[str, str], Alert]:
    evaluate()
    return {(alert.rule, alert.subject_id): alert for alert in Alert.objects.unresolved()}


def the_alert(rule: Rule, subject_id: str = "") -> Alert:
    alerts = unresolved()
    assert (rule, subject_id) in alerts, f"{rule} was not found, but {sorted(alerts)}"
    return alerts[(rule, subject_id)]


def none(rule: Rule) -> bool:
    return not [name for name, _subject in unresolved() if name == rule]


@pytest.fixture(autouse=True)
def worker_and_scheduler() -> None:
    """A live worker and a live scheduler, so that only the condition of the test holds."""
    worker()
    worker("beat@a", queues=[], concurrency=0, is_scheduler=True)


def test_nothing_is_wrong_with_a_site_that_works() -> None:
    assert unresolved() == {}


# ---- Processes


def test_a_queue_with_due_work_and_no_live_worker() -> None:
    Worker.objects.filter(name="w@a").update(queues=["maintenance"])
    assert none(Rule.NO_WORKER)
    queue_job()
    alert = the_alert(Rule.NO_WORKER, "video-sync")
    assert alert.severity == "CRITICAL"
    assert alert.sentence == "No worker is running for the queue Video sync, so its jobs wait."
    assert alert.link == "/admin/"


def test_a_silent_worker_is_critical_unless_others_serve_its_queues() -> None:
    Worker.objects.filter(name="w@a").update(heartbeat_at=ago(seconds=21))
    alert = the_alert(Rule.WORKER_SILENT, "w@a")
    assert alert.severity == "CRITICAL"
    Alert.objects.all().delete()
    worker("other@a")
    alert = the_alert(Rule.WORKER_SILENT, "w@a")
    assert alert.severity == "WARNING"
    assert "Other workers serve the same queues." in alert.sentence


def test_a_worker_whose_tasks_fail() -> None:
    Worker.objects.filter(name="w@a").update(failing_since=Now())
    assert the_alert(Rule.WORKER_FAILING, "w@a")


def test_a_host_with_a_wrong_clock() -> None:
    Worker.objects.filter(name="w@a").update(clock_skew=-7.4)
    alert = the_alert(Rule.CLOCK_SKEW, "w@a")
    assert alert.sentence == "The clock of w@a is 7 s behind the database's."


def _schedule(**fields: Any) -> PeriodicTask:
    values = {"name": "Prune", "job_type": "PRUNE", "enabled": True, "interval": {"every": 1, "period": "hours"}}
    task = schedules.save(PERSON, None, values)
    PeriodicTask.objects.filter(pk=task.pk).update(**fields)
    return task


def test_schedules_without_a_scheduler() -> None:
    _schedule(last_run_at=ago(hours=2))
    Worker.objects.filter(is_scheduler=True).update(heartbeat_at=ago(seconds=21))
    assert the_alert(Rule.NO_SCHEDULER).severity == "CRITICAL"
    assert none(Rule.SCHEDULE_OVERDUE)


def test_a_schedule_that_the_scheduler_does_not_run() -> None:
    task = _schedule(last_run_at=ago(minutes=64))
    assert none(Rule.SCHEDULE_OVERDUE)
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=ago(minutes=66))
    assert the_alert(Rule.SCHEDULE_OVERDUE, str(task.pk)).subject_label == "Prune"


# ---- Queues and jobs


def test_a_queue_that_a_person_paused_long_ago() -> None:
    queues.pause_queue(PERSON, "maintenance", "Moving the server")
    Queue.objects.update(paused_at=ago(minutes=59))
    assert none(Rule.QUEUE_PAUSED)
    Queue.objects.filter(name="maintenance").update(paused_at=ago(minutes=61))
    alert = the_alert(Rule.QUEUE_PAUSED, "maintenance")
    assert "by pat. Reason: Moving the server" in alert.sentence


def test_a_job_that_has_waited_for_long_in_a_queue_with_workers() -> None:
    job = queue_job()
    SyncJob.objects.filter(pk=job.pk).update(run_at=ago(minutes=59))
    assert none(Rule.OLD_JOB)
    SyncJob.objects.filter(pk=job.pk).update(run_at=ago(minutes=61))
    assert the_alert(Rule.OLD_JOB, "video-sync")
    Alert.objects.all().delete()
    queues.pause_queue(PERSON, "video-sync")
    assert none(Rule.OLD_JOB)


def test_a_job_that_runs_far_longer_than_others_of_its_type() -> None:
    for _ in range(3):
        job = queue_job(JobType.PRUNE)
        outcomes.complete(claim(QueueName.MAINTENANCE))
        SyncJob.objects.filter(pk=job.pk).update(started_at=ago(seconds=200), completed_at=ago(seconds=0))
    queue_job(JobType.PRUNE)
    attempt = claim(QueueName.MAINTENANCE)
    Attempt.objects.filter(pk=attempt.pk).update(started_at=ago(seconds=900))
    assert none(Rule.STUCK_JOB)
    Attempt.objects.filter(pk=attempt.pk).update(started_at=ago(seconds=1100))
    alert = the_alert(Rule.STUCK_JOB, str(attempt.job_id))
    assert "Most jobs like it take less than 3 minutes." in alert.sentence


def test_many_failed_jobs_in_the_last_hour() -> None:
    for number in range(7):
        failed_job(f"broken {number}")
    assert none(Rule.FAILURE_RATE)
    for _ in range(13):
        queue_job(JobType.PRUNE)
        outcomes.complete(claim(QueueName.MAINTENANCE))
    alert = the_alert(Rule.FAILURE_RATE)
    assert (alert.severity, alert.facts) == ("WARNING", {"percent": 30})
    assert alert.sentence == "30% or more of the jobs that ended in the last hour have failed."
    SyncJob.objects.update(status=JobStatus.FAILED)
    assert the_alert(Rule.FAILURE_RATE).severity == "CRITICAL"
    SyncJob.objects.update(completed_at=ago(hours=2))
    Alert.objects.update(last_seen_at=ago(hours=1))
    assert none(Rule.FAILURE_RATE)


# ---- Bands


def test_a_band_whose_last_syncs_failed() -> None:
    band = make_band("herons", "@herons", last_full_sync_at=clock.now())
    for count in (1, 2, 3):
        assert none(Rule.BAND_FAILING)
        queue_job(band=band)
        outcomes.fail(claim(), f"Playlist {count} was not found", reason="playlistNotFound")
    alert = the_alert(Rule.BAND_FAILING, str(band.pk))
    assert alert.facts["reason"] == "playlistNotFound"
    assert "The last 3 syncs of Herons have failed, the first at " in alert.sentence
    # The fault began days before a round could find it.
    began = clock.now() - dt.timedelta(days=3)
    Band.objects.update(failing_since=began)
    queue_job(band=band)
    outcomes.fail(claim(), "Playlist 4 was not found", reason="playlistNotFound")
    alert = the_alert(Rule.BAND_FAILING, str(band.pk))
    assert f"The last 4 syncs of Herons have failed, the first at {began:%Y-%m-%d %H:%M} UTC." in alert.sentence
    assert words.since(alert) == began
    AlertRound.objects.update(due_at=Now() + dt.timedelta(seconds=10))
    bands.change(PERSON, band.pk, {"youtube_channel": "@other"})
    assert AlertRound.objects.due().exists(), "the next round is not waited for"
    assert none(Rule.BAND_FAILING), "a new channel has not failed yet, and its alert is over at once"


def test_a_band_is_no_longer_called_stale_once_it_is_synced_and_another_channel_does_not_end_that() -> None:
    band = make_band("herons", "@herons", last_full_sync_at=ago(hours=49))
    Band.objects.update(created_at=ago(hours=500))
    alert = the_alert(Rule.BAND_STALE, str(band.pk))
    AlertRound.objects.update(due_at=Now() + dt.timedelta(seconds=10))
    _change_channel(band)
    assert AlertRound.objects.due().exists(), "the next round is not waited for"
    changed = the_alert(Rule.BAND_STALE, str(band.pk))
    assert (changed.pk, changed.sentence[:30]) == (alert.pk, "Herons got another channel at ")
    AlertRound.objects.update(due_at=Now() + dt.timedelta(seconds=10))
    _sync(band)
    assert AlertRound.objects.due().exists(), "the next round is not waited for"
    assert none(Rule.BAND_STALE)
    _change_channel(band, "@third")
    assert none(Rule.BAND_STALE), "it was not stale, and its new channel has some time"
    Band.objects.update(channel_changed_at=ago(hours=49))
    assert the_alert(Rule.BAND_STALE, str(band.pk)).sentence.startswith("Herons got another channel at ")


def _sync(band: Band) -> None:
    queue_job(band=band)
    Band.objects.update(last_full_sync_at=Now())
    outcomes.complete(claim())


def _change_channel(band: Band, reference: str = "@other") -> None:
    bands.change(PERSON, band.pk, {"youtube_channel": reference})


def test_only_what_a_measurement_may_find_again_waits_before_it_is_over() -> None:
    waiting = {rule for rule, default in alert_rules.DEFAULTS.items() if default.resolve_after}
    assert waiting == {
        *(Rule.NO_WORKER, Rule.WORKER_SILENT, Rule.WORKER_FAILING, Rule.NO_SCHEDULER, Rule.CLOCK_SKEW, Rule.OLD_JOB),
        *(Rule.REDIS_DEGRADED, Rule.DATABASE_DEGRADED, Rule.QUOTA_FORECAST),
        *(Rule.FAILURE_RATE, Rule.PUSH_OFF, Rule.VIDEOS_LATE),
    }


def test_an_error_is_named_by_one_of_its_messages_and_by_its_bands() -> None:
    expected = {
        "@owls": "A new error has occurred (Owls): Channel not found: @owls",
        "@herons": "A new error has occurred (Herons and 1 other band): Channel not found: @herons (and others like it)",
    }
    for name, sentence in expected.items():
        queue_job(band=make_band(name[1:], name))
        outcomes.fail(claim(), f"Channel not found: {name}", reason="channelNotFound")
        ErrorGroup.objects.update(first_seen_at=ago(hours=3))
        alert = the_alert(Rule.NEW_ERROR, ErrorGroup.objects.get().pk)
        assert alert.sentence == sentence
        assert words.since(alert) < clock.now() - dt.timedelta(hours=2)


def test_a_band_that_was_not_synced_for_long() -> None:
    band = make_band("herons", "@herons", last_incremental_sync_at=ago(hours=47))
    make_band("no-channel", last_incremental_sync_at=ago(hours=470))
    never = make_band("never", "@never")
    assert none(Rule.BAND_STALE)
    Band.objects.filter(pk=band.pk).update(last_incremental_sync_at=ago(hours=49))
    Band.objects.filter(pk=never.pk).update(created_at=ago(hours=49))
    assert "Herons has not been synced since" in the_alert(Rule.BAND_STALE, str(band.pk)).sentence
    assert the_alert(Rule.BAND_STALE, str(never.pk)).sentence == "Never has never been synced."
    # The time counts from the end of a pause.
    for resumed_at, count in ((ago(hours=47), 1), (ago(hours=49), 2)):
        Band.objects.filter(pk=band.pk).update(resumed_at=resumed_at)
        Alert.objects.all().delete()
        assert len([rule for rule, _ in unresolved() if rule == Rule.BAND_STALE]) == count


# ---- Errors


def _error(message: str = "It broke.") -> str:
    job = failed_job(message)
    return JobError.objects.filter(job=job).values_list("group_id", flat=True).get()


def test_a_new_error_group_until_it_is_acknowledged() -> None:
    group = _error()
    assert the_alert(Rule.NEW_ERROR, group).sentence == "A new error has occurred: It broke."
    errors.acknowledge_errors(PERSON, group)
    Alert.objects.update(last_seen_at=ago(hours=1))
    assert none(Rule.NEW_ERROR)


def test_an_error_that_has_only_been_retried_is_no_news() -> None:
    group = _error()
    JobError.objects.update(will_retry=True)
    assert (Rule.NEW_ERROR, group) not in unresolved()


def test_an_old_error_group_is_no_news_but_one_that_keeps_occurring_is() -> None:
    group = _error()
    ErrorGroup.objects.update(first_seen_at=ago(hours=25))
    assert none(Rule.NEW_ERROR)
    ErrorGroup.objects.update(first_seen_at=ago(hours=1))
    assert the_alert(Rule.NEW_ERROR, group)
    ErrorGroup.objects.update(first_seen_at=ago(hours=25))
    assert the_alert(Rule.NEW_ERROR, group)


def test_an_error_that_comes_back_after_it_was_acknowledged() -> None:
    group = _error()
    errors.acknowledge_errors(PERSON, group)
    assert none(Rule.ERROR_BACK)
    _error()
    alert = the_alert(Rule.ERROR_BACK, group)
    assert alert.sentence == "An error has come back: It broke."
    assert alert.advice == "Read its notes. Resolve the error once its cause is gone."
    assert none(Rule.NEW_ERROR)


def test_a_resolved_error_is_no_news_until_it_regresses_and_an_ignored_one_never() -> None:
    group = _error()
    errors.resolve_errors(PERSON, group)
    assert none(Rule.NEW_ERROR)
    assert none(Rule.ERROR_BACK)
    _error()
    assert "Resolve the error again" in the_alert(Rule.ERROR_BACK, group).advice
    assert none(Rule.NEW_ERROR)
    Alert.objects.all().delete()
    errors.ignore_errors(PERSON, group, clock.now() + dt.timedelta(days=1))
    _error()
    assert none(Rule.NEW_ERROR)
    assert none(Rule.ERROR_BACK)
    ErrorGroup.objects.update(ignored_until=ago(hours=1))
    assert none(Rule.ERROR_BACK)
    assert the_alert(Rule.NEW_ERROR, group)


def test_an_error_that_was_retried_neither_brings_an_alert_back_nor_makes_it_last() -> None:
    def retry_one() -> None:
        queue_job()
        outcomes.retry_later(claim(), "It broke.", reason="broken")

    group = _error()
    for act in (errors.acknowledge_errors, errors.resolve_errors):
        act(PERSON, group)
        retry_one()
        assert none(Rule.ERROR_BACK)
        assert none(Rule.NEW_ERROR)
        _error()
        assert the_alert(Rule.ERROR_BACK, group)
        Alert.objects.all().delete()
    retry_one()
    ErrorGroup.objects.update(last_final_at=ago(hours=30))
    evaluate()
    assert none(Rule.ERROR_BACK)


def test_an_error_that_comes_back_after_its_alert_was_resolved() -> None:
    group = _error()
    evaluate()
    Alert.objects.update(last_seen_at=ago(hours=30), resolved_at=ago(hours=1))
    ErrorGroup.objects.update(first_seen_at=ago(hours=60), last_seen_at=ago(hours=30))
    assert unresolved() == {}
    _error()
    assert set(unresolved()) == {(Rule.ERROR_BACK, group)}


# ---- YouTube


def test_a_bucket_that_is_used_up_and_the_jobs_that_wait_for_it(settings: LazySettings) -> None:
    job = queue_job()
    attempt = claim()
    assert none(Rule.QUOTA_EXHAUSTED)
    quota.close(Bucket.MAIN, "quotaExceeded")
    outcomes.delay(attempt, clock.now() + dt.timedelta(hours=5), quota.DELAY_REASONS[Bucket.MAIN], "Later")
    alert = the_alert(Rule.QUOTA_EXHAUSTED, "main")
    assert alert.facts["jobs"] == 1
    assert "The main quota is used up until" in alert.sentence
    assert "1 job waits for it." in alert.sentence
    QuotaDay.objects.all().delete()
    SyncJob.objects.filter(pk=job.pk).update(delay_reason="", run_at=Now())
    Alert.objects.update(last_seen_at=ago(hours=1))
    assert none(Rule.QUOTA_EXHAUSTED)


def test_a_bucket_whose_last_unit_was_spent(settings: LazySettings) -> None:
    settings.YOUTUBE_QUOTA_SEARCH = 1
    quota.reserve(Operation.SEARCH_LIST, Spender(is_personal=True))
    assert the_alert(Rule.QUOTA_EXHAUSTED, "search").severity == "CRITICAL"


def test_a_forecast_over_budget() -> None:
    day = quota_day(clock.now())
    QuotaDay.objects.create(bucket="main", day=day, limit=10_000, used=5000)
    queue_job(quota_estimated=4000)
    assert none(Rule.QUOTA_FORECAST)
    SyncJob.objects.update(quota_estimated=6000)
    alert = the_alert(Rule.QUOTA_FORECAST, "main")
    assert alert.facts == {"units": 11_000, "limit": 10_000}


def test_an_api_key_that_youtube_refuses() -> None:
    queues.pause_for_configuration("API key not valid.")
    alert = the_alert(Rule.KEY_REFUSED)
    assert alert.severity == "CRITICAL"
    assert alert.sentence == "The queues are paused. YouTube rejects the API key: API key not valid."
    Queue.objects.update(paused_at=ago(hours=5))
    assert none(Rule.QUEUE_PAUSED)


def test_youtube_that_does_not_answer() -> None:
    day = quota_day(clock.now())
    QuotaCall.objects.create(
        bucket="main", operation="videos.list", units=1, day=day, at=ago(seconds=20), seconds=18, reason="timeout"
    )
    alert = the_alert(Rule.YOUTUBE_SILENT)
    since = dt.datetime.fromisoformat(alert.facts["since"]).astimezone(dt.UTC)
    assert f"YouTube has not answered since {since:%Y-%m-%d %H:%M:%S} UTC" in alert.sentence


# ---- Services


def test_redis_that_does_not_answer(settings: LazySettings) -> None:
    assert none(Rule.REDIS_DEGRADED)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{unused.getsockname()[1]}"
        alert = the_alert(Rule.REDIS_DEGRADED, "redis")
    assert "Redis does not answer (ConnectionError)." in alert.sentence


def test_postgresql_whose_connections_run_out() -> None:
    assert none(Rule.DATABASE_DEGRADED)
    AlertRule.objects.create(name=Rule.DATABASE_DEGRADED, threshold=0.1)
    assert the_alert(Rule.DATABASE_DEGRADED, "connections").severity == "CRITICAL"


def test_a_transaction_that_stays_open_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    is_ready, may_begin, is_open, is_done = Event(), Event(), Event(), Event()
    pids: list[int] = []

    def hold() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids.append(cursor.fetchone()[0])
                is_ready.set()
                may_begin.wait(20)
                with transaction.atomic():
                    cursor.execute("SELECT pg_current_xact_id()")
                    is_open.set()
                    is_done.wait(20)
        finally:
            connection.close()

    thread = Thread(target=hold)
    thread.start()
    try:
        assert is_ready.wait(10)
        # Connections that other tests have left open are not looked at, and an hour is over at once.
        text = conditions.query("alert_findings")
        for old, new in (
            ("pid <> pg_backend_pid()", f"pid = {pids[0]}"),
            ("xact_start <= now - interval '1 hour'", "xact_start <= now"),
        ):
            assert old in text
            text = text.replace(old, new)
        monkeypatch.setattr(conditions, "query", lambda name: text)
        assert none(Rule.DATABASE_DEGRADED)
        may_begin.set()
        assert is_open.wait(10)
        alert = the_alert(Rule.DATABASE_DEGRADED, "transaction")
        assert alert.sentence.startswith("PostgreSQL is degraded: a transaction has been open since")
        assert alert.facts["since"]
    finally:
        may_begin.set()
        is_done.set()
        thread.join()


# ---- Settings


def test_a_rule_that_is_switched_off_finds_nothing_and_its_alert_is_over_at_once() -> None:
    Worker.objects.filter(name="w@a").update(clock_skew=9, failing_since=Now())
    assert {Rule.CLOCK_SKEW, Rule.WORKER_FAILING} <= {rule for rule, _subject in unresolved()}
    for rule in Rule:
        AlertRule.objects.create(name=rule, is_enabled=False)
    assert unresolved() == {}
    assert Alert.objects.resolved().count() >= 2


def test_a_threshold_that_a_person_has_set() -> None:
    Worker.objects.filter(name="w@a").update(clock_skew=9)
    AlertRule.objects.create(name=Rule.CLOCK_SKEW, threshold=10)
    assert none(Rule.CLOCK_SKEW)
    AlertRule.objects.update(threshold=8)
    assert the_alert(Rule.CLOCK_SKEW, "w@a")


# ---- Channels


def test_a_channel_that_does_not_deliver() -> None:
    channel = make_channel("Chat")
    deadline = clock.now() + dt.timedelta(hours=1)
    AlertDelivery.objects.create(
        channel=channel, kind="ALERTS", title="x", text="x", deadline_at=deadline, attempts_made=2, problem="500"
    )
    assert none(Rule.DELIVERIES_FAILING)
    AlertDelivery.objects.update(attempts_made=3)
    alert = the_alert(Rule.DELIVERIES_FAILING, str(channel.pk))
    assert alert.sentence == "Messages to the channel Chat are not delivered."
    AlertDelivery.objects.update(state="FAILED", ended_at=Now())
    assert set(unresolved()) == {(Rule.DELIVERIES_FAILING, str(channel.pk))}
    AlertDelivery.objects.create(
        channel=channel, kind="ALERTS", title="x", text="x", deadline_at=deadline, state="DELIVERED", ended_at=Now()
    )
    Alert.objects.update(last_seen_at=ago(hours=1))
    assert none(Rule.DELIVERIES_FAILING)


def test_the_documentation_lists_every_rule() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text()
    table = page.split("\n## Rules\n")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|.*\| (.*?) \| (.*?) \| .*? \|$", table, re.MULTILINE)
    assert [name for name, _allowed, _default in documented] == Rule.values
    for name, allowed, default in documented:
        rule = alert_rules.DEFAULTS[Rule(name)]
        assert (default == "—") == (allowed == "—") == (rule.threshold is None), name
        assert rule.threshold is None or default.startswith(f"{rule.threshold:g} "), name
        assert rule.threshold is None or allowed == f"{rule.least:g} – {rule.most:g}", name


# ---- Push and freshness


def test_push_that_does_not_work_for_most_bands(settings: LazySettings) -> None:
    for number in range(4):
        make_band(f"band{number}", channel_id=f"UC{number:022}")
    settings.PUBLIC_URL = "https://sync.example.org"
    subscriptions.reconcile()
    works = {"state": "VERIFIED", "lease_ends_at": Now() + dt.timedelta(days=1)}
    assert none(Rule.PUSH_OFF)  # They were asked for just now.
    Subscription.objects.update(created_at=ago(hours=2), **works)
    assert none(Rule.PUSH_OFF)
    first, second = Subscription.objects.order_by("pk")[:2]
    Subscription.objects.filter(pk=first.pk).update(trust_lost_at=Now())
    assert none(Rule.PUSH_OFF)  # A quarter of them.
    Subscription.objects.filter(pk=second.pk).update(lease_ends_at=Now())
    HubState.objects.update(failing_since=Now(), problem="The hub answered 503.")
    alert = the_alert(Rule.PUSH_OFF)
    assert alert.sentence == (
        "50% or more of the subscriptions at YouTube's hub don't work. Feeds are read often instead."
        " The hub takes no requests: The hub answered 503."
    )
    settings.PUBLIC_URL = ""
    Alert.objects.all().delete()
    assert none(Rule.PUSH_OFF)


def test_new_videos_that_come_late() -> None:
    band = make_band("herons", channel_id=f"UC{1:022}")
    feeds.match_bands()
    ChannelFeed.objects.update(watched_since=ago(days=2))
    now = clock.now()

    def store(number: int, minutes: float, hours: float, noticed_by: str = "feed") -> None:
        stored = now - dt.timedelta(hours=hours)
        Video.objects.create(
            band=band, channel_id=band.channel_id, youtube_id=f"v{number}", noticed_by=noticed_by,
            created_at=stored, published_at=stored - dt.timedelta(minutes=minutes),
        )  # fmt: skip

    for number in range(4):
        store(number, 55, number)
    store(4, 55, 25)
    store(5, 55, 1, "person")
    assert none(Rule.VIDEOS_LATE)  # Four within a day are too few.
    store(6, 55, 23)
    # Not if the band was paused meanwhile.
    Band.objects.update(resumed_at=now - dt.timedelta(hours=23, minutes=10))
    assert none(Rule.VIDEOS_LATE)
    Band.objects.update(resumed_at=now - dt.timedelta(hours=24))
    alert = the_alert(Rule.VIDEOS_LATE)
    assert "one in twenty is stored 50 minutes or more after" in alert.sentence
    for number in range(10, 50):
        store(number, 1, 0)
    Alert.objects.all().delete()
    assert none(Rule.VIDEOS_LATE)  # The newest forty are in time.
