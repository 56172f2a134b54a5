"""The world of the recorded answers: fixed ids and named times.

It is built with the models alone, so that it does not depend on other code.
"""

from __future__ import annotations

import datetime as dt
import functools
import io
import uuid
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection, models
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from bands.models import Band, Video
from syncjobs.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertDeliveryAttempt,
    Attempt,
    AuditEntry,
    BulkAction,
    ChannelSuggestion,
    ErrorGroup,
    ErrorNote,
    FilterPreset,
    JobError,
    JobEvent,
    Queue,
    QuotaCall,
    QuotaDay,
    SyncJob,
    Worker,
)
from tests.alerts.channels import make_channel
from tests.api.recorded.clock import Clock

PASSWORD = "correct horse battery"
PEOPLE = {"plain": 11, "MODERATOR": 12, "ADMIN": 13, "SUPER_ADMIN": 14}
FIRST_NEW_ID = 5001
BROKEN, GONE, ODD = "00000000000000aa", "00000000000000bb", "00000000000000cc"
"""Fingerprints of the error groups."""
HTML = '<img src=x onerror="alert(1)">'
QUEUES = {
    "FULL_SYNC": "video-sync",
    "INCREMENTAL_SYNC": "video-sync",
    "SINGLE_VIDEO": "video-processing",
    "ENRICH": "video-processing",
    "STATS_REFRESH": "maintenance",
    "AVAILABILITY_CHECK": "maintenance",
    "PRUNE": "maintenance",
}
_NUMBERED: tuple[type[models.Model], ...] = (
    Alert, AlertChannel, AlertDelivery, AlertDeliveryAttempt, Attempt, AuditEntry, Band, BulkAction, ChannelSuggestion, ErrorNote, FilterPreset, JobError, JobEvent, QuotaCall, QuotaDay, SyncJob, Video, User,
    PeriodicTask, CrontabSchedule, IntervalSchedule, OutstandingToken, BlacklistedToken,
)  # fmt: skip


def number_new_rows(first: int = FIRST_NEW_ID) -> None:
    """Number all new rows from there on."""
    with connection.cursor() as cursor:
        cursor.execute(";".join(f"ALTER SEQUENCE {name} RESTART WITH {first}" for name in _sequences()))


@functools.cache
def _sequences() -> list[str]:
    with connection.cursor() as cursor:
        tables = [model._meta.db_table for model in _NUMBERED]
        cursor.execute("SELECT pg_get_serial_sequence(name, 'id') FROM unnest(%s::text[]) AS name", [tables])
        return [name for (name,) in cursor.fetchall()]


def build() -> Clock:
    """Fill an empty database."""
    clock = Clock()
    number_new_rows(2001)
    _people()
    _bands(clock)
    _videos(clock)
    _jobs(clock)
    _old_jobs(clock)
    _what_happened(clock)
    _errors(clock)
    _quota(clock)
    _schedules(clock)
    _alerts(clock)
    _alert_channels(clock)
    _the_rest(clock)
    return clock


def _people() -> None:
    call_command("setup_roles", verbosity=0, stdout=io.StringIO())
    for name, pk in PEOPLE.items():
        user = User.objects.create_user(name, password=PASSWORD, pk=pk, is_staff=name != "plain")
        user.groups.set(Group.objects.filter(name=name))
    User.objects.create_user("gone", password=PASSWORD, pk=15, is_active=False)


def _bands(clock: Clock) -> None:
    def add(pk: int, name: str, slug: str, **more: Any) -> None:
        channel = f"UC{pk:022}"
        known = {"channel_reference": channel, "channel_id": channel, "uploads_playlist_id": f"UU{pk:022}"}
        Band.objects.create(pk=pk, name=name, slug=slug, **known | more)

    add(
        11, "Cedar Hollow Herons", "herons",
        school_name="Cedar Hollow", nickname="Herons", city="Ashby", state="GA", conference="Coastal", founded=1904,
        band_type="HBCU", search_keywords=["herons", "cedar"], primary_color="#660000", secondary_color="#FFFFFF",
        is_featured=True, channel_reference="@herons", channel_handle="@herons", channel_title="Herons on air",
        extra_playlists=["PLabcdefghijkl"], channel_video_count=120,
        last_full_sync_at=clock.day(3), last_incremental_sync_at=clock.ago(5),
    )  # fmt: skip
    add(12, f'=1+1 {HTML}, "Brass"', "brass", channel_video_count=7)
    add(13, "Inactive Drumline", "inactive", is_active=False)
    add(14, "No Channel", "no-channel", channel_reference="", channel_id="", uploads_playlist_id="")
    add(
        15, "Problem Cadence", "problem", consecutive_failures=3, channel_problem="NOT_FOUND",
        channel_problem_since=clock.day(5),
    )  # fmt: skip
    add(16, "Just Synced", "just-synced", last_full_sync_at=clock.just(), last_incremental_sync_at=clock.just(3))
    clock.just(900)
    add(17, "Wren Crossing", "wren", channel_id="", channel_reference="@wren", uploads_playlist_id="")


def _videos(clock: Clock) -> None:
    for number in range(1, 9):
        Video.objects.create(
            pk=100 + number, youtube_id=f"video{number:06}", band_id=11 if number < 7 else 12,
            channel_id=f"UC{11:022}", channel_title="Herons on air",
            title=HTML if number == 3 else f"Halftime {number}", description="First\nsecond" if number == 1 else "",
            published_at=None if number == 6 else clock.day(2 + number),
            duration_seconds=None if number == 2 else 60 * number, live_state="upcoming" if number == 2 else "none",
            thumbnails={"default": {"url": f"https://i.ytimg.com/vi/{number}.jpg", "width": 120, "height": 90}},
            tags=["drumline", "halftime"] if number == 1 else [],
            view_count=None if number == 2 else 3_000_000_000 + number % 4, like_count=number or None,
            comment_count=None if number == 4 else 0,
            availability={4: "MISSING", 5: "UNAVAILABLE"}.get(number, "AVAILABLE"), availability_since=clock.day(4),
        )  # fmt: skip


def _job(pk: int, job_type: str, status: str, created: dt.datetime, **more: Any) -> None:
    names = dict(Band.objects.values_list("pk", "name"))
    known = {
        "queue_id": QUEUES[job_type],
        "band_name": names.get(more.get("band_id"), ""),
        "created_at": created,
        "run_at": created,
        "requested_by_label": "MODERATOR",
        "requested_by_id": 12,
        "origin": "API",
    }
    SyncJob.objects.create(pk=pk, job_type=job_type, status=status, **known | more)


def _jobs(clock: Clock) -> None:
    """Create jobs of each type in each status, queued ones last."""
    ago = clock.ago

    def ended(hours: int, took: int) -> dict[str, Any]:
        return {"started_at": ago(hours, 20), "completed_at": ago(hours, 20 + took), "attempts_made": 1}

    night = {"requested_by_label": "schedule: Night", "requested_by_id": None, "origin": "SCHEDULE", "priority": 10}
    found = {"videos_found": 120, "videos_added": 3, "videos_updated": 40, "videos_unavailable": 1, "quota_used": 6}
    done = {"progress_done": 120, "progress_total": 120}
    _job(1001, "FULL_SYNC", "COMPLETED", ago(20), band_id=11, **ended(20, 90), **found, **done, **night)
    _job(1002, "INCREMENTAL_SYNC", "COMPLETED", ago(18), band_id=12, **ended(18, 7), quota_used=2, error_count=2)
    _job(1003, "FULL_SYNC", "FAILED", ago(16), band_id=12, **ended(16, 33) | {"attempts_made": 2}, error_count=1)
    _job(1004, "FULL_SYNC", "FAILED", ago(14), band_id=15, **ended(14, 5), error_count=1, priority=40)
    _job(1005, "FULL_SYNC", "CANCELLED", ago(12), band_id=11, completed_at=ago(12, 60), cancel_requested_at=ago(12, 60))
    fanned = {"checkpoint": {"fanned_out": True}, "progress_done": 2, "progress_total": 4, "quota_estimated": 1}
    _job(
        1006, "INCREMENTAL_SYNC", "IN_PROGRESS", ago(6), fans_out=True, dedupe_key="INCREMENTAL_SYNC:all",
        started_at=ago(6, 2), attempts_made=1, params={"force": False}, **fanned, **night,
    )  # fmt: skip
    child = {"parent_id": 1006, **night}
    _job(1007, "INCREMENTAL_SYNC", "COMPLETED", ago(6, 3), band_id=11, **ended(6, 40), **found, **child)
    _job(1008, "INCREMENTAL_SYNC", "QUEUED", ago(6, 3), band_id=12, dedupe_key="INCREMENTAL_SYNC:band:12", **child)
    _job(1009, "INCREMENTAL_SYNC", "FAILED", ago(6, 3), band_id=15, **ended(6, 10), error_count=1, **child)
    running = {"attempts_made": 1, "progress_done": 50, "videos_found": 50}
    _job(
        1010, "INCREMENTAL_SYNC", "IN_PROGRESS", ago(6, 3), band_id=17, dedupe_key="INCREMENTAL_SYNC:band:17",
        started_at=ago(6, 30), **running, **child,
    )  # fmt: skip
    _job(
        1011, "FULL_SYNC", "IN_PROGRESS", ago(5), band_id=11, dedupe_key="FULL_SYNC:band:11", started_at=ago(5, 20),
        checkpoint={"walk": 1, "page_token": "EAAaBlBUOkNESQ"}, quota_used=3, progress_total=120, **running,
    )  # fmt: skip
    _job(
        1012, "SINGLE_VIDEO", "COMPLETED", ago(4), **ended(4, 1), params={"video_id": "video000001"}, quota_used=1,
        requested_by_label="+pat", requested_by_id=None, origin="COMMAND",
    )  # fmt: skip
    _job(1013, "FULL_SYNC", "FAILED", ago(3), band_name="Deleted Band", **ended(3, 4), error_count=1)
    _job(
        1014, "AVAILABILITY_CHECK", "IN_PROGRESS", ago(2), started_at=ago(2, 20), dedupe_key="AVAILABILITY_CHECK",
        cancel_requested_at=ago(2, 50), cancel_requested_by="ADMIN", **running,
    )  # fmt: skip
    _job(1015, "ENRICH", "QUEUED", ago(2, 5), dedupe_key="ENRICH", **night)
    _job(
        1016, "STATS_REFRESH", "QUEUED", ago(2, 6), run_at=clock.day(-30), delay_reason="QUOTA_STATS", attempts_made=1,
        dedupe_key="STATS_REFRESH", **night,
    )  # fmt: skip
    _job(
        1017, "FULL_SYNC", "QUEUED", ago(1), band_id=15, run_at=clock.day(-30, 5), delay_reason="RETRY", attempts_made=1,
        dedupe_key="FULL_SYNC:band:15", failures_in_a_row=1,
    )  # fmt: skip
    _job(
        1018, "FULL_SYNC", "QUEUED", ago(1, 9), band_id=12, retry_of_id=1003, priority=30, quota_estimated=2,
        dedupe_key="FULL_SYNC:band:12",
    )  # fmt: skip


def _old_jobs(clock: Clock) -> None:
    """Create enough jobs for several pages."""
    for number in range(20):
        days, job_type = (3, 5, 20, 45)[number % 4], list(QUEUES)[number % 7]
        status = ("COMPLETED", "COMPLETED", "CANCELLED")[number % 3]
        started = None if status == "CANCELLED" else clock.day(days, 100 * number + 10)
        _job(
            901 + number, job_type, status, clock.day(days, 100 * number), band_id=11 if number % 2 else None,
            started_at=started, completed_at=clock.day(days, 101 * number + 20), attempts_made=1 if started else 0,
        )  # fmt: skip


def _what_happened(clock: Clock) -> None:
    ago = clock.ago

    def attempt(job: int, number: int, outcome: str, started: dt.datetime, **more: Any) -> None:
        lease = {"lease_expires_at": clock.day(-30), "worker": "celery@north-1", "process_id": 411}
        Attempt.objects.create(job_id=job, number=number, outcome=outcome, started_at=started, **lease | more)

    for job in SyncJob.objects.filter(status__in=("COMPLETED", "FAILED"), started_at__isnull=False).order_by("pk"):
        outcome = "FAILED" if job.status == "FAILED" else "SUCCEEDED"
        failure = (
            {"error": "It broke.", "error_reason": "backendError", "traceback": "T"} if outcome == "FAILED" else {}
        )
        attempt(job.pk, job.attempts_made, outcome, job.started_at, ended_at=job.completed_at, **failure)
    attempt(1003, 1, "LOST", ago(16, 5), ended_at=ago(16, 15), error="Worker stopped.")
    attempt(1006, 1, "SUCCEEDED", ago(6, 2), ended_at=ago(6, 4))
    attempt(1016, 1, "DELAYED", ago(2, 8), ended_at=ago(2, 10), error="Today's quota is used up.")
    attempt(1017, 1, "FAILED", ago(1, 2), ended_at=ago(1, 4), error="503", error_reason="backendError")
    for job in SyncJob.objects.filter(status="IN_PROGRESS", fans_out=False).order_by("pk"):
        attempt(job.pk, 1, "RUNNING", job.started_at, worker="celery@north-2")

    def event(job: int, kind: str, at: dt.datetime, message: str = "", number: int | None = None, **data: Any) -> None:
        JobEvent.objects.create(job_id=job, kind=kind, at=at, message=message, attempt_number=number, data=data)

    event(1003, "QUEUED", ago(16), "MODERATOR")
    event(1003, "STARTED", ago(16, 5), "celery@north-1", 1)
    event(1003, "LOST", ago(16, 15), "Worker celery@north-1 stopped renewing its lease.", 1)
    event(1003, "STARTED", ago(16, 20), "celery@north-1", 2)
    event(1003, "FAILED", ago(16, 53), "It broke.", 2)
    event(1006, "QUEUED", ago(6), "schedule: Night")
    event(1006, "FANNED_OUT", ago(6, 4), "4 bands queued, 1 unchanged", 1, queued=4, unchanged=1, already_active=0)
    event(1017, "RETRYING", ago(1, 4), "503", 1, seconds=30, failures=1)


def _errors(clock: Clock) -> None:
    def group(key: str, reason: str, message: str, permanent: bool, first: dt.datetime, **more: Any) -> None:
        ErrorGroup.objects.create(
            fingerprint=key, reason=reason, message=message, sample=message, is_permanent=permanent, first_seen_at=first,
            last_seen_at=first, **more,
        )  # fmt: skip

    def error(pk: int, job: int, key: str, band: int | None, at: dt.datetime, message: str, **more: Any) -> None:
        reason = ErrorGroup.objects.get(pk=key).reason
        JobError.objects.create(
            pk=pk, job_id=job, attempt_number=1, group_id=key, band_id=band, reason=reason, message=message, created_at=at,
            **more,
        )  # fmt: skip
        ErrorGroup.objects.filter(pk=key, last_seen_at__lt=at).update(last_seen_at=at, sample=message)

    group(BROKEN, "backendError", "YouTube answered 503.", False, clock.day(20))
    group(
        GONE, "playlistNotFound", "The playlist … is gone.", True, clock.ago(14, 25),
        acknowledged_at=clock.ago(13), acknowledged_by="ADMIN", note="Asked the school.",
    )  # fmt: skip
    group(ODD, "unreadableItem", f"{HTML} has no title.", False, clock.ago(18, 22))
    error(1, 903, BROKEN, None, clock.day(20, 220), "YouTube answered 503.")
    error(2, 1002, ODD, 12, clock.ago(18, 22), f"{HTML} has no title.", item_id="video000007")
    error(3, 1002, ODD, 12, clock.ago(18, 23), "=cmd has no title.", item_id="video000008")
    error(4, 1003, BROKEN, 12, clock.ago(16, 15), "YouTube answered 503.", will_retry=True)
    error(5, 1003, BROKEN, 12, clock.ago(16, 53), "YouTube answered 503.")
    error(6, 1004, GONE, 15, clock.ago(14, 25), "The playlist UU15 is gone.")
    error(7, 1009, GONE, 15, clock.ago(6, 30), "The playlist UU15 is gone.")
    error(8, 1013, BROKEN, None, clock.ago(3, 24), "YouTube answered 503.")


def _quota(clock: Clock) -> None:
    for back in range(4):
        day = clock.quota_day - dt.timedelta(days=back)
        QuotaDay.objects.create(bucket="main", day=day, limit=10_000, reserved=500, used=7 + back)
    QuotaDay.objects.create(
        bucket="stats", day=clock.quota_day, limit=10_000, used=40, closed_at=clock.ago(2, 10),
        closed_reason="quotaExceeded",
    )  # fmt: skip
    for operation, job, kind, band, reason in (
        ("playlistItems.list", 1011, "FULL_SYNC", 11, ""),
        ("playlistItems.list", 1011, "FULL_SYNC", 11, ""),
        ("videos.list", 1011, "FULL_SYNC", 11, "backendError"),
        ("channels.list", 1006, "INCREMENTAL_SYNC", None, ""),
        ("videos.list", None, "", 99, ""),
    ):
        QuotaCall.objects.create(
            bucket="main", day=clock.quota_day, operation=operation, units=1, job_id=job, job_type=kind, band_id=band,
            is_personal=band == 11, at=clock.ago(1), seconds=0.2, http_status=503 if reason else 200, reason=reason,
        )  # fmt: skip


def _schedules(clock: Clock) -> None:
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    IntervalSchedule.objects.all().delete()
    cron = CrontabSchedule.objects.create(pk=31, minute="30", hour="3", timezone="America/New_York")
    often = IntervalSchedule.objects.create(pk=41, every=6, period="hours")
    trigger = {"task": "syncjobs.trigger"}
    PeriodicTask.objects.create(
        pk=51,
        name="Night",
        crontab=cron,
        kwargs='{"job_type": "INCREMENTAL_SYNC"}',
        last_run_at=clock.ago(6),
        **trigger,
    )
    PeriodicTask.objects.create(
        pk=52, name="Statistics", interval=often, kwargs='{"job_type": "STATS_REFRESH"}', enabled=False, **trigger
    )
    PeriodicTask.objects.create(pk=53, name="Not ours", interval=often, task="syncjobs.reconcile")


def _alerts(clock: Clock) -> None:
    Alert.objects.create(
        pk=91, rule="worker_silent", subject_type="worker", subject_id="celery@nowhere", subject_label="celery@nowhere",
        severity="CRITICAL", sentence="Worker celery@nowhere has not responded.", link="/admin/syncjobs/worker/",
        facts={"since": None, "others": False}, opened_at=clock.ago(3), last_seen_at=clock.ago(0),
    )  # fmt: skip
    Alert.objects.create(
        pk=92, rule="band_failing", subject_type="band", subject_id="11", subject_label="Cedar Hollow Herons",
        severity="WARNING", sentence="The last 3 syncs have failed.", link="/admin/bands/band/11/change/",
        facts={"failures": 3, "error": HTML}, opened_at=clock.ago(2), last_seen_at=clock.ago(0),
        acknowledged_at=clock.ago(1), acknowledged_by="ADMIN", note="Their channel moved.",
    )  # fmt: skip
    Alert.objects.create(
        pk=93, rule="queue_paused", subject_type="queue", subject_id="maintenance", subject_label="maintenance",
        severity="WARNING", sentence="The queue has been paused.", facts={"since": None, "by": "ADMIN", "reason": ""},
        opened_at=clock.day(3), last_seen_at=clock.day(2), resolved_at=clock.day(2),
    )  # fmt: skip


def _alert_channels(clock: Clock) -> None:
    channel = make_channel(
        pk=95, name="Operators", severities=["CRITICAL"], rules=["no_worker"], quiet_from=dt.time(22), quiet_until=dt.time(7),
        created_at=clock.day(5),
    )  # fmt: skip
    channel.bands.add(11)
    make_channel(
        pk=96, name="Outside", kind="PING", created_at=clock.day(5), pinged_at=clock.ago(1), ping_problem="No ping: none.",
        is_enabled=False,
    )  # fmt: skip
    message = {
        "channel": channel, "kind": "ALERTS", "title": "Critical: Worker celery@nowhere has not responded.", "text": HTML,
        "payload": {"title": "Critical"}, "alert_count": 2,
    }  # fmt: skip
    AlertDelivery.objects.create(
        **message, pk=971, key=uuid.UUID(int=971), state="DELIVERED", created_at=clock.ago(3), next_attempt_at=clock.ago(3),
        deadline_at=clock.ago(-21), ended_at=clock.ago(2), attempts_made=1,
    )  # fmt: skip
    failed = AlertDelivery.objects.create(
        **message, pk=972, key=uuid.UUID(int=972), state="FAILED", created_at=clock.day(3), next_attempt_at=clock.day(2),
        deadline_at=clock.day(2), ended_at=clock.day(2), attempts_made=2, problem="The receiver answered 500.",
    )  # fmt: skip
    AlertDelivery.objects.create(
        **message, pk=973, key=uuid.UUID(int=973), created_at=clock.ago(1), next_attempt_at=clock.ago(-1),
        deadline_at=clock.ago(-23), attempts_made=1, problem="The receiver refuses connections.",
    )  # fmt: skip
    for number, result, status in ((1, "LOST", None), (2, "FAILED", 500)):
        AlertDeliveryAttempt.objects.create(
            delivery=failed, number=number, process="celery@nowhere/7", started_at=clock.day(3), ended_at=clock.day(3),
            result=result, status=status, problem="" if status is None else "The receiver answered 500.",
        )  # fmt: skip


def _the_rest(clock: Clock) -> None:
    """Create workers, filter presets, audit entries, bulk actions and a paused queue."""
    Queue.objects.filter(pk="maintenance").update(paused_at=clock.ago(1, 30), paused_by="ADMIN", pause_reason="Quiet")
    beats = {"process_id": 411, "started_at": clock.day(3)}
    Worker.objects.create(
        name="celery@north-1", queues=["video-sync", "maintenance"], concurrency=4, heartbeat_at=clock.day(-30), **beats
    )
    Worker.objects.create(
        name="celery@north-2", queues=["video-processing"], concurrency=2, heartbeat_at=clock.ago(2), **beats,
        stopping_at=clock.ago(2, 1),
    )  # fmt: skip
    at = {"created_at": clock.day(3)}
    decided = {"state": "declined", "decided_by": "ADMIN", "decided_at": clock.day(2), "reason": "A fan's channel"}
    for pk, band_id, reference, more in (
        (98, 15, "@ProblemCadence2", {"note": "On their page"}),
        (99, 15, "@Fans", {"channel_id": f"UC{99:022}", "channel_title": HTML} | decided),
    ):
        ChannelSuggestion.objects.create(
            pk=pk, band_id=band_id, reference=reference, author_id=12, author_label="MODERATOR", **at, **more
        )
    FilterPreset.objects.create(
        pk=61, name="Failed", filters={"status": "FAILED", "jobType": "FULL_SYNC,ENRICH"}, created_by="ADMIN", **at
    )
    FilterPreset.objects.create(pk=62, name="Mine", filters={"bandId": "11"}, owner_id=12, created_by="MODERATOR", **at)
    FilterPreset.objects.create(pk=63, name="Hidden", filters={}, owner_id=13, created_by="ADMIN", **at)
    for pk, at_, action, actor, origin, target, which, result, data in (
        (71, clock.day(5), "pause_queue", "ADMIN", "API", "queue", "video-sync", "ok", {"paused": ["video-sync"]}),
        (72, clock.day(5, 9), "create_band", "=ADMIN", "ADMIN", "band", "11", "ok", {"values": {"name": HTML}}),
        (73, clock.ago(20), "trigger_sync", "MODERATOR", "API", "band", "11", "recently_synced", {}),
        (74, clock.ago(19), "run_schedule", "ADMIN", "API", "schedule", "52", "ok", {"job": 1016}),
        (75, clock.ago(3), "retry_job", "pat@host", "COMMAND", "job", "1003", "ok", {"job": 1018, "new": True}),
    ):
        AuditEntry.objects.create(
            pk=pk, at=at_, action=action, actor_id=13, actor_label=actor, origin=origin, address="192.0.2.7",
            target_type=target, target_id=which, result=result, message=f"{action} of {which}", data=data,
        )  # fmt: skip
    asked = {"actor_label": "ADMIN", "origin": "API", "created_at": clock.ago(2)}
    BulkAction.objects.create(
        pk=81, action="retry", job_ids=[1003, 1004], total=2, done=2, succeeded=1, refused={"1004": "No channel."},
        ended_at=clock.ago(2, 5), **asked,
    )  # fmt: skip
    BulkAction.objects.create(pk=82, action="cancel", job_ids=[9998, 9999], total=2, **asked)
