"""Quota usage, history and forecast."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from bands.text import snake_case
from syncjobs.choices import DelayReason, JobStatus, JobType, Role
from syncjobs.engine import clock, quota
from syncjobs.engine.quota import Spender
from syncjobs.models import QuotaCall, QuotaDay, SyncJob
from syncjobs.operations import schedules
from syncjobs.stats import quota as stats_quota
from syncjobs.youtube.costs import QUOTA_TIMEZONE, Bucket, Operation, next_reset, quota_day
from tests.clients import Api, run_command
from tests.factories import SCHEDULE, make_band, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_schedules() -> None:
    PeriodicTask.objects.all().delete()


def _figures(bucket: str = "main") -> dict[str, Any]:
    rows = Api(Role.MODERATOR).get("admin/quota").json()
    return next(row for row in rows if row["bucket"] == bucket)


def _spend(units: int, *, personal: bool = False, **account: Any) -> None:
    for _ in range(units):
        quota.reserve(Operation.VIDEOS_LIST, Spender(is_personal=personal, **account))


def _spend_hourly(units: int, hours: int, **account: Any) -> None:
    """Spend the units by hand in each of the last hours."""
    for number in range(hours):
        before = set(QuotaCall.objects.values_list("pk", flat=True))
        _spend(units, personal=True, **account)
        calls = QuotaCall.objects.exclude(pk__in=before)
        calls.update(at=timezone.now() - dt.timedelta(hours=number, minutes=30))


def _charge(units: int, at: dt.datetime, job: SyncJob | None = None) -> None:
    """Record manual calls of that many units, as if they had been made at that time."""
    day = quota_day(timezone.now())
    values = {"bucket": "main", "day": day, "operation": "videos.list", "is_personal": True}
    QuotaCall.objects.create(units=units, at=at, job=job, **values)
    row, _ = QuotaDay.objects.get_or_create(bucket="main", day=day, defaults={"limit": 10_000})
    QuotaDay.objects.filter(pk=row.pk).update(used=F("used") + units)


def test_units_are_grouped_by_operation_type_and_band() -> None:
    bands = [make_band(f"band{number}") for number in range(12)]
    for number, band in enumerate(bands, start=1):
        _spend(number, job_type="FULL_SYNC", band_id=band.pk)
    _spend(2, personal=True)
    call = quota.reserve(Operation.CHANNELS_LIST, Spender(is_personal=False, job_type="ENRICH"))
    quota.record_result(call, status=500, reason="backendError", seconds=1, is_accepted=False)
    bands[11].delete()
    result = _figures()
    assert (result["used"], result["left"]) == (81, result["limit"] - 81)
    assert result["operations"] == [
        {"operation": "channels.list", "units": 1, "calls": 1, "failed": 1},
        {"operation": "videos.list", "units": 80, "calls": 80, "failed": 0},
    ]
    assert {row["jobType"]: row["units"] for row in result["jobTypes"]} == {None: 2, "FULL_SYNC": 78, "ENRICH": 1}
    assert [row["units"] for row in result["bands"]] == list(range(12, 2, -1))
    assert [row["bandName"] for row in result["bands"]][:2] == [None, "Band10"]
    assert _figures("search")["operations"] == []


def test_api_and_command_group_the_units_as_the_page_does() -> None:
    band = make_band("herons")
    job = queue_job()
    _spend(3, personal=True, job_id=job.pk, job_type="FULL_SYNC", band_id=band.pk)
    _spend(2, job_type="ENRICH")
    QuotaDay.objects.filter(bucket="main").update(used=6)
    api = Api(Role.MODERATOR)
    expected: dict[str, list[tuple[str, str | None, str, int]]] = {
        "operation": [("operation", "videos.list", "videos.list", 5)],
        "jobType": [("jobType", "FULL_SYNC", "Full sync", 3), ("jobType", "ENRICH", "Video details", 2)],
        "band": [("band", str(band.pk), "Herons", 3), ("none", None, "No band", 2)],
        "person": [
            ("person", job.requested_by_label, job.requested_by_label, 3),
            ("deletedJob", None, "Deleted job", 2),
        ],
    }
    for grouping, rows in expected.items():
        main, search, _stats = api.get("admin/quota/usage", groupBy=grouping).json()["buckets"]
        found = [(row["kind"], row["key"], row["name"], row["units"]) for row in main["groups"]]
        assert found == [*rows, ("unrecorded", None, "No longer recorded", 1)], grouping
        assert main["used"] == sum(row["units"] for row in main["groups"]) == 6
        assert (search["used"], search["groups"]) == (0, [])
        printed = json.loads(run_command("quota", "--by", snake_case(grouping), "--json"))["groups"]
        assert [(row["name"], row["units"]) for row in printed] == [(row[2], row[3]) for row in found], grouping
    assert "Herons" in run_command("quota", "--by", "band")
    before = api.get("admin/quota/usage", day="2026-01-02").json()
    assert (before["day"], [bucket["used"] for bucket in before["buckets"]]) == ("2026-01-02", [0, 0, 0])
    for day in ("9999-12-31", "2026-02-30", "yesterday"):
        assert api.get("admin/quota/usage", day=day).json()["errors"][0]["field"] == "day"


def test_jobs_that_wait_for_a_bucket_are_counted() -> None:
    job = queue_job()
    queue_job()
    SyncJob.objects.filter(pk=job.pk).update(
        run_at=next_reset(timezone.now()), delay_reason=DelayReason.QUOTA_MAIN, quota_estimated=50
    )
    SyncJob.objects.exclude(pk=job.pk).update(quota_estimated=4)
    result = _figures()
    assert (result["waitingJobs"], _figures("stats")["waitingJobs"]) == (1, 0)
    assert result["forecast"]["queued"] == 4


def test_the_forecast_adds_people_jobs_and_schedules() -> None:
    left = next_reset(timezone.now()) - timezone.now()
    _spend_hourly(2, 3)
    _spend(4)
    parent = queue_job(quota_estimated=100, fans_out=True)
    child = queue_job(parent=parent)
    SyncJob.objects.filter(pk=child.pk).update(quota_used=30)
    interval = IntervalSchedule.objects.create(every=10, period="minutes")
    task = PeriodicTask.objects.create(
        name="often", task=schedules.TASK, interval=interval, kwargs='{"job_type": "FULL_SYNC"}',
        last_run_at=timezone.now() - dt.timedelta(minutes=10),
    )  # fmt: skip
    # It is due now, and so before the reset whenever this test runs.
    assert _figures()["forecast"]["unknown"] == ["schedule “often”"]
    assert _figures()["forecast"]["units"] is None
    for number in range(2):
        done = queue_job(actor=SCHEDULE)
        values = {"status": JobStatus.COMPLETED, "quota_used": 10 + number, "requested_by_label": "schedule: often"}
        SyncJob.objects.filter(pk=done.pk).update(**values)
    result = _figures()["forecast"]
    runs = schedules.runs_between(task, timezone.now(), next_reset(timezone.now()), 1000)
    assert abs(runs - left / dt.timedelta(minutes=10)) <= 1
    assert result["unknown"] == []
    assert result["queued"] == 70
    assert result["scheduled"] in {round(10.5 * (runs + slip)) for slip in (0, 1)}
    assert abs(result["people"] - 2 * left / dt.timedelta(hours=1)) <= 1
    assert result["units"] == 10 + result["people"] + 70 + result["scheduled"]
    assert result["exceedsLimit"] is False


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """Let it be noon of a quota day: half of the day is left."""
    now = dt.datetime.combine(quota_day(timezone.now()), dt.time(12), QUOTA_TIMEZONE).astimezone(dt.UTC)
    monkeypatch.setattr(clock, "now", lambda: now)
    return now


def test_one_sync_of_all_bands_is_not_over_budget_by_itself(noon: dt.datetime) -> None:
    parent = queue_job(fans_out=True, quota_estimated=4000)
    children = [queue_job(parent=parent, quota_estimated=1000) for _ in range(4)]
    # It takes longer than most peaks, and is nearly done.
    for number, child in enumerate(children):
        _charge(900, noon - dt.timedelta(hours=number, minutes=30), child)
        SyncJob.objects.filter(pk=child.pk).update(quota_used=900)
    _charge(1, noon - dt.timedelta(minutes=1), parent)
    main = stats_quota.buckets()[0]
    assert (main.forecast.used, main.forecast.people, main.forecast.queued) == (3601, 0, 400)
    assert main.exceeds_limit is False
    SyncJob.objects.update(status=JobStatus.COMPLETED)
    assert stats_quota.buckets()[0].forecast.units == 3601


@pytest.mark.parametrize("minutes", [10, 50, 70])
def test_one_sync_of_many_selected_bands_is_not_a_rate(noon: dt.datetime, minutes: int) -> None:
    # It ran for half an hour, over the end of one of the hours that are counted back from now.
    for minute in range(30):
        _charge(100, noon - dt.timedelta(minutes=minutes + minute), queue_job())
    SyncJob.objects.update(status=JobStatus.COMPLETED)
    main = stats_quota.buckets()[0]
    assert (main.forecast.units, main.exceeds_limit) == (3000, False)


def test_manual_syncs_that_go_on_are_over_budget(noon: dt.datetime) -> None:
    for minute in range(0, 180, 10):
        _charge(150, noon - dt.timedelta(minutes=minute), queue_job())
    SyncJob.objects.update(status=JobStatus.COMPLETED)
    main = stats_quota.buckets()[0]
    assert (main.forecast.used, main.forecast.people) == (2700, 900 * 12)
    assert main.exceeds_limit is True


def test_the_rate_of_manual_syncs_goes_on_over_the_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    night = dt.datetime.combine(quota_day(timezone.now()), dt.time(0, 15), QUOTA_TIMEZONE).astimezone(dt.UTC)
    monkeypatch.setattr(clock, "now", lambda: night)
    for number in range(5):
        at = night - dt.timedelta(hours=number, minutes=5)
        QuotaCall.objects.create(
            bucket="main", day=quota_day(at), operation="videos.list", is_personal=True, units=60, at=at
        )
    assert stats_quota.buckets()[0].forecast.people == round(60 * 23.75)


def test_jobs_without_an_estimate_use_earlier_jobs_or_are_unknown() -> None:
    queue_job(JobType.STATS_REFRESH)
    assert _figures("stats")["forecast"]["unknown"] == ["1 Statistics refresh job"]
    assert _figures()["forecast"]["units"] == 0
    for units in (3, 5):
        done = queue_job(JobType.STATS_REFRESH)
        SyncJob.objects.filter(pk=done.pk).update(status=JobStatus.COMPLETED, quota_used=units)
    assert _figures("stats")["forecast"]["queued"] == 4


def test_a_job_that_outlives_its_all_bands_job_is_in_the_forecast() -> None:
    parent = queue_job(quota_estimated=100, fans_out=True)
    queue_job(parent=parent, quota_estimated=7)
    assert _figures()["forecast"]["queued"] == 100
    # As when its band was paused meanwhile.
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.COMPLETED)
    assert _figures()["forecast"]["queued"] == 7


def test_the_forecast_of_a_closed_bucket_adds_nothing() -> None:
    _spend(3, personal=True)
    quota.close(Bucket.MAIN, "quotaExceeded")
    result = _figures()
    assert (result["closedReason"], result["left"], result["forecast"]["units"]) == ("quotaExceeded", 0, 3)


def test_cron_runs_are_counted_up_to_the_end() -> None:
    cron = CrontabSchedule.objects.create(minute="*/15", hour="*")
    start = dt.datetime(2026, 11, 24, 3, 5, tzinfo=dt.UTC)
    task = PeriodicTask(name="quarter", task=schedules.TASK, crontab=cron, last_run_at=timezone.now())
    counted = schedules.runs_between(task, start, start + dt.timedelta(hours=2), 1000)
    assert counted in (7, 8, 9)
    assert schedules.runs_between(task, start, start + dt.timedelta(days=2), 5) == 5


def test_the_history_has_every_day_and_bucket() -> None:
    today = quota_day(timezone.now())
    closed = timezone.now()
    QuotaDay.objects.create(
        bucket="main", day=today - dt.timedelta(days=2), used=7, limit=10, reserved=1, closed_at=closed
    )
    QuotaDay.objects.create(bucket="main", day=today - dt.timedelta(days=3), used=9, limit=10)
    api = Api(Role.MODERATOR)
    rows = api.get("admin/quota/history", days="3").json()["data"]
    days = [(today - dt.timedelta(days=back)).isoformat() for back in (2, 1, 0)]
    assert [(row["day"], row["bucket"]) for row in rows] == [(day, bucket.value) for day in days for bucket in Bucket]
    assert [row["used"] for row in rows] == [7, 0, 0, 0, 0, 0, 0, 0, 0]
    assert (rows[0]["limit"], rows[1]["limit"]) == (10, None)
    assert dt.datetime.fromisoformat(rows[0]["closedAt"]) == closed
    assert len(api.get("admin/quota/history").json()["data"]) == 90
    assert api.get("admin/quota/history", days="366").json()["errors"][0]["field"] == "days"
