"""Bands in the admin: the list, a band's page, its syncs, and who may do what."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from bands.models import Availability, Band, BandState, ChannelProblem, Video
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import error_reasons, outcomes
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import bands as band_operations
from tests.clients import logged_in
from tests.factories import PERSON, claim, make_band, queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/bands/band/"
HTMX = {"HX-Request": "true"}
HOSTILE = "<script>alert(1)</script>"
CHANNEL = "UC" + "a" * 22


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def names(client: Client, **query: Any) -> list[str]:
    page = client.get(URL, query).content.decode()
    return re.findall(r'data-key="open">([^<]+)</a>', page)


def chips(page: str) -> list[tuple[str, str]]:
    return re.findall(r'id="chip-health-([^"]+)"(?:(?!</a>).)*class="chip-count">(\d+)', page)


# ---- The list


def test_bands_can_be_filtered_by_their_problems(admin: Client) -> None:
    now = timezone.now()
    make_band("fine", "@fine", last_full_sync_at=now, conference="SWAC", state="GA")
    make_band("failing", "@failing", last_full_sync_at=now, consecutive_failures=3)
    make_band("gone", "@gone", last_full_sync_at=now, channel_problem=ChannelProblem.NOT_FOUND)
    make_band("new", "@new")
    make_band("off", "@off", last_full_sync_at=now, is_active=False)
    make_band("none", last_full_sync_at=now, school_name="State University")
    day = dt.timedelta(days=1)
    make_band("old", "@old", last_full_sync_at=now - 9 * day, last_incremental_sync_at=now - day, conference="SWAC")
    make_band("older", "@older", last_full_sync_at=now - day, is_active=False)
    make_band("resting", "@resting", last_full_sync_at=now - 9 * day, last_incremental_sync_at=now, paused_at=now)
    found_by = {
        "active": ["Failing", "Fine", "Gone", "New", "None", "Old", "Resting"],
        "inactive": ["Off", "Older"],
        "problem": ["Gone"],
        "failing": ["Failing"],
        "never": ["New"],
        "no-channel": ["None"],
        "paused": ["Resting"],
        "fresh": ["Failing", "Fine", "Gone", "Resting"],
        "stale": ["Old"],
        "healthy": ["Fine"],
    }
    assert set(found_by) == set(BandState.values)
    page = admin.get(URL).content.decode()
    for health, found in found_by.items():
        assert names(admin, health=health) == found, health
        assert health == "active" or (health, str(len(found))) in chips(page), health
    assert ("all", "9") in chips(page)
    narrowed = admin.get(URL, {"conference": "SWAC", "health": "stale"}).content.decode()
    assert [chip for chip in chips(narrowed) if chip[1] != "0"] == [
        ("all", "2"),
        ("stale", "1"),
        ("fresh", "1"),
        ("healthy", "1"),
    ]
    assert 'id="chip-health-stale" href="?conference=SWAC&amp;health=stale" aria-current="true"' in narrowed
    assert names(admin, conference="SWAC") == ["Fine", "Old"]
    assert names(admin, state="GA") == ["Fine"]
    assert names(admin, q="state univ") == ["None"]
    assert names(admin, q="nothing like it") == []
    page = admin.get(URL).content.decode()
    for expected in (
        "3 consecutive failures",
        "Channel not found",
        "Never synced",
        "Inactive",
        "No channel",
        "Healthy",
        "Not synced for a day",
    ):
        assert f"</svg>{expected}</span>" in page, expected


def test_an_invalid_filter_shows_an_error_and_no_bands(admin: Client) -> None:
    make_band()
    for query in ({"state": "sad"}, {"conference": "x"}, {"health": "x"}, {"q": "a\x00b"}, {"q": "x" * 201}):
        answer = admin.get(URL, query)
        assert answer.status_code == 200
        assert 'class="error"' in answer.content.decode(), query
        assert "Can't show this list" in unescape(answer.content.decode())
        assert names(admin, **query) == []
    assert "Health: Select a valid choice. x is not" in admin.get(URL, {"health": "x"}).content.decode()
    assert names(admin, sort="colour", page="-3", per="7") == ["Herons"]


def test_the_list_is_sorted_and_paginated(admin: Client) -> None:
    for number in range(45):
        make_band(f"band-{number:02}", consecutive_failures=number)
    Video.objects.create(youtube_id="v", band=Band.objects.get(slug="band-07"))
    assert len(names(admin)) == 20
    assert names(admin, page=3) == [f"Band-{number}" for number in range(40, 45)]
    assert names(admin, page=99) == names(admin, page=3)
    assert len(names(admin, per=50)) == 45
    assert names(admin, sort="-failures")[0] == "Band-44"
    assert names(admin, sort="-videos")[0] == "Band-07"
    page = admin.get(URL, {"sort": "-failures", "q": "band", "page": 2}).content.decode()
    assert 'aria-sort="descending"' in page
    assert 'href="?sort=-failures&amp;q=band&amp;page=3"' in page
    assert "21–40 of 45" in page


def test_the_list_takes_as_many_queries_for_many_bands_as_for_few(admin: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(URL).status_code == 200
        return len(queries)

    make_band("first", "@first")
    count()
    few = count()
    for number in range(19):
        band = make_band(f"b{number}", "@x", consecutive_failures=number % 2)
        Video.objects.create(youtube_id=f"v{number}", band=band, availability=Availability.MISSING)
    assert count() == few <= 13


def test_a_partial_request_returns_only_the_rows(admin: Client) -> None:
    make_band()
    part = admin.get(URL, headers=HTMX).content.decode()
    assert "Herons" in part
    assert "<html" not in part


# ---- A band's page


def test_a_bands_page_shows_its_health_jobs_and_videos(admin: Client) -> None:
    since = timezone.now() - dt.timedelta(days=2)
    band = make_band(
        reference="@herons",
        channel_problem=ChannelProblem.NOT_FOUND,
        channel_problem_since=since,
        consecutive_failures=4,
        primary_color="#660000",
    )
    job = queue_job(band=band)
    outcomes.fail(claim(), "It broke.", reason="broken")
    Video.objects.create(youtube_id="v1", band=band, title="Halftime", view_count=0, like_count=None)
    Video.objects.create(youtube_id="v2", band=band, title="Parade", availability=Availability.UNAVAILABLE)
    page = admin.get(f"{URL}{band.pk}/change/").content.decode()
    meaning = error_reasons.explain("channelNotFound")
    assert escape(str(meaning.text)) in page, "as on the page of the error"
    assert escape(str(meaning.advice)) in page
    assert f'href="/admin/syncjobs/syncjob/{job.pk}/change/"' in page
    assert f'href="/admin/syncjobs/syncjob/?band_id={band.pk}"' in page
    assert 'fill="#660000"' in page
    row = re.search(r'<tr id="video-\d+">(?:(?!</tr>).)*Halftime.*?</tr>', page, re.DOTALL)
    assert row is not None
    cells = dict(re.findall(r'<td class="number(?: optional)?" data-label="(\w+)">([^<]*)</td>', row[0]))
    assert (cells["Views"], cells["Likes"], cells["Duration"]) == ("0", "—", "—")
    assert "Unavailable" in page
    part = admin.get(f"{URL}{band.pk}/change/", headers=HTMX).content.decode()
    assert "Recent jobs" in part
    assert "<html" not in part


def test_a_bands_page_begins_with_what_is_wrong_and_what_helps(admin: Client) -> None:
    band, now = make_band(reference="@herons", channel_id=CHANNEL, last_full_sync_at=timezone.now()), timezone.now()
    kim = logged_in(Role.MODERATOR)

    def boxes(client: Client, **fields: Any) -> list[str]:
        if fields:
            Band.objects.update(**fields)
        page = client.get(f"{URL}{band.pk}/change/").content.decode()
        assert page.index('id="health-head"') < page.index('id="jobs-head"') < page.index('id="fresh-head"')
        found = re.findall(
            r'<section class="box box-(?:(?!</section>).)*', page.partition('id="health-head"')[0], re.DOTALL
        )
        return [re.sub(r"\s+", " ", box) for box in found]

    assert boxes(admin) == []
    job = queue_job(band=band)
    outcomes.fail(claim(), "YouTube answered 503.", reason="backendError")
    (box,) = boxes(admin, consecutive_failures=2)
    for expected in ("box-bad", "YouTube is busy", "YouTube answered 503.", f"Failed job #{job.pk}", "/retry/"):
        assert expected in box, expected
    assert f'href="{URL}{band.pk}/change/"' not in box
    SyncJob.objects.all().delete()
    assert "have been deleted" in boxes(admin)[0]
    broken = queue_job(band=band)
    outcomes.fail(claim(), "Channel not found: @herons", reason="channelNotFound")
    gone, paused = boxes(
        admin, channel_problem=ChannelProblem.NOT_FOUND, channel_problem_since=now, paused_at=now, paused_by="robin"
    )
    for expected in (
        "Channel not found: @herons",
        "3 syncs in a row have failed",
        f'href="{URL}{band.pk}/edit/#id_youtube_channel"',
        f"https://www.youtube.com/channel/{CHANNEL}",
        f"Failed job #{broken.pk}",
        "About this error",
    ):
        assert expected in gone, expected
    assert "Paused by robin" in paused
    assert f"{URL}{band.pk}/resume/" in paused
    assert "/edit/" not in boxes(kim)[0]
    assert "suggest it. An admin decides." in boxes(kim)[0]
    band_operations.change(PERSON, band.pk, {"youtube_channel": "@moved"})
    Band.objects.update(paused_at=None)
    (untried,) = boxes(kim)
    assert "What was known about the syncs of the old channel no longer counts." in untried
    assert f'href="{URL}{band.pk}/sync/"' in untried
    (off,) = boxes(admin, is_active=False, last_full_sync_at=now - dt.timedelta(days=2))
    assert f"{URL}switch/?band={band.pk}&amp;active=1" in off
    assert "Not synced for a day" in boxes(admin, is_active=True)[0]
    assert "Add its channel" in boxes(admin, channel_id="", channel_reference="")[0]


def test_a_bands_page_charts_its_syncs(admin: Client) -> None:
    band = make_band(reference="@herons")
    page = f"{URL}{band.pk}/change/"
    assert "No sync of this band was requested" in admin.get(page).content.decode()
    queue_job(band=band)
    outcomes.fail(claim(), "It broke.", reason="broken")
    SyncJob.objects.update(videos_found=1234, videos_added=5)
    shown = admin.get(page, headers=HTMX).content.decode()
    chart = re.search(r'<dl class="series">.*?</dl>', shown, re.DOTALL)
    assert chart is not None
    rows = re.findall(r"<dt>(\w+)</dt>\s*<dd><strong>([\d,]+)</strong>", chart[0])
    assert rows == [("Syncs", "1"), ("Found", "1,234"), ("Added", "5"), ("Errors", "1")]
    assert re.findall(r'bar-(\w+)" x="291"', chart[0]) == ["off", "bad", "run", "good", "bad"]
    assert '<td class="number">1,234</td>' in shown


def test_queries_do_not_grow_with_jobs_and_videos(admin: Client) -> None:
    band = make_band(reference="@herons")

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert admin.get(f"{URL}{band.pk}/change/").status_code == 200
        return len(queries)

    queue_job(band=band, dedupe_key="first")
    Video.objects.create(youtube_id="first", band=band)
    count()
    few = count()
    for number in range(15):
        queue_job(band=band, dedupe_key=str(number))
        Video.objects.create(youtube_id=f"v{number}", band=band)
    assert count() == few <= 15


def test_an_unknown_band_is_a_404(admin: Client) -> None:
    for path in ("change/", "edit/", "sync/", "delete/"):
        assert admin.get(f"{URL}999/{path}").status_code == 404
    assert admin.get(f"{URL}99999999999999999999/change/").status_code == 404


def test_markup_in_names_is_escaped(admin: Client) -> None:
    band = make_band(reference="@herons", school_name=HOSTILE, conference=HOSTILE, channel_title=HOSTILE)
    Band.objects.update(name=HOSTILE, search_keywords=[HOSTILE], channel_id=CHANNEL)
    Video.objects.create(youtube_id="v1", band=band, title=HOSTILE)
    for path in ("", f"{band.pk}/change/", f"{band.pk}/edit/", f"{band.pk}/delete/", f"{band.pk}/sync/"):
        page = admin.get(URL + path).content.decode()
        assert "alert(1)" in page, path
        assert HOSTILE not in page, path


# ---- Syncing


def test_one_click_syncs_a_band(admin: Client) -> None:
    band = make_band(reference="@herons")
    sync = f"{URL}{band.pk}/sync/"
    assert "2 units" in admin.get(sync).content.decode()
    answer = admin.post(sync, headers=HTMX)
    job = SyncJob.objects.get()
    assert (job.job_type, job.band_id, job.status) == (JobType.INCREMENTAL_SYNC, band.pk, JobStatus.QUEUED)
    assert f"#{job.pk} is queued" in answer["HX-Trigger"]
    assert "already queued or running" in admin.post(sync, headers=HTMX)["HX-Trigger"]
    assert SyncJob.objects.count() == 1
    assert f"#{job.pk}" in admin.post(sync, follow=True).content.decode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"is_active": False}, "inactive"),
        ({"channel_reference": ""}, "no YouTube channel"),
        ({"last_incremental_sync_at": timezone.now()}, "was synced at"),
    ],
)
def test_a_refused_sync_shows_the_reason(admin: Client, fields: dict[str, Any], why: str) -> None:
    band = make_band(**{"reference": "@herons"})
    Band.objects.update(**fields)
    answer = admin.post(f"{URL}{band.pk}/sync/", headers=HTMX)
    assert why in answer["HX-Trigger"]
    assert '"error"' in answer["HX-Trigger"]
    assert SyncJob.objects.count() == 0


# ---- Deactivating and deleting


def test_several_bands_can_be_deactivated_and_reactivated(admin: Client) -> None:
    bands = [make_band(slug, "@x") for slug in ("a", "b", "c")]
    chosen = f"{URL}switch/?band={bands[0].pk}&band={bands[1].pk}&band=999&band=x"
    assert "<li data-utc>A</li><li data-utc>B</li>" in admin.get(f"{chosen}&active=0").content.decode()
    assert "2 bands deactivated" in admin.post(f"{chosen}&active=0", headers=HTMX)["HX-Trigger"]
    assert "0 bands deactivated" in admin.post(f"{chosen}&active=0", headers=HTMX)["HX-Trigger"]
    assert list(Band.objects.order_by("pk").values_list("is_active", flat=True)) == [False, False, True]
    assert "2 bands activated" in admin.post(f"{chosen}&active=1", headers=HTMX)["HX-Trigger"]
    assert Band.objects.filter(is_active=True).count() == 3
    assert AuditEntry.objects.filter(action="deactivate_bands").count() == 2


def test_a_band_can_be_deleted_unless_a_job_is_running(admin: Client) -> None:
    band = make_band(reference="@herons")
    Video.objects.create(youtube_id="v1", band=band)
    delete = f"{URL}{band.pk}/delete/"
    asked = admin.get(delete).content.decode()
    assert "Videos to be deleted: 1" in asked
    job = queue_job(band=band)
    assert f"#{job.pk}" in admin.post(delete, headers=HTMX)["HX-Trigger"]
    assert Band.objects.count() == 1
    outcomes.fail(claim(), "It broke.", reason="broken")
    assert admin.post(delete, headers=HTMX)["HX-Redirect"] == URL
    assert (Band.objects.count(), Video.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("role", "sees", "syncs", "writes"),
    [
        ("", False, False, False),
        (Role.MODERATOR, True, True, False),
        (Role.ADMIN, True, True, True),
    ],
)
def test_permissions(role: str, sees: bool, syncs: bool, writes: bool) -> None:
    client = logged_in(role)
    band = make_band(reference="@herons")
    one = f"{URL}{band.pk}/"
    for path in (URL, f"{one}change/"):
        page = client.get(path)
        assert page.status_code == (200 if sees else 403)
        assert (f"{one}sync/" in page.content.decode()) is syncs
    if sees:
        page = client.get(f"{one}change/").content.decode()
        assert (f"{one}edit/" in page) is (f"{one}delete/" in page) is writes
        assert (f"{URL}add/" in client.get(URL).content.decode()) is writes
    for path, may in (
        (f"{one}sync/", syncs),
        (f"{one}edit/", writes),
        (f"{one}delete/", writes),
        (f"{URL}add/", writes),
        (f"{URL}switch/?band={band.pk}&active=0", writes),
    ):
        assert client.get(path).status_code == (200 if may else 403), path
        if not may:
            assert client.post(path, {"name": "Marching Herons"}).status_code == 403, path
    assert Client().get(URL)["Location"].startswith("/admin/login/")
    assert (Band.objects.get().name, SyncJob.objects.count()) == ("Herons", 0)
