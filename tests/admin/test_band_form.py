"""The form of a band in the admin: adding, editing, and looking up its channel."""

from __future__ import annotations

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from bands.models import Band
from syncjobs.admin.band_form import BY_ITSELF
from syncjobs.choices import Role
from syncjobs.engine import quota
from syncjobs.models import AuditEntry
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.clients import logged_in
from tests.factories import band_with_videos, make_band

pytestmark = pytest.mark.django_db
URL = "/admin/bands/band/"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def units_used() -> int:
    return quota.today()[0].used


def form(**fields: str) -> dict[str, str]:
    return {"name": "Marching Herons", "is_active": "on"} | fields


def test_a_band_can_be_added_and_edited(admin: Client) -> None:
    answer = admin.post(
        f"{URL}add/", form(playlists="PL0123456789abc\nhttps://youtube.com/playlist?list=PLabc0123456789")
    )
    band = Band.objects.get()
    assert answer["Location"] == f"{URL}{band.pk}/change/"
    assert (band.slug, band.extra_playlists) == ("marching-herons", ["PL0123456789abc", "PLabc0123456789"])
    shown = admin.get(f"{URL}{band.pk}/edit/").context["form"]
    given = {name: shown[name].value() for name in shown.fields if shown[name].value() not in (None, False)}
    admin.post(f"{URL}{band.pk}/edit/", given | {"city": "Ashby", "founded": "1908"})
    band.refresh_from_db()
    assert (band.city, band.founded, band.slug, len(band.extra_playlists)) == ("Ashby", 1908, "marching-herons", 2)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["create_band", "change_band"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "???"}, ["slug"]),
        ({"slug": "two words"}, ["slug"]),
        ({"slug": "taken"}, ["slug"]),
        ({"founded": "99"}, ["founded"]),
        ({"primary_color": "red"}, ["primary_color"]),
        ({"youtube_channel": "https://example.org/@x"}, ["youtube_channel"]),
        ({"playlists": "what"}, ["playlists"]),
        ({"youtube_channel": "x y", "playlists": "what"}, ["youtube_channel", "playlists"]),
        (
            {"name": "", "slug": "taken", "youtube_channel": "@Taken", "founded": "99", "city": "x" * 121},
            ["name", "slug", "youtube_channel", "founded", "city"],
        ),
        ({"name": "a\x00b", "slug": "two words", "playlists": "what"}, ["name", "slug", "playlists"]),
        ({"slug": "taken", "youtube_channel": "@taken"}, ["slug", "youtube_channel"]),
    ],
)
def test_invalid_values_are_field_errors(admin: Client, fields: dict[str, str], wrong: list[str]) -> None:
    band = make_band("taken", "@taken")
    other = make_band("other")
    for path in ("add/", f"{other.pk}/edit/"):
        answer = admin.post(URL + path, form(**fields))
        assert answer.status_code == 422
        assert sorted(answer.context["form"].errors) == sorted(wrong)
    assert set(Band.objects.values_list("pk", flat=True)) == {band.pk, other.pk}


def test_a_channel_is_looked_up_and_saved_with_the_band(admin: Client, youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@herons", "The Herons’ Channel")
    youtube.world.upload(channel.id, 3)
    pasted = "https://www.youtube.com/@herons/videos"
    found = admin.post(f"{URL}add/", form(youtube_channel=pasted, look_up="1"), headers=HTMX).content.decode()
    assert "The Herons’ Channel" in found
    assert "3 public videos" in found
    assert "<html" not in found
    assert Band.objects.count() == 0
    assert units_used() == 1
    whole = admin.post(f"{URL}add/", form(youtube_channel=pasted, look_up="1")).content.decode()
    assert "The Herons’ Channel" in whole
    assert 'value="Marching Herons"' in whole
    spent = units_used()
    admin.post(f"{URL}add/", form(youtube_channel=pasted))
    band = Band.objects.get()
    assert (band.channel_id, band.channel_title, band.channel_handle) == (channel.id, channel.title, "@herons")
    assert units_used() == spent
    again = admin.post(f"{URL}add/", form(youtube_channel="@herons", look_up="1"), headers=HTMX).content.decode()
    assert "Another band already uses this channel" in again
    assert f"{URL}{band.pk}/change/" in again


def test_a_pasted_channel_is_looked_up_once(admin: Client, youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@herons", "<b>Herons</b>")

    def paste(reference: str, path: str = "add/", look_up: str = BY_ITSELF, **fields: str) -> str:
        sent = form(youtube_channel=reference, look_up=look_up, **fields)
        return admin.post(URL + path, sent, headers=HTMX).content.decode()

    for _ in range(2):  # Once for the paste, once because the field is left.
        page = paste("@herons")
        assert '<data hidden data-fills="id_name" value="&lt;b&gt;Herons&lt;/b&gt;">' in page
        assert f'href="https://www.youtube.com/channel/{channel.id}"' in page
    assert units_used() == 1
    for _ in range(2):
        assert "Channel not found: @gone" in paste("@gone")
    assert units_used() == 2
    assert "Channel not found: @gone" in paste("@gone", look_up="1")
    assert units_used() == 3
    for nothing in ("", " \x00"):
        assert "1 unit" in paste(nothing)
    for address, expected in (
        ("https://youtu.be/dQw4w9WgXcQ", "is a video"),
        ("https://www.youtube.com/playlist?list=PL0123456789abc", "is a playlist"),
        ("x" * 400, "is not a YouTube channel"),
    ):
        assert '<p class="error">' in paste(address)
        assert expected in paste(address)
    admin.cookies["django_language"] = "es"
    assert "es una lista de reproducción" in paste("https://www.youtube.com/playlist?list=PLother0123456789")
    admin.cookies["django_language"] = "en"
    band = make_band("owls", "@herons", channel_id=channel.id)
    other = paste("@herons")
    assert (f'{URL}{band.pk}/change/">Owls</a>' in other, "data-fills" in other) == (True, False)
    assert "1 unit" in paste("@herons", f"{band.pk}/edit/")
    youtube.world.add_channel("@geese", "Geese")
    assert "Geese" in (moved := paste("@geese", f"{band.pk}/edit/"))
    assert "data-fills" not in moved
    assert units_used() == 4
    whole = admin.post(f"{URL}add/", {"youtube_channel": "@geese", "look_up": "1"}).content.decode()
    assert 'name="name" value="Geese"' in whole


def test_a_channel_lookup_belongs_to_one_person(admin: Client, youtube: Simulator) -> None:
    youtube.world.add_channel("@herons", "Herons")
    admin.post(f"{URL}add/", form(youtube_channel="@herons", look_up="1"), headers=HTMX)
    logged_in(Role.SUPER_ADMIN).post(f"{URL}add/", form(youtube_channel="@herons"))
    assert Band.objects.get().channel_id == ""


def test_saving_an_unchanged_channel_keeps_its_data(admin: Client, youtube: Simulator) -> None:
    band, channel = band_with_videos(youtube.world, 1)
    Band.objects.update(channel_title="Herons", channel_reference="", last_full_sync_at=timezone.now())
    admin.post(f"{URL}{band.pk}/edit/", form(youtube_channel=channel.id))
    band.refresh_from_db()
    assert (band.channel_id, band.channel_title) == (channel.id, "Herons")
    assert band.last_full_sync_at is not None


@pytest.mark.parametrize(
    ("pasted", "fault", "expected"),
    [
        ("", "", "Paste a channel first"),
        ("https://youtu.be/dQw4w9WgXcQ", "", "is a video"),
        ("@nobody-here", "", "Channel not found: "),
        ("@herons", "quotaExceeded", "quota"),
        ("@herons", "unavailable", "not responding"),
        ("@herons", "apiKeyInvalid", "rejected the API key"),
    ],
)
def test_a_failed_channel_lookup_shows_the_reason(
    admin: Client, youtube: Simulator, settings: LazySettings, pasted: str, fault: str, expected: str
) -> None:
    settings.YOUTUBE_TIMEOUT_SECONDS = 1
    if fault:
        youtube.faults.add(Fault(fault))
    answer = admin.post(f"{URL}add/", form(youtube_channel=pasted, look_up="1"), headers=HTMX)
    assert answer.status_code == 200
    assert expected in answer.content.decode()
    assert settings.YOUTUBE_API_KEY not in answer.content.decode()


def test_a_channel_lookup_shows_that_our_quota_is_used_up(
    admin: Client, youtube: Simulator, settings: LazySettings
) -> None:
    settings.YOUTUBE_QUOTA_MAIN = 0
    answer = admin.post(f"{URL}add/", form(youtube_channel="@herons", look_up="1"), headers=HTMX).content.decode()
    assert "quota is used up" in answer
