"""Two people who have one form open at the same time."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from bands.models import Band
from syncjobs.admin.band_form import BandForm
from syncjobs.choices import Role
from syncjobs.operations import people, schedules
from syncjobs.youtube.simulator import Simulator
from tests.clients import PASSWORD, logged_in
from tests.factories import PERSON, make_band

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.SUPER_ADMIN)


def _original(page: Any) -> str:
    """Return the hidden field with the values that the page was opened with."""
    found = re.search(r'name="original" value="([^"]*)"', page.content.decode())
    assert found
    return html.unescape(found[1])


def _band_form(**fields: str) -> dict[str, str]:
    return {"name": "Herons", "slug": "herons", "city": "Ashby", "state": "", "is_active": "on"} | fields


def test_only_what_a_person_changed_is_written(admin: Client) -> None:
    band = make_band(city="Ashby")
    url = f"/admin/bands/band/{band.pk}/edit/"
    original = _original(admin.get(url))
    assert admin.post(url, _band_form(state="AL", nickname="The Tall", original=original)).status_code == 302
    mine = _band_form(city="Kestrel Bay", original=original)
    del mine["is_active"]
    assert admin.post(url, mine).status_code == 302
    band.refresh_from_db()
    assert (band.city, band.state, band.nickname, band.is_active) == ("Kestrel Bay", "AL", "The Tall", False)


def test_a_conflict_on_the_same_field_is_shown_once(admin: Client) -> None:
    band = make_band(city="Ashby")
    url = f"/admin/bands/band/{band.pk}/edit/"
    original = _original(admin.get(url))
    assert admin.post(url, _band_form(city="Kestrel Bay", state="FL", original=original)).status_code == 302
    refused = admin.post(url, _band_form(city="Larkspur", original=original))
    assert refused.status_code == 422
    assert "changed this to “Kestrel Bay” meanwhile" in refused.content.decode()
    assert Band.objects.get().city == "Kestrel Bay"
    assert admin.post(url, _band_form(city="Larkspur", original=_original(refused))).status_code == 302
    band.refresh_from_db()
    assert (band.city, band.state) == ("Larkspur", "FL")


def test_equal_changes_are_no_conflict(admin: Client) -> None:
    url = f"/admin/bands/band/{make_band(city='Ashby').pk}/edit/"
    original = _original(admin.get(url))
    for _ in range(2):
        assert admin.post(url, _band_form(city="Larkspur", original=original)).status_code == 302


def test_a_new_object_has_all_fields_of_its_form(admin: Client) -> None:
    for url in ("/admin/bands/band/add/", "/admin/django_celery_beat/periodictask/add/"):
        assert 'name="original"' not in admin.get(url).content.decode()
    unchanged = json.dumps(dict.fromkeys(BandForm.base_fields, "") | {"is_active": True})
    form = {"name": "Marching Herons", "slug": "", "is_active": "on", "original": unchanged}
    assert admin.post("/admin/bands/band/add/", form).status_code == 302
    assert Band.objects.get().slug == "marching-herons"


def test_looking_a_channel_up_without_scripts_keeps_what_was_changed(admin: Client, youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@herons", "Herons")
    band = make_band(city="Ashby")
    url = f"/admin/bands/band/{band.pk}/edit/"
    form = _band_form(city="Larkspur", youtube_channel="@herons", original=_original(admin.get(url)))
    shown = admin.post(url, form | {"look_up": "1"})
    assert _original(shown) == form["original"]
    assert admin.post(url, form | {"original": _original(shown)}).status_code == 302
    band.refresh_from_db()
    assert (band.city, band.channel_id) == ("Larkspur", channel.id)


@pytest.mark.parametrize("original", [None, "", "[]", "{", "7", '{"name": "Herons"}', '{"what": 1}'])
def test_a_request_without_the_original_values_writes_all_fields(original: str | None, admin: Client) -> None:
    band = make_band(city="Ashby", state="AL")
    form = _band_form(city="Larkspur") | ({} if original is None else {"original": original})
    assert admin.post(f"/admin/bands/band/{band.pk}/edit/", form).status_code == 302
    band.refresh_from_db()
    assert (band.city, band.state) == ("Larkspur", "")


def test_a_channel_that_was_not_touched_is_not_written(admin: Client) -> None:
    channel = "UC" + "a" * 22
    band = make_band(
        channel_id=channel, channel_title="Herons TV", search_keywords=["a", "b"], extra_playlists=["PL" + "x" * 16]
    )
    url = f"/admin/bands/band/{band.pk}/edit/"
    original = _original(admin.get(url))
    Band.objects.update(channel_reference="@other", channel_id="UC" + "b" * 22)
    form = _band_form(youtube_channel=channel, search_keywords="a; b", playlists="PL" + "x" * 16, original=original)
    assert admin.post(url, form | {"city": "Larkspur"}).status_code == 302
    band.refresh_from_db()
    assert (band.channel_reference, band.search_keywords, band.city) == ("@other", ["a", "b"], "Larkspur")


def test_schedules(admin: Client) -> None:
    values = {"name": "Nightly", "job_type": "ENRICH", "cron": {"minute": "30", "hour": "3"}}
    schedule = schedules.save(PERSON, None, values)
    url = f"/admin/django_celery_beat/periodictask/{schedule.pk}/change/"
    original = _original(admin.get(url))
    # What a browser sends if nobody touches the form.
    form = {
        name: "on" if value is True else value for name, value in json.loads(original).items() if value is not False
    }
    form["original"] = original
    assert admin.post(url, form | {"time": "04:00"}).status_code == 302
    assert admin.post(url, form | {"name": "Early"}).status_code == 302
    saved = schedules.get(schedule.pk)
    assert (saved.name, saved.crontab.hour, saved.crontab.minute) == ("Early", "4", "0")
    refused = admin.post(url, form | {"name": "Early", "time": "05:00"})
    assert refused.status_code == 422
    assert "“04:00”" in refused.content.decode()
    assert schedules.get(schedule.pk).crontab.hour == "4"
    assert admin.post(url, form | {"time": "05:00", "original": _original(refused)}).status_code == 302
    assert schedules.get(schedule.pk).crontab.hour == "5"


def test_roles(admin: Client) -> None:
    mo = people.add_person(PERSON, "mo", PASSWORD, Role.MODERATOR)
    url = f"/admin/auth/user/{mo.pk}/role/"
    original = _original(admin.get(url))
    people.change_role(PERSON, mo.pk, Role.ADMIN)
    unchanged = admin.post(url, {"role": "MODERATOR", "original": original})
    assert unchanged.status_code == 302
    assert people.role_of(get_user_model().objects.get(pk=mo.pk)) == Role.ADMIN
    refused = admin.post(url, {"role": "SUPER_ADMIN", "original": original})
    assert refused.status_code == 422
    assert people.role_of(get_user_model().objects.get(pk=mo.pk)) == Role.ADMIN
