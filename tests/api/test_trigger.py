"""Triggering syncs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from syncjobs.choices import Role
from syncjobs.models import SyncJob
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from tests.clients import Api, logged_in, run_command
from tests.factories import PERSON, band_with_videos, claim, make_band, run_all

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_trigger_watch_and_retry(moderator: Api, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    body = {"bandId": str(band.pk), "syncType": "FULL"}
    first = moderator.post("admin/sync-jobs/trigger", body)
    assert first.status_code == 202
    job_id = first.json()["jobId"]
    assert moderator.post("admin/sync-jobs/trigger", body).json() == {
        "message": f"Job #{job_id} was queued already.",
        "jobId": job_id,
        "isNew": False,
    }
    waiting = moderator.get("admin/sync-jobs").json()["data"][0]
    assert (waiting["id"], waiting["status"], waiting["queuePosition"], waiting["errors"]) == (job_id, "QUEUED", 1, [])
    run_all()
    job = moderator.get(f"admin/sync-jobs/{job_id}").json()
    assert (job["status"], job["videosFound"], job["bandId"], job["queuePosition"]) == (
        "COMPLETED",
        60,
        str(band.pk),
        None,
    )
    assert job["duration"] >= 0
    assert [event["kind"] for event in job["timeline"]] == ["QUEUED", "STARTED", "COMPLETED"]
    assert job["attemptHistory"][0]["outcome"] == "SUCCEEDED"
    again = moderator.post("admin/sync-jobs/trigger", body)
    assert again.status_code == 409
    assert again.json()["errors"][0]["code"] == "recently_synced"
    assert set(again.json()["details"]) == {"syncedAt", "allowedAt"}
    assert moderator.post("admin/sync-jobs/trigger", body | {"forceSync": True}).status_code == 202
    refused = moderator.post(f"admin/sync-jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "wrong_state")
    assert len(moderator.get(f"bands/{band.pk}/videos").json()["data"]) == 20
    assert moderator.get("videos", search="new 7").json()["total"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"syncType": "HALF"}, "syncType"),
        ({"syncType": "FULL", "bandId": "x"}, "bandId"),
        ({"syncType": "FULL", "priority": 7}, "priority"),
        ({"syncType": "FULL", "hurry": True}, "hurry"),
        ([1], None),
    ],
)
def test_an_invalid_body_is_refused_by_key(moderator: Api, body: Any, field: str | None) -> None:
    answer = moderator.post("admin/sync-jobs/trigger", body)
    assert answer.status_code == 400
    if field:
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert SyncJob.objects.count() == 0


@pytest.mark.parametrize("path", ["trigger", "estimate"])
@pytest.mark.parametrize("body", [{}, {"forceSync": False}, {"bandId": None}])
def test_without_a_type_a_sync_is_incremental(moderator: Api, path: str, body: Any) -> None:
    answer = moderator.post(f"admin/sync-jobs/{path}", body)
    assert answer.status_code < 300
    if path == "trigger":
        assert [job.job_type for job in SyncJob.objects.all()] == ["INCREMENTAL_SYNC"]
        assert moderator.post("admin/sync-jobs/trigger", {"syncType": "INCREMENTAL"}).json()["isNew"] is False


def test_an_empty_request_triggers_an_incremental_sync(moderator: Api) -> None:
    answer = Client().generic("POST", "/api/admin/sync-jobs/trigger", headers=moderator.headers)
    assert (answer.status_code, SyncJob.objects.get().job_type) == (202, "INCREMENTAL_SYNC")


def test_an_unknown_band_is_named(moderator: Api) -> None:
    answer = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "bandId": "999"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "bandId")
    assert SyncJob.objects.count() == 0


def test_an_equal_trigger_raises_the_waiting_job(moderator: Api) -> None:
    moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 10})
    result = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 40, "forceSync": True}).json()
    job = SyncJob.objects.get()
    assert (result["isNew"], result["jobId"], job.priority, job.params) == (False, str(job.pk), 40, {"force": True})
    taken_on = "Its priority is now Urgent. It now includes recently synced bands."
    assert result["message"] == f"Job {job} was queued already. {taken_on}"
    assert job.events.get(kind="NOTE").message == "MODERATOR: priority Urgent, force"
    result = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 20}).json()
    assert "Its priority stays Urgent, because a trigger never lowers it." in result["message"]
    assert "It includes recently synced bands, because somebody asked for that before." in result["message"]
    claim()
    result = moderator.post("admin/sync-jobs/trigger", {"syncType": "FULL", "priority": 30, "forceSync": True}).json()
    assert "running already" in result["message"]
    assert "Its priority stays Urgent, because it has started." in result["message"]
    assert SyncJob.objects.get().priority == 40


def test_every_skin_says_that_a_lower_priority_changes_nothing(moderator: Api) -> None:
    band = make_band("herons", "@herons")
    job = triggers.trigger_sync(PERSON, band, full=True).job
    stays = "Its priority stays Normal, because a trigger never lowers it."
    body = {"bandId": str(band.pk), "syncType": "FULL", "priority": 10}
    assert stays in moderator.post("admin/sync-jobs/trigger", body).json()["message"]
    assert stays in run_command("sync_bands", "--band", band.slug, "--full", "--priority", "low")
    form = {"scope": "some", "band": band.pk, "type": "FULL_SYNC", "priority": 10}
    answer = logged_in(Role.MODERATOR).post("/admin/syncjobs/syncjob/add/", form, follow=True)
    assert escape(stays) in answer.content.decode()
    assert SyncJob.objects.get() == job
    assert not job.events.filter(kind="NOTE").exists()
