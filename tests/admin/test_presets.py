"""Filters saved under a name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from syncjobs.choices import Role
from syncjobs.models import FilterPreset
from syncjobs.operations import presets
from tests.clients import DIALOG, logged_in
from tests.factories import HOSTILE

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def toast(answer: Any) -> dict[str, str]:
    return json.loads(answer.headers["HX-Trigger"])["toast"]  # type: ignore[no-any-return]


def preset(name: str = "Failed", *, shared: bool = False, owner: str = "MODERATOR@example") -> FilterPreset:
    user = get_user_model().objects.get(username=owner)
    return FilterPreset.objects.create(
        name=name, filters={"status": "FAILED"}, owner=None if shared else user, created_by=owner
    )


def test_filters_can_be_saved_and_applied_by_name(moderator: Client) -> None:
    url = "/admin/syncjobs/filterpreset/add/?status=FAILED&search=quota&sort_order=asc&page=3&limit=50"
    assert 'name="shared"' not in moderator.get(url, headers=DIALOG).content.decode()
    answer = moderator.post(url, {"name": HOSTILE, "shared": "on"}, headers=DIALOG)
    saved = FilterPreset.objects.get()
    assert saved.filters == {"status": "FAILED", "search": "quota", "sort_order": "asc"}
    assert not saved.is_shared
    page = moderator.get(answer.headers["HX-Redirect"]).content.decode()
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    again = moderator.post(url, {"name": HOSTILE}, headers=DIALOG)
    assert again.status_code == 422
    assert "already" in again.content.decode()


def test_sharing_a_preset_needs_permission() -> None:
    admin = logged_in(Role.ADMIN)
    url = "/admin/syncjobs/filterpreset/add/?status=FAILED"
    assert 'name="shared"' in admin.get(url, headers=DIALOG).content.decode()
    admin.post(url, {"name": "Failed", "shared": "on"}, headers=DIALOG)
    assert FilterPreset.objects.get().is_shared


def test_empty_and_invalid_presets_are_refused(moderator: Client) -> None:
    answer = moderator.post("/admin/syncjobs/filterpreset/add/", {"name": "All"}, headers=DIALOG)
    assert "No filter is set" in toast(answer)["text"]
    answer = moderator.post("/admin/syncjobs/filterpreset/add/?status=DONE", {"name": "Done"}, headers=DIALOG)
    assert "status" in toast(answer)["text"]
    assert not FilterPreset.objects.exists()


def test_owners_delete_their_presets_and_admins_delete_shared_ones(moderator: Client) -> None:
    own, shared = preset(), preset("Everybody's", shared=True)
    page = moderator.get("/admin/syncjobs/syncjob/").content.decode()
    assert f"/filterpreset/{own.pk}/delete/" in page
    assert f"/presets/{shared.pk}/delete/" not in page
    assert "/admin/syncjobs/syncjob/?status=FAILED" in page
    assert moderator.get(f"/admin/syncjobs/filterpreset/{own.pk}/delete/", headers=DIALOG).status_code == 200
    moderator.post(f"/admin/syncjobs/filterpreset/{own.pk}/delete/", headers=DIALOG)
    assert (
        "admins" in toast(moderator.post(f"/admin/syncjobs/filterpreset/{shared.pk}/delete/", headers=DIALOG))["text"]
    )
    assert list(FilterPreset.objects.all()) == [shared]
    logged_in(Role.ADMIN).post(f"/admin/syncjobs/filterpreset/{shared.pk}/delete/", headers=DIALOG)
    assert not FilterPreset.objects.exists()


def test_private_presets_are_hidden_from_others() -> None:
    logged_in(Role.MODERATOR)
    theirs = preset("Mine alone")
    admin = logged_in(Role.ADMIN)
    assert "Mine alone" not in admin.get("/admin/syncjobs/syncjob/").content.decode()
    assert admin.get(f"/admin/syncjobs/filterpreset/{theirs.pk}/delete/").status_code == 404
    assert presets.list_presets(get_user_model().objects.get(username="ADMIN@example")).count() == 0
