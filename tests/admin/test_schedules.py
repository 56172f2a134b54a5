"""Schedules in the admin: descriptions, edits, runs and permissions."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django_celery_beat.models import PeriodicTask

from syncjobs.admin import recurrence as recurrences
from syncjobs.admin.recurrence import Kind, Recurrence
from syncjobs.audit.actors import for_schedule
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import outcomes
from syncjobs.exceptions import NotFound
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import schedules
from tests.clients import logged_in
from tests.factories import PERSON, claim, queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/django_celery_beat/periodictask/"
NEW_YORK = "America/New_York"
FORM = {"name": "Nightly", "job_type": "FULL_SYNC", "kind": "daily", "time": "03:00", "zone": NEW_YORK, "enabled": "on"}


def make(cron: str = "0 3 * * *", zone: str = NEW_YORK, name: str = "Nightly", **values: Any) -> PeriodicTask:
    when = {"cron": dict(zip(recurrences.CRON_FIELDS, cron.split(), strict=True)) | {"timezone": zone}}
    return schedules.save(PERSON, None, {"name": name, "job_type": "FULL_SYNC", "enabled": True, **when, **values})


def words(schedule: PeriodicTask) -> str:
    return recurrences.sentence(recurrences.of_schedule(schedule))


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", "Every day at 03:00, America/New_York"),
        ("0 3,15 * * *", "Every day at 03:00 and 15:00, America/New_York"),
        ("30 6 * * 1,4", "Mondays and Thursdays at 06:30, America/New_York"),
        ("30 6 * * thu,mon", "Mondays and Thursdays at 06:30, America/New_York"),
        ("0 8 * * 1-5", "Mondays to Fridays at 08:00, America/New_York"),
        ("0 8 * * 0", "Sundays at 08:00, America/New_York"),
        ("0 8 * * 6,0,5", "Fridays, Saturdays and Sundays at 08:00, America/New_York"),
        ("15 0 1 * *", "Every month on day 1 at 00:15, America/New_York"),
        ("15 0 1,15 * *", "Every month on days 1 and 15 at 00:15, America/New_York"),
        ("10 * * * *", "Every hour at minute 10"),
        ("10 */6 * * *", "Every 6 hours at minute 10, America/New_York"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("* * * * *", "Every minute"),
        ("0 */5 * * *", "At minute 0 of the hours 0, 5, 10, 15 and 20 (0 */5 * * *), America/New_York"),
        (
            "*/20 1 * 2-4,12 *",
            "At 01:00, 01:20 and 01:40, in February, March, April and December (*/20 1 * 2-4,12 *), America/New_York",
        ),
        ("0 3 1 1 *", "At 03:00, on day 1 of the month, in January (0 3 1 1 *), America/New_York"),
        ("0 3 1 * 1", "At 03:00, Mondays, on day 1 of the month (0 3 1 * 1), America/New_York"),
        ("0-30 9-17 * * *", "At minutes 0–30 of the hours 9–17 (0-30 9-17 * * *), America/New_York"),
    ],
)
def test_cron_is_described_in_words(cron: str, expected: str) -> None:
    assert words(make(cron)) == expected


@pytest.mark.parametrize(
    ("every", "period", "expected"),
    [
        (15, "minutes", "Every 15 minutes"),
        (1, "hours", "Every hour"),
        (2, "days", "Every 2 days"),
        (90, "seconds", "Every 90 seconds"),
    ],
)
def test_intervals_are_described_in_words(every: int, period: str, expected: str) -> None:
    saved = schedules.save(
        PERSON, None, {"name": "Often", "job_type": "PRUNE", "interval": {"every": every, "period": period}}
    )
    assert words(saved) == expected


@pytest.mark.parametrize(
    "recurrence",
    [
        Recurrence(Kind.DAILY, NEW_YORK, (dt.time(3),)),
        Recurrence(Kind.WEEKLY, NEW_YORK, (dt.time(6, 30),), weekdays=(1, 4)),
        Recurrence(Kind.WEEKLY, NEW_YORK, (dt.time(6, 30),), weekdays=(6, 0)),
        Recurrence(Kind.MONTHLY, NEW_YORK, (dt.time(23, 59),), days=(31,)),
        Recurrence(Kind.HOURLY, NEW_YORK, every=1, minute=59),
        Recurrence(Kind.HOURLY, NEW_YORK, every=6, minute=0),
        Recurrence(Kind.INTERVAL, every=15, period="minutes"),
    ],
)
def test_a_recurrence_survives_saving_and_reading(recurrence: Recurrence) -> None:
    saved = schedules.save(PERSON, None, {"name": "A", "job_type": "PRUNE", **recurrences.values(recurrence)})
    read = recurrences.of_schedule(saved)
    for name in ("kind", "zone", "times", "weekdays", "days", "every", "minute", "period"):
        assert getattr(read, name) == getattr(recurrence, name), name


def test_descriptions_are_translated() -> None:
    with translation.override("xx"):
        assert "03:00" in words(make())


@pytest.mark.parametrize("zone", [NEW_YORK, "Asia/Kolkata", "UTC"])
def test_the_next_run_is_exact_in_the_schedules_time_zone(zone: str) -> None:
    schedule = make("0 3 * * *", zone)
    due = schedules.next_run(schedule)
    assert due is not None
    there = due.astimezone(zoneinfo.ZoneInfo(zone))
    assert (there.hour, there.minute, there.second, there.microsecond) == (3, 0, 0, 0)
    assert dt.timedelta() < due - timezone.now() <= dt.timedelta(hours=25)
    coming = schedules.next_runs(schedule, 400)
    assert {(at.astimezone(zoneinfo.ZoneInfo(zone)).hour, at.minute % 30) for at in coming} == {(3, 0)}
    assert len({at.astimezone(zoneinfo.ZoneInfo(zone)).date() for at in coming}) == 400


def test_the_page_shows_the_next_run_and_recent_results() -> None:
    schedule = make()
    job = queue_job(actor=for_schedule("Nightly"))
    outcomes.fail(claim(), "It broke.", reason="broken")
    page = logged_in(Role.MODERATOR).get(URL).content.decode()
    assert "Every day at 03:00, America/New_York" in page
    due = schedules.next_run(schedule)
    assert due is not None
    assert due.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") in page
    assert f"{due.astimezone(zoneinfo.ZoneInfo(NEW_YORK)):%Y-%m-%d %H:%M} {NEW_YORK}" in page
    assert f'href="/admin/syncjobs/syncjob/{job.pk}/change/"' in page
    assert "badge-bad" in page


def test_recent_runs_are_the_newest_of_each_schedule_and_exclude_child_jobs() -> None:
    own, other = make(name="A"), make(name="B")
    parents = [queue_job(actor=for_schedule("A"), fans_out=True, dedupe_key=str(n)) for n in range(7)]
    queue_job(actor=for_schedule("A"), parent=parents[-1], dedupe_key="child")
    with CaptureQueriesContext(connection) as queries:
        runs = schedules.last_runs([own, other], 5)
    assert [job.pk for job in runs[own.pk]] == [job.pk for job in reversed(parents)][:5]
    assert runs[other.pk] == []
    assert len(queries) == 2


def test_the_page_takes_as_many_queries_for_many_schedules_as_for_few() -> None:
    client = logged_in(Role.ADMIN)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    make(name="S")
    count()
    few = count()
    for number in range(12):
        make(name=f"S{number}")
    assert count() == few <= 12


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "Every day at 03:00, America/New_York"),
        (
            {"kind": "weekly", "weekdays": ["1", "4"], "time": "06:30"},
            "Mondays and Thursdays at 06:30, America/New_York",
        ),
        ({"kind": "monthly", "day": "31"}, "Every month on day 31 at 03:00, America/New_York"),
        ({"kind": "hourly", "minute": "10"}, "Every hour at minute 10"),
        ({"kind": "interval", "every": "15", "period": "minutes"}, "Every 15 minutes"),
        (
            {"kind": "cron", "cron": "0 3 1 1 *"},
            "At 03:00, on day 1 of the month, in January (0 3 1 1 *), America/New_York",
        ),
        ({"kind": "cron", "cron": "0 4 * * *"}, "Every day at 04:00, America/New_York"),
    ],
)
def test_a_schedule_can_be_added_and_edited(fields: dict[str, Any], expected: str) -> None:
    client = logged_in(Role.ADMIN)
    preview = client.post(f"{URL}preview/", FORM | fields).content.decode()
    assert expected in preview
    assert preview.count("<time") == 3
    assert client.post(f"{URL}add/", FORM | fields).status_code == 302
    schedule = PeriodicTask.objects.get(name="Nightly")
    assert words(schedule) == expected
    assert schedules.job_type_of(schedule) == JobType.FULL_SYNC
    assert AuditEntry.objects.get(action="create_schedule").result == "ok"
    # Saving the form without a change keeps the schedule.
    form = client.get(f"{URL}{schedule.pk}/change/").context["form"]
    shown = {name: value for name in form.fields if (value := form[name].value()) not in (None, "", False)}
    assert client.post(f"{URL}{schedule.pk}/change/", shown).status_code == 302
    assert words(schedules.get(schedule.pk)) == expected
    assert client.post(f"{URL}{schedule.pk}/change/", FORM | {"time": "22:15", "name": "Evening"}).status_code == 302
    assert words(schedules.get(schedule.pk)) == "Every day at 22:15, America/New_York"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": "Taken"}, "name"),
        ({"job_type": "SINGLE_VIDEO"}, "job_type"),
        ({"kind": "sometimes"}, "kind"),
        ({"time": ""}, "time"),
        ({"time": "25:00"}, "time"),
        ({"kind": "weekly"}, "weekdays"),
        ({"kind": "weekly", "weekdays": ["9"]}, "weekdays"),
        ({"kind": "monthly", "day": "32"}, "day"),
        ({"kind": "hourly", "minute": ""}, "minute"),
        ({"kind": "interval", "every": "0", "period": "hours"}, "every"),
        ({"kind": "cron", "cron": "0 3 * *"}, "cron"),
        ({"kind": "cron", "cron": "0 99 * * *"}, "cron"),
        ({"zone": "Atlantis/Capital"}, "zone"),
    ],
)
def test_invalid_values_are_field_errors(fields: dict[str, Any], wrong: str) -> None:
    make(name="Taken")
    before = PeriodicTask.objects.count()
    answer = logged_in(Role.ADMIN).post(f"{URL}add/", FORM | fields)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [wrong]
    assert PeriodicTask.objects.count() == before


def test_a_schedule_can_be_switched_off_run_and_deleted() -> None:
    client = logged_in(Role.ADMIN)
    schedule = make()
    one = f"{URL}{schedule.pk}/"
    for enable, is_enabled in (("0", False), ("0", False), ("1", True)):
        client.post(f"{one}switch/", {"enable": enable})
        assert schedules.get(schedule.pk).enabled is is_enabled
    client.post(f"{one}switch/", {"enable": "0"})
    assert "None while disabled" in client.get(URL).content.decode()
    assert "Run “Nightly” now?" in client.get(f"{one}run/").content.decode()
    assert SyncJob.objects.count() == 0
    client.post(f"{one}run/")
    job = SyncJob.objects.get()
    assert (job.job_type, job.status, job.requested_by_label) == (JobType.FULL_SYNC, JobStatus.QUEUED, "ADMIN@example")
    answer = client.post(f"{one}run/", headers={"HX-Request": "true"})
    assert (answer.status_code, f"#{job.pk}" in answer["HX-Trigger"]) == (204, True)
    assert SyncJob.objects.count() == 1
    assert "Delete “Nightly”?" in client.get(f"{one}delete/").content.decode()
    client.post(f"{one}delete/")
    assert not schedules.list_schedules().filter(pk=schedule.pk).exists()
    assert client.get(f"{one}change/").status_code == 404


@pytest.mark.parametrize(("role", "writes"), [("", False), (Role.MODERATOR, False), (Role.ADMIN, True)])
def test_permissions(role: str, writes: bool) -> None:
    client = logged_in(role)
    schedule = make()
    one = f"{URL}{schedule.pk}/"
    page = client.get(URL)
    assert page.status_code == (200 if role else 403)
    if role:
        assert (f"{one}run/" in page.content.decode()) is writes
        assert (f"{URL}add/" in page.content.decode()) is writes
    for path in (f"{URL}add/", f"{one}change/", f"{one}run/", f"{one}switch/", f"{one}delete/"):
        assert client.get(path).status_code == (200 if writes else 403), path
    if not writes:
        for path in (f"{URL}add/", f"{one}change/", f"{one}run/", f"{one}switch/", f"{one}delete/"):
            assert client.post(path, FORM).status_code == 403, path
        assert words(schedules.get(schedule.pk)) == "Every day at 03:00, America/New_York"
        assert SyncJob.objects.count() == 0


def test_markup_in_a_name_is_escaped() -> None:
    make(name="<script>alert(1)</script>")
    page = logged_in(Role.ADMIN).get(URL).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Renamed"},
        {"job_type": "PRUNE"},
        {"interval": {"every": 5, "period": "minutes"}},
        {"cron": {"hour": "4", "minute": "0"}},
        {"enabled": True},
    ],
)
def test_an_edit_keeps_the_run_that_beat_recorded(values: dict[str, Any]) -> None:
    """Beat runs the schedule after the form has read it and before the form saves it."""
    read = make()
    ran_at = timezone.now()
    PeriodicTask.objects.filter(pk=read.pk).update(last_run_at=ran_at, total_run_count=7)
    schedules.save(PERSON, read, values)
    saved = PeriodicTask.objects.get(pk=read.pk)
    assert (saved.last_run_at, saved.total_run_count) == (ran_at, 7)


def test_an_edit_writes_only_changed_fields() -> None:
    task = make()
    with CaptureQueriesContext(connection) as queries:
        schedules.save(PERSON, task, {"name": "Renamed"})
    written = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "django_celery_beat_periodictask"')]
    columns = [re.findall(r'"(\w+)" = ', sql.partition(" WHERE ")[0]) for sql in written]
    assert columns == [["name", "date_changed"], ["date_changed"]]


def test_switching_a_schedule_off_clears_its_last_run() -> None:
    """As in beat: after it is switched on again, the schedule is not due for the time it was off."""
    task = make()
    PeriodicTask.objects.update(last_run_at=timezone.now(), total_run_count=7)
    schedules.save(PERSON, task, {"enabled": False})
    saved = PeriodicTask.objects.get(pk=task.pk)
    assert (saved.enabled, saved.last_run_at, saved.total_run_count) == (False, None, 7)


def test_saving_does_not_recreate_a_deleted_schedule() -> None:
    task = make()
    PeriodicTask.objects.filter(pk=task.pk).delete()
    with pytest.raises(NotFound):
        schedules.save(PERSON, task, {"name": "Renamed"})
    assert not PeriodicTask.objects.filter(name="Renamed").exists()


@pytest.mark.parametrize(
    ("cron", "problem"),
    [("61 * * * *", "Minute: "), ("0 3 * 13 *", "Month: "), ("0 3 * * mon-", "Weekday: "), ("0 3 * *", "five fields")],
)
def test_the_preview_and_the_form_name_the_wrong_cron_field(cron: str, problem: str) -> None:
    client, fields = logged_in(Role.ADMIN), FORM | {"kind": "cron", "cron": cron}
    assert problem in client.post(f"{URL}preview/", fields).content.decode()
    assert problem in client.post(f"{URL}add/", fields).content.decode()
