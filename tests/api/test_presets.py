"""Filter presets: personal and shared ones."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from syncjobs.choices import Role
from syncjobs.models import AuditEntry, FilterPreset
from syncjobs.operations import people
from tests.clients import PASSWORD, Api
from tests.factories import PERSON

pytestmark = pytest.mark.django_db
FAILED = {"name": "Failed", "filters": {"status": ["FAILED", "CANCELLED"], "bandId": "7", "sortBy": "completedAt"}}


def _names(api: Api) -> list[str]:
    return [row["name"] for row in api.get("admin/filter-presets").json()["data"]]


def test_people_see_their_own_presets_and_the_shared_ones() -> None:
    moderator, admin = Api(Role.MODERATOR), Api(Role.ADMIN)
    mine = moderator.post("admin/filter-presets", FAILED)
    assert mine.status_code == 201
    assert mine.json()["filters"] == {"status": "FAILED,CANCELLED", "bandId": "7", "sortBy": "completedAt"}
    assert moderator.get("admin/sync-jobs", **mine.json()["filters"]).status_code == 200
    saved = FilterPreset.objects.get().filters
    assert saved == {"status": "FAILED,CANCELLED", "band_id": "7", "sort_by": "completed_at"}
    shared = admin.post("admin/filter-presets", FAILED | {"name": "Ours", "shared": True}).json()
    assert (shared["shared"], shared["createdBy"]) == (True, "ADMIN")
    assert (_names(moderator), _names(admin)) == (["Ours", "Failed"], ["Ours"])
    path = f"admin/filter-presets/{mine.json()['id']}"
    assert admin.send("DELETE", path).status_code == 404
    assert admin.send("PATCH", path, {"name": "x"}).status_code == 404
    assert moderator.send("PATCH", path, {"name": "Broken"}).json()["name"] == "Broken"
    assert moderator.send("DELETE", path).status_code == 204
    assert _names(moderator) == ["Ours"]
    done = AuditEntry.objects.filter(target_type="preset", actor_label="MODERATOR").order_by("pk")
    assert [entry.action for entry in done] == ["create_preset", "change_preset", "delete_preset"]
    assert done[0].data["filters"] == mine.json()["filters"]


def test_only_admins_write_shared_presets() -> None:
    moderator, admin = Api(Role.MODERATOR), Api(Role.ADMIN)
    shared = f"admin/filter-presets/{admin.post('admin/filter-presets', FAILED | {'shared': True}).json()['id']}"
    mine = f"admin/filter-presets/{moderator.post('admin/filter-presets', FAILED).json()['id']}"
    for refused in (
        moderator.post("admin/filter-presets", FAILED | {"name": "x", "shared": True}),
        moderator.send("PATCH", mine, {"shared": True}),
        moderator.send("PATCH", shared, {"name": "x"}),
        moderator.send("PATCH", shared, {"shared": False}),
        moderator.send("DELETE", shared),
    ):
        assert refused.status_code == 403
    assert admin.send("PATCH", shared, {"shared": False}).json()["shared"] is False
    assert _names(moderator) == ["Failed"]


def test_names_are_unique_per_person_and_among_shared_presets() -> None:
    moderator, admin = Api(Role.MODERATOR), Api(Role.ADMIN)
    for api, body, status in (
        (moderator, FAILED, 201),
        (moderator, FAILED, 409),
        (admin, FAILED, 201),
        (admin, FAILED | {"shared": True}, 201),
        (admin, FAILED | {"shared": True}, 409),
    ):
        answer = api.post("admin/filter-presets", body)
        assert answer.status_code == status
        if status == 409:
            assert answer.json()["errors"][0]["field"] == "name"


def test_the_database_refuses_a_name_twice() -> None:
    owners = [*(get_user_model().objects.create_user(name) for name in ("pat", "sam")), None]
    for owner in owners:
        FilterPreset.objects.create(name="Failed", owner=owner)
    for owner in owners:
        with pytest.raises(IntegrityError), transaction.atomic():
            FilterPreset.objects.create(name="Failed", owner=owner)
    assert FilterPreset.objects.count() == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": 7}, "name"),
        ({"filters": {"status": "DONE"}}, "filters.status"),
        ({"filters": {"colour": "red"}}, "filters.colour"),
        ({"filters": {"page": "2"}}, "filters.page"),
        ({"filters": {"bandId": 7}}, "filters.bandId"),
        ({"filters": {"band_id": "7"}}, "filters.band_id"),
        ({"filters": {"sortBy": "completed_at"}}, "filters.sortBy"),
        ({"filters": {"status": []}}, "filters.status"),
        ({"filters": {"status": {"a": 1}}}, "filters.status"),
        ({"filters": {"startDate": "2026-11-24", "endDate": "2026-11-23"}}, "filters.endDate"),
        ({"filters": []}, "filters"),
        ({"shared": "yes"}, "shared"),
        ({"owner": "me"}, "owner"),
    ],
)
def test_an_invalid_field_is_named(change: dict[str, Any], field: str) -> None:
    answer = Api(Role.ADMIN).post("admin/filter-presets", FAILED | change)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not FilterPreset.objects.exists()


def test_shared_presets_outlive_their_author() -> None:
    admin = Api(Role.ADMIN)
    admin.post("admin/filter-presets", FAILED)
    admin.post("admin/filter-presets", FAILED | {"shared": True})
    get_user_model().objects.all().delete()
    people.save_user(PERSON, "other", PASSWORD, Role.ADMIN)
    assert [(preset.is_shared, preset.created_by) for preset in FilterPreset.objects.all()] == [(True, "ADMIN")]
