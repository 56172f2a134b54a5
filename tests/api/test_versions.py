"""Two clients that edit one object: ETag and If-Match."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from bands.models import Band
from syncjobs.choices import Role
from syncjobs.models import FilterPreset
from syncjobs.operations import schedules
from tests.clients import Api
from tests.factories import PERSON, make_band

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Api:
    return Api(Role.ADMIN)


def _band() -> tuple[str, Any, Any]:
    return f"bands/{make_band().pk}", {"city": "Ashby"}, {"state": "AL"}


def _schedule() -> tuple[str, Any, Any]:
    values = {"name": "Often", "job_type": "ENRICH", "interval": {"every": 6, "period": "hours"}}
    return f"admin/schedules/{schedules.save(PERSON, None, values).pk}", {"enabled": False}, {"name": "Seldom"}


def _preset() -> tuple[str, Any, Any]:
    preset = FilterPreset.objects.create(name="Failed", filters={"status": "FAILED"}, created_by="pat")
    return f"admin/filter-presets/{preset.pk}", {"name": "Broken"}, {"filters": {"status": "CANCELLED"}}


def _send(api: Api, method: str, path: str, body: Any, tag: str) -> Any:
    other = Api.__new__(Api)
    other.__dict__.update(api.__dict__)
    other.headers = api.headers | {"If-Match": tag}
    return other.send(method, path, body)


@pytest.mark.parametrize("make", [_band, _schedule, _preset])
def test_a_change_of_an_old_version_is_refused(make: Any, admin: Api) -> None:
    path, mine, theirs = make()
    seen = admin.get(path)["ETag"]
    assert seen.startswith('"')
    changed = _send(admin, "PATCH", path, theirs, seen)
    assert changed.status_code == 200
    assert changed["ETag"] == admin.get(path)["ETag"] != seen
    for method, body in (("PATCH", mine), ("DELETE", None)):
        refused = _send(admin, method, path, body, seen)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (412, "precondition_failed")
        # A weak tag matches nothing, nor does what is no tag.
        for tag in (f"W/{changed['ETag']}", changed["ETag"].strip('"'), ""):
            assert _send(admin, method, path, body, tag).status_code == 412
    current = admin.get(path).json()
    assert {key: current[key] for key in theirs} == theirs
    assert all(current[key] != value for key, value in mine.items())
    assert _send(admin, "PATCH", path, mine, f'"other", {changed["ETag"]}').status_code == 200
    assert _send(admin, "PATCH", path, mine, "*").status_code == 200
    assert admin.send("PATCH", path, mine).status_code == 200
    assert _send(admin, "DELETE", path, None, admin.get(path)["ETag"]).status_code == 204


@pytest.mark.parametrize("make", [_band, _schedule, _preset])
def test_a_client_that_has_the_version_gets_304(make: Any, admin: Api) -> None:
    path, mine, _theirs = make()
    admin.headers["If-None-Match"] = admin.get(path)["ETag"]
    assert admin.get(path).status_code == 304
    assert admin.send("PATCH", path, mine).status_code == 200
    assert admin.get(path).status_code == 200


def test_a_sync_is_no_conflict_but_another_answer(admin: Api) -> None:
    path, mine, _theirs = _band()
    seen = admin.get(path)["ETag"]
    Band.objects.update(last_full_sync_at=timezone.now())
    assert admin.get(path)["ETag"] != seen
    assert _send(admin, "PATCH", path, mine, seen).status_code == 200
