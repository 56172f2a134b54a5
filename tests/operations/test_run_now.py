"""Ending a delay, and reopening a bucket of the quota: the same operations behind the API, the admin and the commands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from syncjobs.choices import DelayReason, JobType, Role
from syncjobs.engine import clock, quota
from syncjobs.exceptions import InvalidInput, NotFound, WrongState
from syncjobs.models import AuditEntry, QuotaDay, SyncJob
from syncjobs.operations import queued_jobs, schedules, triggers
from syncjobs.operations.quota import reopen_bucket
from syncjobs.youtube.costs import Bucket, quota_day
from tests.clients import DIALOG, Api, command_error, logged_in, run_command
from tests.factories import PERSON, SCHEDULE, fanned_out, make_band, queue_job

pytestmark = pytest.mark.django_db
CHANNEL = "UCabcdefghijklmnopqrstuv"
HOUR = dt.timedelta(hours=1)


def _delay(*jobs: SyncJob, reason: DelayReason = DelayReason.QUOTA_MAIN) -> None:
    ids = [job.pk for job in jobs]
    SyncJob.objects.filter(pk__in=ids).update(run_at=timezone.now() + HOUR, delay_reason=reason)


def _is_due(job: SyncJob) -> bool:
    return SyncJob.objects.runnable().filter(pk=job.pk, delay_reason="").exists()


@pytest.mark.parametrize("reason", [DelayReason.QUOTA_MAIN, DelayReason.RETRY])
def test_a_forced_trigger_ends_a_delay(reason: DelayReason) -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(SCHEDULE, band, full=True).job
    _delay(job, reason=reason)
    created = triggers.trigger_sync(PERSON, band, full=True)
    assert not created.has_ended_delay
    assert not _is_due(job)
    created = triggers.trigger_sync(PERSON, band, full=True, force=True)
    assert (created.job, created.is_new, created.has_ended_delay) == (job, False, True)
    assert _is_due(job)
    assert job.events.order_by("pk").last().message == "pat: run now"  # type: ignore[union-attr]
    assert not triggers.trigger_sync(PERSON, band, full=True, force=True).has_ended_delay


def test_a_forced_trigger_of_all_bands_ends_the_delays_of_its_children() -> None:
    parent, children = fanned_out(3)
    SyncJob.objects.filter(pk=parent.pk).update(dedupe_key="FULL_SYNC:all")
    _delay(*children[:2])
    assert triggers.trigger_sync(PERSON, None, full=True, force=True).has_ended_delay
    assert all(map(_is_due, children))


def test_a_person_who_asks_for_a_video_or_maintenance_ends_the_delay_and_a_schedule_does_not() -> None:
    video = triggers.trigger_video(PERSON, "dQw4w9WgXcQ").job
    stats = triggers.trigger_maintenance(SCHEDULE, JobType.STATS_REFRESH).job
    _delay(video, stats)
    assert not triggers.trigger_maintenance(SCHEDULE, JobType.STATS_REFRESH).has_ended_delay
    assert triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH).has_ended_delay
    assert triggers.trigger_video(PERSON, "dQw4w9WgXcQ").has_ended_delay
    assert _is_due(video)
    assert _is_due(stats)


def test_running_a_schedule_ends_the_delay_of_its_job() -> None:
    every = IntervalSchedule.objects.create(every=1, period="days")
    schedule = PeriodicTask.objects.create(
        name="daily", task=schedules.TASK, interval=every, kwargs='{"job_type": "FULL_SYNC"}'
    )
    job = schedules.run_now(PERSON, schedule.pk).job
    _delay(job)
    assert schedules.run_now(PERSON, schedule.pk).has_ended_delay
    assert _is_due(job)


def test_run_now_refuses_a_job_that_is_not_delayed() -> None:
    job = queue_job()
    with pytest.raises(WrongState, match="only a delayed job"):
        queued_jobs.run_now(PERSON, job.pk)
    with pytest.raises(NotFound):
        queued_jobs.run_now(PERSON, 99999)
    _delay(job)
    queued_jobs.run_now(PERSON, job.pk)
    entries = AuditEntry.objects.filter(action="run_job").order_by("pk")
    assert list(entries.values_list("result", flat=True)) == ["wrong_state", "not_found", "ok"]


def _by_api(job: SyncJob) -> None:
    answer = Api(Role.MODERATOR).post(f"admin/sync-jobs/{job.pk}/run")
    assert (answer.status_code, answer.json()["jobId"]) == (202, str(job.pk))


def _by_admin(job: SyncJob) -> None:
    client = logged_in(Role.MODERATOR)
    address = f"/admin/syncjobs/syncjob/{job.pk}/run/"
    assert address in client.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()
    assert "Run job" in client.get(address).content.decode()
    assert client.post(address).status_code == 302


def _by_command(job: SyncJob) -> None:
    expected = f"Job {job} is no longer delayed. It starts when a worker is free, unless its queue is paused.\n"
    assert run_command("run_job", str(job.pk)) == expected
    assert "only a delayed job" in command_error("run_job", str(job.pk))


@pytest.mark.parametrize("run", [_by_api, _by_admin, _by_command])
def test_every_skin_runs_a_delayed_job(run: Callable[[SyncJob], None]) -> None:
    job = queue_job()
    _delay(job)
    run(job)
    assert _is_due(job)


def test_a_forced_trigger_through_the_api_and_the_command_says_what_happened() -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(SCHEDULE, band, full=True).job
    _delay(job)
    body = {"bandId": str(band.pk), "syncType": "FULL", "forceSync": True}
    answer = Api(Role.MODERATOR).post("admin/sync-jobs/trigger", body).json()
    assert (answer["jobId"], "It is no longer delayed." in answer["message"]) == (str(job.pk), True)
    _delay(job)
    run_command("sync_bands", "--band", band.slug, "--full", "--force")
    assert _is_due(job)


def test_a_forced_trigger_of_all_bands_says_that_child_jobs_were_delayed_not_the_job_itself() -> None:
    parent = triggers.trigger_sync(SCHEDULE, None, full=True).job
    SyncJob.objects.filter(pk=parent.pk).update(status="IN_PROGRESS")
    child = queue_job(band=make_band(reference=CHANNEL), parent=parent)
    _delay(child)
    said = triggers.describe(triggers.trigger_sync(PERSON, None, full=True, force=True))
    assert said.startswith(f"Job #{parent.pk} is running already. Its child jobs are no longer delayed.")
    assert _is_due(child)


# ---- Reopening a bucket


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> SyncJob:
    """A job that waits for a bucket that YouTube closed at noon."""
    noon = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: noon)
    quota.close(Bucket.MAIN, "quotaExceeded")
    job = queue_job()
    _delay(job)
    return job


def test_reopening_a_bucket_wakes_its_jobs_and_probes_first(waiting: SyncJob) -> None:
    other = queue_job(JobType.STATS_REFRESH)
    _delay(other, reason=DelayReason.QUOTA_STATS)
    assert reopen_bucket(PERSON, "main")
    day = QuotaDay.objects.get()
    assert (day.closed_at, day.closed_reason, day.probe_at) == (None, "", clock.now())
    assert _is_due(waiting)
    assert not _is_due(other)
    assert not reopen_bucket(PERSON, "stats")
    entries = AuditEntry.objects.filter(action="reopen_bucket").order_by("pk")
    assert [(entry.target_id, entry.data) for entry in entries] == [
        ("main", {"reopened": True}),
        ("stats", {"reopened": False}),
    ]
    with pytest.raises(InvalidInput, match="main, search, stats"):
        reopen_bucket(PERSON, "nonsense")


def test_a_bucket_used_up_by_our_own_count_stays_so(waiting: SyncJob) -> None:
    QuotaDay.objects.update(used=quota.limit_of(Bucket.MAIN))
    reopen_bucket(PERSON, "main")
    assert not _is_due(waiting)


def _reopen_by_api() -> None:
    api = Api(Role.ADMIN)
    assert api.post("admin/quota/reopen", {"bucket": "main"}).json() == {"message": "Reopened: main."}
    assert api.post("admin/quota/reopen", {"bucket": "search"}).json() == {"message": "The bucket is not closed."}
    assert api.post("admin/quota/reopen", {}).json()["errors"][0]["field"] == "bucket"


def _reopen_by_admin() -> None:
    address = "/admin/quota/main/reopen/"
    moderator = logged_in(Role.MODERATOR)
    assert moderator.post(address).status_code == 403
    assert address not in moderator.get("/admin/quota/?part=details").content.decode()
    client = logged_in(Role.ADMIN)
    assert address in client.get("/admin/quota/?part=details").content.decode()
    assert "Reopen" in client.get(address).content.decode()
    assert client.post(address).status_code == 302
    assert (
        client.post("/admin/quota/search/reopen/", headers=DIALOG)["HX-Trigger"].count("The bucket is not closed.") == 1
    )
    for method in (client.get, client.post):
        assert method("/admin/quota/nonsense/reopen/").status_code == 404


def _reopen_by_command() -> None:
    assert run_command("quota", "--reopen", "main") == "Reopened: main.\n"
    assert run_command("quota", "--reopen", "search") == "The bucket is not closed.\n"
    assert "waiting until YouTube accepts a call; next try at" in run_command("quota")


@pytest.mark.parametrize("reopen", [_reopen_by_api, _reopen_by_admin, _reopen_by_command])
def test_every_skin_reopens_a_bucket(reopen: Callable[[], None], waiting: SyncJob) -> None:
    reopen()
    assert QuotaDay.objects.get(bucket="main", day=quota_day(clock.now())).closed_at is None
    assert _is_due(waiting)


def test_the_quota_page_says_that_youtube_is_asked_again(waiting: SyncJob) -> None:
    reopen_bucket(PERSON, "main")
    html = logged_in(Role.MODERATOR).get("/admin/quota/?part=details").content.decode()
    assert "YouTube has not accepted a call since the quota was used up." in html
    assert "Waiting for YouTube" in html
    assert "Refused" not in html
    assert "Waiting until YouTube accepts a call. Next try" in html
    figures = {row["bucket"]: row["probeAt"] for row in Api(Role.MODERATOR).get("admin/quota").json()}
    assert figures["main"] is not None
    assert figures["stats"] is None
