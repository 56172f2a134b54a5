"""Redirects from the admin's old addresses to the current pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import resolve

from syncjobs import urls
from syncjobs.choices import Role
from tests.clients import logged_in

OBJECT = re.compile(r"<(\w+):\w+>")
SAMPLES = {"id": "7", "slug": "0123456789abcdef", "str": "video-sync"}


@pytest.mark.parametrize("route", urls._MOVED)
def test_an_old_address_redirects_with_its_query_string(route: str) -> None:
    value = "".join(SAMPLES[kind] for kind in OBJECT.findall(route))
    answer = Client().get(f"/admin/{OBJECT.sub(value, route)}?status=FAILED&page=2")
    path, _, query = answer.headers["Location"].partition("?")
    assert (answer.status_code, query) == (302, "status=FAILED&page=2")
    found = resolve(path)
    assert found.view_name == f"admin:{urls._MOVED[route]}"
    assert "".join(map(str, found.kwargs.values())) == value


def test_an_unknown_address_does_not_redirect() -> None:
    for path in ("jobs/x/", "bands/-1/", "queues/", "errors/a b/"):
        assert "/syncjobs/" not in Client().get(f"/admin/{path}").headers.get("Location", ""), path


@pytest.mark.parametrize(
    ("path", "old", "current"),
    [
        ("syncjobs/syncjob/", "jobType=PRUNE,ENRICH&page=2", "page=2&job_type=PRUNE,ENRICH"),
        ("syncjobs/syncjob/", "sortBy=completedAt&sortOrder=asc", "sort_by=completed_at&sort_order=asc"),
        ("syncjobs/syncjob/export/", "bandId=7&format=json", "format=json&band_id=7"),
        ("syncjobs/syncjob/rows/", "jobType=PRUNE&jobType=ENRICH", "job_type=PRUNE&job_type=ENRICH"),
        ("syncjobs/bulkaction/add/", "action=retry&all=1&delayReason=RETRY", "action=retry&all=1&delay_reason=RETRY"),
        ("syncjobs/filterpreset/add/", "requestedBy=two+words", "requested_by=two%20words"),
        ("syncjobs/auditentry/", "targetType=jobType&targetId=%237", "target_type=jobType&target_id=%237"),
        ("syncjobs/auditentry/export/", "startDate=2026-11-01", "start_date=2026-11-01"),
    ],
)
@pytest.mark.django_db
def test_parameters_in_camel_case_redirect_to_those_in_snake_case(path: str, old: str, current: str) -> None:
    answer = logged_in(Role.SUPER_ADMIN).get(f"/admin/{path}?{old}")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/{path}?{current}")


@pytest.mark.django_db
def test_other_parameters_and_requests_that_change_something_do_not_redirect() -> None:
    client = logged_in(Role.SUPER_ADMIN)
    for query in ("STATUS=FAILED", "Status=FAILED", "job_type=PRUNE"):
        assert client.get(f"/admin/syncjobs/syncjob/?{query}").status_code == 200
    refused = client.post("/admin/syncjobs/bulkaction/add/?action=cancel&all=1&jobType=PRUNE", follow=True)
    assert "jobType: " in refused.content.decode()
