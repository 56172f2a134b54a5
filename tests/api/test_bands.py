"""Bands and videos in the API."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bands.models import Availability, Band, Video
from syncjobs.choices import Role
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.exceptions import Conflict, DomainError, NotFound
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import bands as band_operations
from syncjobs.operations import triggers
from tests.clients import Api
from tests.concurrency import someone_waits_for_a_lock
from tests.factories import PERSON, claim, make_band, queue_job, wait_for

pytestmark = pytest.mark.django_db
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def admin() -> Api:
    return Api(Role.ADMIN)


def test_a_band_is_created_changed_and_deleted(admin: Api) -> None:
    made = admin.post(
        "bands",
        {
            "name": "Marching Herons",
            "slug": "herons",
            "founded": 1908,
            "youtubeChannel": f"youtube.com/channel/{CHANNEL}/videos",
            "playlists": ["https://www.youtube.com/playlist?list=PL0123456789abc"],
            "searchKeywords": ["herons"],
        },
    )
    assert made.status_code == 201
    band = made.json()
    assert (band["channelId"], band["playlists"], band["videoCount"]) == (CHANNEL, ["PL0123456789abc"], 0)
    Band.objects.update(last_full_sync_at=timezone.now(), consecutive_failures=3)
    path = f"bands/{band['id']}"
    changed = admin.send("PATCH", path, {"city": "Ashby", "founded": None}).json()
    assert (changed["city"], changed["founded"], changed["name"]) == ("Ashby", None, "Marching Herons")
    assert (changed["channelId"], changed["consecutiveFailures"]) == (CHANNEL, 3)
    other = admin.send("PATCH", path, {"youtubeChannel": "@Others"}).json()
    assert (other["channelId"], other["lastFullSyncAt"]) == ("", None)
    assert admin.send("DELETE", path).status_code == 204
    assert admin.get(path).status_code == 404
    done = AuditEntry.objects.filter(target_type="band").order_by("pk")
    assert list(done.values_list("action", "target_id")) == [
        ("create_band", band["id"]),
        ("change_band", band["id"]),
        ("change_band", band["id"]),
        ("delete_band", band["id"]),
    ]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "   "}, ["name"]),
        ({"name": "a\x00b"}, ["name"]),
        ({"name": "\ud800"}, ["name"]),
        ({"slug": "two words"}, ["slug"]),
        ({"founded": 99}, ["founded"]),
        ({"founded": "1908"}, ["founded"]),
        ({"isActive": "yes"}, ["isActive"]),
        ({"primaryColor": "red"}, ["primaryColor"]),
        ({"youtubeChannel": "https://example.org/@x"}, ["youtubeChannel"]),
        ({"playlists": ["PL0123456789abc", "what"]}, ["playlists"]),
        ({"colour": "red"}, ["colour"]),
        ({"founded": 99, "primaryColor": "red"}, ["founded", "primaryColor"]),
        ({"youtubeChannel": "x", "playlists": ["y"]}, ["youtubeChannel", "playlists"]),
        ({"primaryColor": "red", "playlists": ["y"]}, ["primaryColor", "playlists"]),
        ({"isActive": "yes", "colour": "red", "youtubeChannel": "x"}, ["colour", "isActive", "youtubeChannel"]),
    ],
)
def test_invalid_fields_are_named_and_nothing_is_written(admin: Api, change: dict[str, Any], fields: list[str]) -> None:
    band = make_band()
    for answer in (
        admin.post("bands", {"name": "A", "slug": "a"} | change),
        admin.send("PATCH", f"bands/{band.pk}", change),
    ):
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == fields
    assert Band.objects.get().updated_at == band.updated_at
    assert [error["field"] for error in admin.post("bands").json()["errors"]] == ["slug", "name"]


def test_duplicates_are_reported_together_with_other_errors(admin: Api) -> None:
    make_band("taken", "@taken")
    band = make_band("band")
    taken = {"name": "A", "slug": "taken", "youtubeChannel": "@Taken"}
    for send in (lambda body: admin.post("bands", body), lambda body: admin.send("PATCH", f"bands/{band.pk}", body)):
        for wrong, status, fields in (
            ({}, 409, {"slug", "youtubeChannel"}),
            ({"founded": 99}, 400, {"slug", "youtubeChannel", "founded"}),
            ({"playlists": ["what"]}, 400, {"slug", "youtubeChannel", "playlists"}),
            ({"colour": "red"}, 400, {"slug", "youtubeChannel", "colour"}),
        ):
            answer = send({**taken, **wrong})
            assert answer.status_code == status
            assert {error["field"] for error in answer.json()["errors"]} == fields
            messages = {error["field"]: error["message"] for error in answer.json()["errors"]}
            assert messages["slug"] == "Another band has the slug “taken”."
            assert messages["youtubeChannel"] == "Taken already has this channel."
    assert Band.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_simultaneous_bands_never_share_a_slug(admin: Api) -> None:
    band = make_band("a")
    make_band("b")
    for answer in (
        admin.post("bands", {"name": "A", "slug": "b"}),
        admin.send("PATCH", f"bands/{band.pk}", {"slug": "b"}),
    ):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "slug")
    outcomes: list[object] = []
    start = threading.Barrier(4)

    def create() -> None:
        start.wait()
        try:
            outcomes.append(band_operations.create(PERSON, {"name": "C", "slug": "c"}))
        except Conflict as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(outcome, Band) for outcome in outcomes) == 1
    assert len(outcomes) == 4


def test_a_band_with_active_jobs_cannot_be_deleted(admin: Api) -> None:
    band = make_band()
    job = queue_job(band=band)
    refused = admin.send("DELETE", f"bands/{band.pk}")
    assert refused.status_code == 409
    assert f"#{job.pk}" in refused.json()["errors"][0]["message"]
    engine_outcomes.fail(claim(), "It broke.", reason="broken")
    assert admin.send("DELETE", f"bands/{band.pk}").status_code == 204
    job.refresh_from_db()
    assert (job.band_id, job.band_name) == (None, "Herons")


@pytest.mark.django_db(transaction=True)
def test_no_job_is_created_for_a_band_that_is_being_deleted() -> None:
    """The trigger waits for the deletion to commit and then reports that the band is gone."""
    band = make_band(reference="@herons")
    outcomes: list[object] = []

    def trigger() -> None:
        try:
            outcomes.append(triggers.trigger_sync(PERSON, band, full=True))
        except DomainError as error:
            outcomes.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=trigger)
    with transaction.atomic():
        band_operations.delete(PERSON, band.pk)
        thread.start()
        wait_for(someone_waits_for_a_lock, what="the trigger to wait for the band's row")
    thread.join()
    (outcome,) = outcomes
    assert isinstance(outcome, NotFound)
    assert SyncJob.objects.count() == 0


def test_bands_show_their_health_in_few_queries(admin: Api) -> None:
    bands = [make_band(f"band{number}") for number in range(30)]
    Video.objects.bulk_create(
        Video(youtube_id=f"v{number}", band=bands[number % 3], availability=list(Availability)[number % 4 % 3])
        for number in range(12)
    )
    with CaptureQueriesContext(
        connection,
    ) as few:
        rows = admin.get("bands", search="band").json()["data"]
    counted = {row["slug"]: (row["videoCount"], row["unavailableVideos"]) for row in rows}
    videos = list(Video.objects.all())
    for band in bands:
        own = [video for video in videos if video.band_id == band.pk]
        assert counted[band.slug] == (len(own), sum(video.availability != "AVAILABLE" for video in own))
    queries = [query["sql"] for query in few.captured_queries if "bands_band" in query["sql"]]
    assert len(queries) <= 2


def test_videos_are_filtered_by_availability_and_title_and_sorted(admin: Api) -> None:
    band = make_band()
    for number, (title, availability, views) in enumerate(
        [("Halftime", "AVAILABLE", 5), ("Parade", "MISSING", None), ("Halftime II", "UNAVAILABLE", 7)]
    ):
        Video.objects.create(
            youtube_id=f"v{number}", band=band, title=title, availability=availability, view_count=views
        )

    def titles(**parameters: str) -> list[str]:
        return [row["title"] for row in admin.get(f"bands/{band.pk}/videos", **parameters).json()["data"]]

    assert titles(availability="MISSING,UNAVAILABLE") == ["Halftime II", "Parade"]
    assert titles(search="half", sortBy="viewCount", sortOrder="asc") == ["Halftime", "Halftime II"]
    assert titles(sortBy="viewCount") == ["Halftime II", "Halftime", "Parade"]
    for name, value in (("availability", "GONE"), ("sortBy", "size"), ("sortOrder", "up"), ("colour", "red")):
        assert admin.get("videos", **{name: value}).json()["errors"][0]["field"] == name


def test_bands_are_filtered_by_their_state_and_conference(admin: Api) -> None:
    for slug, state, conference in (("a", "GA", "SWAC"), ("b", "ga", "MEAC"), ("c", "AL", "SWAC")):
        Band.objects.filter(pk=make_band(slug, "").pk).update(state=state, conference=conference)

    def found(**filters: str) -> list[str]:
        return [band["slug"] for band in admin.get("bands", **filters).json()["data"]]

    assert found(state="GA") == ["a", "b"]
    assert found(conference="swac") == ["a", "c"]
    assert found(state=" Ga ", conference="SWAC", health="active") == ["a"]
    assert found(state="active") == []
    assert found(state="", conference="") == ["a", "b", "c"]


def test_bands_are_filtered_by_health_and_videos_by_band(admin: Api) -> None:
    fine, failing = make_band("a", CHANNEL), make_band("b", "UC" + "b" * 22)
    Band.objects.filter(pk=failing.pk).update(consecutive_failures=2)
    for band in (fine, failing):
        Video.objects.create(band=band, youtube_id=f"video-{band.slug:>05}", title="March")
    assert [band["id"] for band in admin.get("bands", health="failing").json()["data"]] == [str(failing.pk)]
    assert admin.get("bands", health="active").json()["total"] == 2
    assert admin.get("bands", health="healthy").json()["total"] == 0
    Band.objects.update(last_full_sync_at=timezone.now())
    assert [band["id"] for band in admin.get("bands", health="healthy").json()["data"]] == [str(fine.pk)]
    Band.objects.update(last_full_sync_at=timezone.now() - dt.timedelta(days=1))
    assert admin.get("bands", health="stale").json()["total"] == 2
    assert admin.get("bands", health="bored").json()["errors"][0]["field"] == "health"
    (video,) = admin.get("videos", bandId=fine.pk).json()["data"]
    assert video["bandId"] == str(fine.pk)
    assert admin.get("videos", bandId="x").json()["errors"][0]["field"] == "bandId"


def test_a_parameter_is_reported_as_the_request_names_it() -> None:
    answer = Api(Role.ADMIN).post("bands?school_name=x", {"name": "A", "slug": "a"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "school_name")
