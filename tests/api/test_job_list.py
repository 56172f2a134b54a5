"""The list of jobs: parameters, pages and queries."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from syncjobs.models import SyncJob
from tests.clients import Api
from tests.factories import queue_job, various_jobs

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"page": "0"}, "page"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"status": "DONE"}, "status"),
        ({"jobType": "FULL_SYNC,HALF_SYNC"}, "jobType"),
        ({"bandId": "x"}, "bandId"),
        ({"band_id": "7"}, "band_id"),
        ({"sortBy": "created_at"}, "sortBy"),
        ({"queue": "nonsense"}, "queue"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"startDate": "2026-11-24T25:00:00"}, "startDate"),
        ({"startDate": "2026-11-24T0\u0661:00:00"}, "startDate"),
        ({"startDate": "\u0662026-11-24"}, "startDate"),
        ({"startDate": "2026-02-30"}, "startDate"),
        ({"startDate": "2026-11-24", "endDate": "2026-11-23"}, "endDate"),
        ({"sortBy": "size"}, "sortBy"),
        ({"sortOrder": "up"}, "sortOrder"),
        ({"search": "x" * 201}, "search"),
        ({"search": "a\x00b"}, "search"),
        ({"colour": "red"}, "colour"),
        ({"colour": ""}, "colour"),
        ({"\x00": "1"}, "%00"),
    ],
)
def test_an_invalid_parameter_is_named(moderator: Api, parameters: dict[str, str], field: str) -> None:
    answer = moderator.get("admin/sync-jobs", **parameters)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "parameter", "message"),
    [
        ("admin/sync-jobs", "bandId=abc", "Must be a whole number of at most 18 digits, such as 48213."),
        ("admin/sync-jobs", f"parentId={10**18}", "Must be a whole number of at most 18 digits, such as 48213."),
        ("admin/sync-jobs", "error=xyz", "Must be the fingerprint of an error group, such as a3f09c1e5b7d2468."),
        (
            "admin/sync/errors",
            "window=15m",
            "Must be a number of hours (24h) or days (7d) up to 9999, or all.",
        ),
    ],
)
def test_the_message_says_what_would_be_valid(moderator: Api, path: str, parameter: str, message: str) -> None:
    answer = moderator.get(f"{path}?{parameter}")
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, message)


def test_dates_and_lists_may_be_written_in_several_ways(moderator: Api) -> None:
    various_jobs()
    for written, as_meant in (
        ("status=FAILED, COMPLETED", {"status": ["FAILED", "COMPLETED"]}),
        ("status=&status=FAILED,", {"status": "FAILED"}),
        ("startDate=2026-11-01T20:00:00+02:00", {"startDate": "2026-11-01T18:00:00Z"}),
        ("endDate=2026-11-02T00:00:00+0000", {"endDate": "2026-11-02T00:00:00Z"}),
        ("startDate=2026-11-01T18:00", {"startDate": "2026-11-01T18:00:00Z"}),
        ("startDate=2026-11-01 18:00:00", {"startDate": "2026-11-01T18:00:00Z"}),
        ("endDate=2026-11-01", {"endDate": "2026-11-01T23:59:59.999999"}),
    ):
        found = moderator.get(f"admin/sync-jobs?{written}&limit=100").json()
        assert found["data"] == moderator.get("admin/sync-jobs", limit=100, **as_meant).json()["data"]
        assert 0 < found["total"] < 60


def test_an_end_is_included(moderator: Api) -> None:
    jobs = various_jobs()
    moment = dt.datetime(2026, 11, 2, 9, 30, 15, 123456, tzinfo=dt.UTC)
    for place in (-1, 0, 1):
        SyncJob.objects.filter(pk=jobs[20 + place].pk).update(created_at=moment + dt.timedelta(microseconds=place))

    def found(**dates: object) -> set[str]:
        return {row["id"] for row in moderator.get("admin/sync-jobs", limit=100, **dates).json()["data"]}

    exact = moment.isoformat()
    assert found(startDate=exact, endDate=exact) == {str(jobs[20].pk)}
    assert str(jobs[20].pk) in found(endDate=exact)
    assert str(jobs[21].pk) not in found(endDate=exact)
    of_day = SyncJob.objects.filter(created_at__date=moment.date())
    assert found(startDate=moment.date(), endDate=moment.date()) == {str(job.pk) for job in of_day}
    preset = moderator.post("admin/filter-presets", {"name": "Then", "filters": {"startDate": exact, "endDate": exact}})
    assert preset.status_code == 201
    before = (moment - dt.timedelta(microseconds=1)).isoformat()
    refused = moderator.get("admin/sync-jobs", startDate=exact, endDate=before)
    assert refused.json()["message"] == "Must not be before startDate."


def test_a_page_past_the_end_has_only_the_totals(moderator: Api) -> None:
    various_jobs()
    first = moderator.get("admin/sync-jobs", limit=7, sortBy="startedAt", sortOrder="asc").json()
    assert [row["startedAt"] for row in first["data"]] == sorted(row["startedAt"] for row in first["data"])
    past = moderator.get("admin/sync-jobs", page=999, limit=7).json()
    assert (past["data"], past["total"], past["totalPages"]) == ([], 60, 9)


def test_the_number_of_queries_is_independent_of_the_page(moderator: Api, django_assert_max_num_queries: Any) -> None:
    """Authentication is included. Some filters can use the counts and others cannot."""
    various_jobs()
    parent = queue_job(fans_out=True)
    SyncJob.objects.filter(pk__in=SyncJob.objects.values("pk")[:30]).update(parent=parent)
    for parameters, expected in (({}, 61), ({"parentId": parent.pk}, 30), ({"page": "9"}, 0)):
        with django_assert_max_num_queries(3):
            listed = moderator.get("admin/sync-jobs", limit=100, **parameters).json()  # type: ignore[arg-type]
        assert len(listed["data"]) == expected
    with django_assert_max_num_queries(6):
        assert sum(moderator.get(f"admin/sync-jobs/{parent.pk}").json()["children"].values()) == 30
