"""A host whose clock is wrong decides as the others do: by the database's clock."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from bands.models import Band
from syncjobs import limits
from syncjobs.choices import JobStatus, JobType, QueueName, Role
from syncjobs.engine import clock
from syncjobs.exceptions import RecentlySynced
from syncjobs.models import SyncJob
from syncjobs.operations import cleanup, schedules, triggers
from syncjobs.stats import jobs as stats
from syncjobs.stats.estimates import estimate
from syncjobs.youtube.simulator import Simulator
from tests.clients import Api
from tests.factories import PERSON, band_with_videos, make_band, queue_job, run_next

pytestmark = pytest.mark.django_db
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(params=[-5, 5], autouse=True)
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move this host's clock by some minutes; the database's stays right."""
    real_time, real_now = time.time, timezone.now
    monkeypatch.setattr(clock, "_observed", None)
    clock.now()
    monkeypatch.setattr(time, "time", lambda: real_time() + 60 * request.param)
    monkeypatch.setattr(timezone, "now", lambda: real_now() + request.param * MINUTE)


def test_the_minimum_interval_ends_when_it_ends(settings: LazySettings) -> None:
    settings.SYNC_MIN_INTERVAL_SECONDS = 900
    early = make_band("early", "UC" + "a" * 22, last_full_sync_at=clock.now() - 13 * MINUTE)
    late = make_band("late", "UC" + "b" * 22, last_full_sync_at=clock.now() - 17 * MINUTE)
    assert estimate([early, late], full=True).skipped_as_just_synced == 1
    assert triggers.trigger_sync(PERSON, late, full=True).is_new
    with pytest.raises(RecentlySynced):
        triggers.trigger_sync(PERSON, early, full=True)


def test_the_rotation_reads_a_band_when_its_turn_has_come(youtube: Simulator, settings: LazySettings) -> None:
    settings.SYNC_ROTATION_HOURS = 1
    bands = []
    for slug, minutes in (("early", 58), ("late", 62)):
        band, _ = band_with_videos(youtube.world, 3, slug)
        Band.objects.filter(pk=band.pk).update(last_page_read_at=clock.now() - minutes * MINUTE, channel_video_count=3)
        bands.append(band)
    queue_job(JobType.INCREMENTAL_SYNC, fans_out=True)
    run_next()
    assert list(SyncJob.objects.filter(band__isnull=False).values_list("band__slug", flat=True)) == ["late"]


def test_old_jobs_are_pruned_at_their_time(settings: LazySettings) -> None:
    settings.SYNC_KEEP_JOBS_DAYS = 1
    day = 24 * 60
    for minutes in (day - 3, day + 3):
        job = queue_job()
        SyncJob.objects.filter(pk=job.pk).update(
            status=JobStatus.COMPLETED, completed_at=clock.now() - minutes * MINUTE
        )
    queue_job(JobType.PRUNE)
    run_next(QueueName.MAINTENANCE)
    assert SyncJob.objects.filter(job_type=JobType.FULL_SYNC).count() == 1


def test_sessions_and_tokens_are_deleted_when_nobody_accepts_them_any_more() -> None:
    user = get_user_model().objects.create(username="mo")
    for minutes in (3, -3):
        Session.objects.create(session_key=f"in {minutes}", session_data="", expire_date=clock.now() + minutes * MINUTE)
    for minutes in (-9, -11):
        token = RefreshToken.for_user(user)
        token.blacklist()
        OutstandingToken.objects.filter(jti=token["jti"]).update(expires_at=clock.now() + minutes * MINUTE)
    deleted = cleanup.delete_expired(PERSON)
    assert (deleted["sessions"], deleted["tokens"]) == (1, 1)
    assert Session.objects.get().session_key == "in 3"
    # Tokens are accepted for ten more minutes, so until then a revoked one must be remembered.
    assert BlacklistedToken.objects.count() == 1


def test_a_new_schedule_is_due_at_its_next_time() -> None:
    values = {"name": "Prune", "job_type": "PRUNE", "enabled": True, "interval": {"every": 1, "period": "hours"}}
    task = schedules.save(PERSON, None, values)
    due = schedules.next_run(PeriodicTask.objects.get(pk=task.pk))
    assert due is not None
    assert abs(due - clock.now() - 60 * MINUTE) < MINUTE
    assert abs(schedules.next_runs(task, 1)[0] - clock.now() - 60 * MINUTE) < MINUTE


def test_figures_are_as_of_the_databases_time() -> None:
    assert abs(stats.metrics()["as_of"] - clock.now()) < MINUTE
    as_of = dt.datetime.fromisoformat(Api(Role.MODERATOR).get("admin/workers").json()["asOf"])
    assert abs(as_of - clock.now()) < MINUTE


def test_rates_are_counted_by_the_same_clock_on_all_web_servers() -> None:
    assert limits.count("somebody", 60)[0] == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT expires FROM syncmonitor_cache WHERE cache_key = 'limit:somebody'")
        (expires,) = cursor.fetchone()
    assert abs(expires - clock.now() - MINUTE) < MINUTE
