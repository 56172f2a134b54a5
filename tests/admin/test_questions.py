"""Questions say beforehand what keeps a job waiting, and are not asked about what can't happen."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from bands.models import Band, Video
from syncjobs.choices import JobType, Role
from syncjobs.engine import outcomes, quota
from syncjobs.engine.enqueue import band_key
from syncjobs.models import ErrorGroup, SyncJob
from syncjobs.operations import alerts, band_pauses, bands, errors, jobs, people, queues, schedules, suggestions
from syncjobs.youtube.costs import Bucket
from tests.clients import DIALOG, logged_in
from tests.factories import PERSON, claim, failed_job, make_alert, make_band, queue_job

pytestmark = pytest.mark.django_db
QUEUE_WAITS, BAND_WAITS = "The queue Video sync is paused, so its jobs wait.", "because its band is paused."


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.SUPER_ADMIN)


@pytest.fixture
def band() -> Band:
    return make_band("herons", "@herons")


def _question(client: Client, path: str) -> str:
    """Return the text of the question; fail if it is not asked."""
    answer = client.get(f"/admin/{path}", headers=DIALOG)
    assert answer.status_code == 200, path
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def _refusal(client: Client, path: str) -> str:
    """Return why the address asks nothing, as the page behind it says; fail if it asks."""
    answer = client.get(f"/admin/{path}")
    assert answer.status_code == 302, path
    message = list(get_messages(answer.wsgi_request))[-1]
    assert message.level_tag == "error"
    assert client.get(f"/admin/{path}", headers=DIALOG).status_code == 204
    return str(message)


# ---- What keeps jobs waiting


def test_every_question_that_starts_a_job_says_that_its_queue_or_band_is_paused(admin: Client, band: Band) -> None:
    interval = IntervalSchedule.objects.create(every=6, period="hours")
    kind = '{"job_type": "FULL_SYNC"}'
    schedule = PeriodicTask.objects.create(name="x", task=schedules.TASK, kwargs=kind, interval=interval)
    failed = queue_job(band=band)
    outcomes.fail(claim(), "It broke.", reason="broken")
    group = ErrorGroup.objects.get()
    queued = queue_job(JobType.INCREMENTAL_SYNC, band=band)
    video = Video.objects.create(band=band, youtube_id="abcdefghijk", title="Parade")
    of_band = [
        f"syncjobs/syncjob/{failed.pk}/retry/",
        f"syncjobs/bulkaction/add/?action=retry&job={failed.pk}",
        f"syncjobs/errorgroup/{group.pk}/retry/",
        f"syncjobs/syncjob/{queued.pk}/front/",
        f"syncjobs/syncjob/{queued.pk}/priority/",
        f"syncjobs/bulkaction/add/?action=front&job={queued.pk}",
        f"syncjobs/bulkaction/add/?action=priority&job={queued.pk}",
        f"bands/band/{band.pk}/sync/",
    ]
    of_queue = [*of_band, f"django_celery_beat/periodictask/{schedule.pk}/run/"]
    sync_video = f"bands/video/{video.pk}/sync/"
    for path in (*of_queue, sync_video):
        assert "paused" not in _question(admin, path), path
    queues.pause_queue(PERSON, "video-sync")
    for path in of_queue:
        assert QUEUE_WAITS in _question(admin, path), path
        assert BAND_WAITS not in _question(admin, path), path
    assert "paused" not in _question(admin, sync_video)
    queues.resume_queue(PERSON, "video-sync")
    band_pauses.pause_band(PERSON, band.pk)
    for path in (*of_band, sync_video):
        assert BAND_WAITS in _question(admin, path), path
    SyncJob.objects.filter(pk=queued.pk).update(run_at=timezone.now() + dt.timedelta(hours=1))
    assert BAND_WAITS in _question(admin, f"syncjobs/syncjob/{queued.pk}/run/")
    toast = admin.post(f"/admin/syncjobs/syncjob/{failed.pk}/retry/", headers=DIALOG).headers["HX-Trigger"]
    assert BAND_WAITS in toast
    toast = admin.post(f"/admin/syncjobs/syncjob/{queued.pk}/front/", headers=DIALOG).headers["HX-Trigger"]
    assert BAND_WAITS in toast


# ---- What can't happen


def test_a_job_that_is_being_cancelled_is_not_asked_about_again(admin: Client) -> None:
    job = queue_job()
    claim()
    path = f"syncjobs/syncjob/{job.pk}/cancel/"
    assert "Cancel job" in _question(admin, path)
    assert "Cancel 1 job?" in _question(admin, f"syncjobs/bulkaction/add/?action=cancel&job={job.pk}")
    jobs.cancel_job(PERSON, job.pk)
    job.refresh_from_db()
    since = f"since {job.cancel_requested_at:%Y-%m-%d %H:%M:%S} UTC by {PERSON.label}."
    assert _refusal(admin, path) == f"Job #{job.pk} is being cancelled already, {since}"
    assert "or is being cancelled" in _refusal(admin, f"syncjobs/bulkaction/add/?action=cancel&job={job.pk}")
    assert jobs.cancel_job(PERSON, job.pk).cancel_requested_at == job.cancel_requested_at


def test_a_job_that_runs_again_already_is_not_retried_again(admin: Client, band: Band) -> None:
    key = band_key(JobType.FULL_SYNC, band.pk)
    job = queue_job(band=band, dedupe_key=key)
    SyncJob.objects.update(status="FAILED")
    path = f"syncjobs/syncjob/{job.pk}/retry/"
    assert "Retry job" in _question(admin, path)
    again = jobs.retry_job(PERSON, job.pk).job
    expected = f"Job #{job.pk} was retried already: job #{again.pk} is queued."
    answer = admin.get(f"/admin/{path}")
    assert answer.headers["Location"] == f"/admin/syncjobs/syncjob/{again.pk}/change/"
    page = f"/admin/syncjobs/syncjob/{job.pk}/change/"
    assert f'href="/admin/{path}"' not in admin.get(page).content.decode()
    assert _refusal(admin, path) == expected
    SyncJob.objects.filter(pk=again.pk).update(status="FAILED")
    assert "Retry job" in _question(admin, path)
    assert f'href="/admin/{path}"' in admin.get(page).content.decode()
    covered = queue_job(band=band, dedupe_key=key)
    assert f"Job #{job.pk} needs no retry: job #{covered.pk} does the same and is queued." == _refusal(admin, path)
    claim()
    jobs.cancel_job(PERSON, covered.pk)
    assert f"The same job, #{covered.pk}, is being cancelled." in _refusal(admin, path)


def test_queues_and_bands_are_only_paused_or_resumed_if_they_can_be(admin: Client, band: Band) -> None:
    other = make_band("owls", "@owls")
    assert _refusal(admin, "syncjobs/queue/video-sync/resume/") == "“Video sync” is not paused."
    assert _refusal(admin, "syncjobs/queue/all/resume/") == "No queue is paused."
    assert _refusal(admin, f"bands/band/{band.pk}/resume/") == "Herons is not paused."
    both = f"?band={band.pk}&band={other.pk}"
    assert _refusal(admin, f"bands/band/resume/{both}") == "None of the selected bands is paused."
    queues.pause_queue(PERSON, "video-sync")
    band_pauses.pause_band(PERSON, band.pk)
    band.refresh_from_db()
    assert f"paused already, since {band.paused_at:%Y-%m-%d %H:%M:%S} UTC by {PERSON.label}." in _refusal(
        admin, f"bands/band/{band.pk}/pause/"
    )
    assert "“Video sync” is paused already, since" in _refusal(admin, "syncjobs/queue/video-sync/pause/")
    assert "Pause all queues?" in _question(admin, "syncjobs/queue/all/pause/")
    assert "Pause Owls?" in _question(admin, f"bands/band/pause/{both}")
    assert "Resume Herons?" in _question(admin, f"bands/band/resume/{both}")
    queues.pause_queue(PERSON, "all")
    band_pauses.pause_band(PERSON, other.pk)
    assert _refusal(admin, "syncjobs/queue/all/pause/") == "All queues are paused already."
    assert _refusal(admin, f"bands/band/pause/{both}") == "The selected bands are paused already."
    assert admin.get("/admin/syncjobs/queue/nonsense/pause/").status_code == 404


def test_bands_are_only_activated_or_deactivated_if_they_can_be(admin: Client, band: Band) -> None:
    other = make_band("owls", "@owls")
    both = f"?band={band.pk}&band={other.pk}"
    assert _refusal(admin, "bands/band/switch/?active=1") == "No band is selected. Select at least one."
    assert _refusal(admin, f"bands/band/switch/{both}&active=1") == "The selected bands are active already."
    assert _refusal(admin, f"bands/band/switch/?band={band.pk}&active=1") == "The selected band is active already."
    bands.set_active(PERSON, [band.pk], active=False)
    question = _question(admin, f"bands/band/switch/{both}&active=1")
    assert "Herons" in question
    assert "Owls" not in question
    assert "Owls" in _question(admin, f"bands/band/switch/{both}&active=0")
    assert _refusal(admin, f"bands/band/switch/?band={band.pk}&active=0") == "The selected band is inactive already."


def test_alerts_are_only_asked_about_if_something_can_change(admin: Client) -> None:
    alert, other = make_alert(), make_alert(subject_id="other@a")
    one, both = f"?id={alert.pk}", f"?id={alert.pk}&id={other.pk}"
    path = "syncjobs/alert/"
    assert _refusal(admin, f"{path}reopen/{one}") == "This alert is not acknowledged."
    assert _refusal(admin, f"{path}reopen/{both}") == "None of these alerts is acknowledged."
    assert _refusal(admin, f"{path}unsnooze/{one}") == "This alert is not snoozed."
    assert _refusal(admin, f"{path}unsnooze/{both}") == "None of these alerts is snoozed."
    alerts.acknowledge(PERSON, [alert.pk])
    alerts.snooze(PERSON, [alert.pk], dt.timedelta(hours=1))
    for action in ("reopen", "unsnooze"):
        assert "?" in _question(admin, f"{path}{action}/{both}")
    # Another person may take it over with a note, and the snooze may be longer.
    for action in ("acknowledge", "snooze"):
        assert "?" in _question(admin, f"{path}{action}/{one}")
    type(alert).objects.filter(pk=alert.pk).update(snoozed_until=timezone.now() - dt.timedelta(seconds=1))
    assert _refusal(admin, f"{path}unsnooze/{one}") == "This alert is not snoozed."
    type(alert).objects.update(resolved_at=timezone.now())
    for action in ("acknowledge", "snooze", "reopen", "unsnooze"):
        assert _refusal(admin, f"{path}{action}/{one}") == "This alert is already over."
        assert _refusal(admin, f"{path}{action}/{both}") == "These alerts are already over."


def test_a_suggestion_that_somebody_has_decided_about_is_over(admin: Client, band: Band) -> None:
    person = User.objects.get()
    suggestion, _ = suggestions.suggest(PERSON, band.pk, "@NewHerons")
    paths = [f"bands/band/suggestions/{suggestion.pk}/{action}/" for action in ("accept", "decline", "withdraw")]
    assert _refusal(admin, paths[2]) == f"Only {PERSON.label} can withdraw this suggestion."
    type(suggestion).objects.update(author_id=person.pk)
    for path in paths:
        assert "Herons?" in _question(admin, path)
    suggestions.decline(PERSON, suggestion.pk, "Another band.")
    for path in paths:
        assert re.fullmatch(rf"{PERSON.label} declined this suggestion at .* UTC\.", _refusal(admin, path))


def test_errors_people_buckets_and_failed_jobs_are_only_asked_about_if_something_can_change(admin: Client) -> None:
    assert _refusal(admin, "syncjobs/queue/maintenance/clear-failed/") == "There are no failed jobs to delete."
    failed_job()
    assert "Delete the failed jobs" in _question(admin, "syncjobs/queue/maintenance/clear-failed/")
    group = ErrorGroup.objects.get().pk
    assert "Nobody has decided" in _refusal(admin, f"syncjobs/errorgroup/{group}/reopen/")
    errors.resolve_errors(PERSON, group, "")
    assert "Reopen this error?" in _question(admin, f"syncjobs/errorgroup/{group}/reopen/")
    for action in ("acknowledge", "resolve", "ignore"):
        expected = f"{PERSON.label} has already resolved this error."
        assert _refusal(admin, f"syncjobs/errorgroup/{group}/{action}/") == expected
    people.save_user(PERSON, "robin", "correct horse battery", Role.MODERATOR)
    other = User.objects.get(username="robin")
    assert _refusal(admin, f"auth/user/{other.pk}/reactivate/") == "robin is active already."
    people.set_active(PERSON, other.pk, active=False)
    assert _refusal(admin, f"auth/user/{other.pk}/deactivate/") == "robin is deactivated already."
    assert _refusal(admin, "quota/main/reopen/") == "The bucket is not closed."
    quota.close(Bucket.MAIN, "quotaExceeded")
    assert "Reopen" in _question(admin, "quota/main/reopen/")
