"""The time zone of a person: shown, entered and filtered times are in it."""

from __future__ import annotations

import datetime as dt

import pytest

from syncjobs.choices import JobStatus, Role
from syncjobs.models import SyncJob
from tests.clients import listed_jobs, logged_in
from tests.factories import queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/settings/"
JOBS = "/admin/syncjobs/syncjob/"


def test_the_chosen_time_zone_comes_before_the_browsers() -> None:
    client, other = logged_in(Role.MODERATOR), logged_in(Role.ADMIN)
    for each in (client, other):
        each.cookies["timezone"] = "Asia/Tokyo"
    assert "Asia/Tokyo" in client.get(URL).content.decode()
    for name in ("localtime", "Factory", "Mars/Olympus"):
        answer = client.post(URL, {"time_zone": name})
        assert answer.status_code == 422, name
    assert (answer.status_code, "Unknown time zone" in answer.content.decode()) == (422, True)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/quota/?x=1"}
    answer = client.post(URL, {"time_zone": "America/New_York"}, headers=headers)
    assert answer.headers["HX-Redirect"] == "/admin/quota/?x=1"
    assert 'data-time-zone="America/New_York"' in client.get(JOBS).content.decode()
    assert 'data-time-zone=""' in other.get(JOBS).content.decode()
    # Nobody is sent to another site.
    for elsewhere in ("https://evil.example/admin/quota/", "http://testserver//evil.example/"):
        headers["HX-Current-URL"] = elsewhere
        answer = client.post(URL, {"time_zone": "America/New_York"}, headers=headers)
        assert answer.headers["HX-Redirect"] == "/admin/"
    # 2026-07-01 in New York begins at 04:00 UTC.
    early, late = (queue_job("PRUNE") for _ in range(2))  # type: ignore[arg-type]
    for job, hour in ((early, 3), (late, 5)):
        at = dt.datetime(2026, 7, 1, hour, tzinfo=dt.UTC)
        SyncJob.objects.filter(pk=job.pk).update(created_at=at, status=JobStatus.COMPLETED)
    assert listed_jobs(client.get(f"{JOBS}?start_date=2026-07-01&end_date=2026-07-01")) == [late.pk]
    client.post(URL, {"time_zone": ""})
    # In Tokyo it began at 15:00 UTC of the day before.
    assert set(listed_jobs(client.get(f"{JOBS}?start_date=2026-07-01&end_date=2026-07-01"))) == {early.pk, late.pk}


def test_times_are_entered_in_the_persons_time_zone() -> None:
    """Expect so of one job and of several; a time that the clocks skip is refused."""
    client = logged_in(Role.MODERATOR)
    client.cookies["timezone"] = "Asia/Tokyo"
    jobs = [queue_job("PRUNE"), queue_job("STATS_REFRESH")]  # type: ignore[arg-type]
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=3)).replace(second=0, microsecond=0)
    typed = f"{until + dt.timedelta(hours=9):%Y-%m-%dT%H:%M}"
    address = f"{JOBS}{jobs[0].pk}/delay/"
    assert "In the time zone Asia/Tokyo" in client.get(address).content.decode()
    client.post(address, {"until": typed}, headers={"HX-Request": "true"})
    bulk = "/admin/syncjobs/bulkaction/add/?action=delay&job=" + str(jobs[1].pk)
    asked = client.get(bulk).context["form"].initial["asked"]
    client.post(bulk, {"asked": asked, "until": typed}, headers={"HX-Request": "true"})
    for job in jobs:
        job.refresh_from_db()
        assert job.run_at == until
    client.post(URL, {"time_zone": "America/New_York"})
    answer = client.post(address, {"until": "2027-03-14T02:30"}, headers={"HX-Request": "true"})
    assert (answer.status_code, "may not exist" in answer.content.decode()) == (422, True)
    # UTC has no such years.
    for zone, typed in (("America/New_York", "9999-12-31T23:59"), ("Asia/Tokyo", "0001-01-01T00:00")):
        client.post(URL, {"time_zone": zone})
        answer = client.post(address, {"until": typed}, headers={"HX-Request": "true"})
        assert (answer.status_code, "next 30 days" in answer.content.decode()) == (422, True)
