"""The audit log and its filters."""

from __future__ import annotations

import pytest

from syncjobs.choices import Role
from syncjobs.models import SyncJob
from tests.clients import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Api:
    return Api(Role.ADMIN)


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [("action", "nope", "cancel_job"), ("result", "refused", "wrong_state"), ("targetType", "syncjob", "job")],
)
def test_unknown_values_of_audit_filters_are_refused(admin: Api, name: str, wrong: str, right: str) -> None:
    for path in ("admin/audit", "admin/audit/export"):
        answer = admin.get(path, **{name: wrong})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (400, name)
        assert f", not “{wrong}”." in error["message"]
        assert admin.get(path, **{name: right}).status_code == 200
    schema = admin.get("schema").json()
    parameters = schema["paths"]["/api/admin/audit"]["get"]["parameters"]
    (described,) = [each["schema"] for each in parameters if each["name"] == name]
    described = schema["components"]["schemas"].get(described.get("$ref", "").rpartition("/")[2], described)
    assert right in described["enum"]


def test_the_job_filter_of_the_audit_does_not_match_job_counts(admin: Api) -> None:
    ids = [str(number) for number in range(1, 5)]
    SyncJob.objects.bulk_create(SyncJob(pk=int(number), job_type="PRUNE", queue_id="maintenance") for number in ids)
    admin.post("admin/sync-jobs/bulk", {"action": "retry", "ids": ids})
    found = admin.get("admin/audit", targetId="4", targetType="job").json()["data"]
    assert [(entry["action"], entry["targetType"]) for entry in found] == [("retry_job", "job")]
    (entry,) = admin.get("admin/audit", action="bulk_retry").json()["data"]
    assert (entry["targetType"], entry["targetId"], entry["data"]) == ("jobs", "", {"count": 4})
    assert found[0]["data"] == {}


def test_the_audit_is_filtered(admin: Api) -> None:
    admin.post("admin/queue/pause", {"reason": "tidying"})
    admin.post("admin/queue/resume")
    (entry,) = admin.get("admin/audit", action="pause_queue").json()["data"]
    assert (entry["actor"], entry["message"], entry["result"]) == ("ADMIN", "tidying", "ok")
    assert admin.get("admin/audit", action="pause_queue", endDate="2020-01-01").json()["total"] == 0
    assert admin.get("admin/audit", startDate="x").json()["errors"][0]["field"] == "startDate"
    assert admin.get("admin/workers").json()["data"] == []
