"""Schedules: created, changed, run and deleted, and when they run next."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from syncjobs.choices import JobStatus, Role
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import schedules
from tests.clients import Api

pytestmark = pytest.mark.django_db
NIGHTLY = {
    "name": "Nightly",
    "jobType": "FULL_SYNC",
    "cron": {"minute": "0", "hour": "3", "timezone": "America/New_York"},
}


@pytest.fixture
def admin() -> Api:
    return Api(Role.ADMIN)


def test_a_schedule_is_created_changed_run_and_deleted(admin: Api) -> None:
    made = admin.post("admin/schedules", NIGHTLY)
    assert made.status_code == 201
    schedule = made.json()
    assert schedule["cron"]["timezone"] == "America/New_York"
    assert schedule["nextRunAt"].endswith("Z")
    due = dt.datetime.fromisoformat(schedule["nextRunAt"])
    assert timezone.now() < due < timezone.now() + dt.timedelta(days=1, minutes=1)
    path = f"admin/schedules/{schedule['id']}"
    off = admin.send("PATCH", path, {"enabled": False, "interval": {"every": 6, "period": "hours"}}).json()
    assert (off["enabled"], off["nextRunAt"], off["cron"]) == (False, None, None)
    assert off["interval"] == {"every": 6, "period": "hours"}
    assert off["jobType"] == "FULL_SYNC"
    hasty = admin.send("PATCH", path, {"interval": {"every": 59, "period": "seconds"}})
    assert (hasty.status_code, hasty.json()["errors"][0]["field"]) == (400, "interval")
    run = admin.post(f"{path}/run")
    assert run.status_code == 202
    assert SyncJob.objects.get(pk=run.json()["jobId"]).fans_out
    assert admin.send("DELETE", path).status_code == 204
    assert not PeriodicTask.objects.filter(name="Nightly").exists()
    done = AuditEntry.objects.filter(target_type="schedule").order_by("pk").values_list("action", flat=True)
    assert list(done) == ["create_schedule", "change_schedule", "change_schedule", "run_schedule", "delete_schedule"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"jobType": "SINGLE_VIDEO"}, "jobType"),
        ({"cron": {"minute": "61"}}, "cron.minute"),
        ({"cron": {"hour": "soon"}}, "cron.hour"),
        ({"cron": {"timezone": "Mars/Base"}}, "cron.timezone"),
        ({"cron": {"second": "1"}}, "cron.second"),
        ({"cron": {"hour": "9-5"}}, "cron.hour"),
        ({"cron": {"minute": "*/0"}}, "cron.minute"),
        ({"cron": {"dayOfMonth": "30,31", "monthOfYear": "2"}}, "cron.dayOfMonth"),
        ({"interval": {"every": 0, "period": "hours"}, "cron": None}, "interval.every"),
        ({"interval": None, "cron": None}, "cron"),
        ({"cron": {"dayOfWeek": "fri-mon"}}, "cron.dayOfWeek"),
        ({"cron": {"dayOfWeek": "tue-5"}}, "cron.dayOfWeek"),
        ({"cron": {"hour": "1, 2"}}, "cron.hour"),
        ({"interval": {"every": 1, "period": "hours"}}, "cron"),
    ],
)
def test_an_invalid_field_of_a_schedule_is_named(admin: Api, change: dict[str, Any], field: str) -> None:
    answer = admin.post("admin/schedules", NIGHTLY | change)
    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert "CronValue" not in answer.content.decode()
    assert not PeriodicTask.objects.filter(name="Nightly").exists()


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ({"dayOfWeek": "Mon-FRI", "hour": "08"}, ({0}, {8}, {1, 2, 3, 4, 5})),
        ({"dayOfWeek": "tue-Thu/2,sat"}, ({0}, set(range(24)), {2, 4, 6})),
        ({"dayOfWeek": "sun,3-sat/2", "hour": "0-1"}, ({0}, {0, 1}, {0, 3, 5})),
        ({"minute": "05,7", "hour": "9", "dayOfWeek": "0"}, ({5, 7}, {9}, {0})),
    ],
)
def test_cron_expressions_are_accepted_in_their_usual_forms(
    admin: Api, cron: dict[str, str], expected: tuple[set[int], set[int], set[int]]
) -> None:
    made = admin.post("admin/schedules", NIGHTLY | {"cron": cron})
    assert made.status_code == 201, made.json()
    (schedule,) = schedules.list_schedules().filter(name="Nightly")
    due = schedule.schedule
    assert (due.minute, due.hour, due.day_of_week) == expected


def test_changing_one_cron_field_keeps_the_others(admin: Api) -> None:
    cron = {"minute": "*/15", "hour": "1-5/2,9", "dayOfWeek": "mon,wed", "timezone": "America/New_York"}
    made = admin.post("admin/schedules", NIGHTLY | {"cron": cron}).json()
    changed = admin.send("PATCH", f"admin/schedules/{made['id']}", {"cron": {"hour": "4"}, "interval": None}).json()
    assert changed["cron"] == made["cron"] | {"hour": "4"}
    again = admin.send("PATCH", f"admin/schedules/{made['id']}", {"cron": changed["cron"], "interval": None}).json()
    assert again["cron"] == changed["cron"]
    hours = admin.send(
        "PATCH", f"admin/schedules/{made['id']}", {"interval": {"every": 2, "period": "hours"}, "cron": None}
    )
    assert (hours.json()["cron"], hours.json()["interval"]["every"]) == (None, 2)


def test_an_hour_without_a_minute_means_once_in_that_hour(admin: Api) -> None:
    made = admin.post("admin/schedules", NIGHTLY | {"cron": {"hour": "3"}}).json()
    assert (made["cron"]["minute"], made["cron"]["hour"], made["cron"]["timezone"]) == ("0", "3", "UTC")


def test_the_next_run_of_a_new_schedule_does_not_move(admin: Api) -> None:
    made = admin.post("admin/schedules", NIGHTLY | {"cron": None, "interval": {"every": 6, "period": "hours"}}).json()
    (result,) = [each for each in admin.get("admin/schedules").json()["data"] if each["id"] == made["id"]]
    assert result["nextRunAt"] == made["nextRunAt"]
    changed_at = PeriodicTask.objects.get(name="Nightly").date_changed
    assert dt.datetime.fromisoformat(made["nextRunAt"]) - changed_at == dt.timedelta(hours=6)


def test_manual_runs_are_among_the_last_runs(admin: Api) -> None:
    made = admin.post("admin/schedules", NIGHTLY).json()
    kind = {"job_type": "FULL_SYNC", "queue_id": "video-sync", "status": JobStatus.COMPLETED}
    earlier = SyncJob.objects.create(**kind, requested_by_label="schedule: Nightly")
    run = admin.post(f"admin/schedules/{made['id']}/run").json()
    SyncJob.objects.create(**kind, requested_by_label="schedule: Another")
    (result,) = [each for each in admin.get("admin/schedules").json()["data"] if each["id"] == made["id"]]
    assert [job["jobId"] for job in result["lastRuns"]] == [run["jobId"], str(earlier.pk)]
