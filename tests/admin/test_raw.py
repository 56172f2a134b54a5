"""Attempts, job events and quota calls as stored, for super admins."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncjobs.admin import raw
from syncjobs.choices import QueueName, Role
from syncjobs.models import Attempt, QuotaCall
from tests.clients import logged_in
from tests.factories import claim, make_band, queue_job

pytestmark = pytest.mark.django_db
LISTS = ("attempt", "jobevent", "quotacall")


@pytest.mark.parametrize("name", LISTS)
def test_only_super_admins_can_view_and_nobody_can_edit(name: str) -> None:
    queue_job(band=make_band())
    row = claim(QueueName.VIDEO_SYNC)
    url = f"/admin/syncjobs/{name}/"
    for role in ("", Role.MODERATOR, Role.ADMIN):
        assert logged_in(role).get(url).status_code == 403
    boss = logged_in(Role.SUPER_ADMIN)
    page = boss.get(url)
    assert page.status_code == 200
    assert [entry["label"] for entry in page.context["monitor_nav"] if entry["current"]] == ["Raw data"]
    for path in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/", f"{row.pk}/history/"):
        assert boss.get(url + path).status_code == boss.post(url + path).status_code == 404


def test_rows_can_be_searched_by_job() -> None:
    job, other = queue_job(band=make_band()), queue_job(band=make_band("terns"))
    claim()
    boss = logged_in(Role.SUPER_ADMIN)
    for search, found in (("", 1), (f"#{job.pk}", 1), (str(other.pk), 0), ("x", 0), ("9" * 30, 0)):
        answer = boss.get("/admin/syncjobs/attempt/", {"q": search})
        assert answer.context["cl"].result_count == found, search


def test_each_cell_names_its_column_for_the_cards_of_a_phone() -> None:
    queue_job(band=make_band())
    attempt = claim()
    Attempt.objects.filter(pk=attempt.pk).update(error="<b>5 > 4</b>")
    page = logged_in(Role.SUPER_ADMIN).get("/admin/syncjobs/attempt/").content.decode()
    assert f'<td class="field-id" data-label="ID">{attempt.pk}</td>' in page
    assert '<td class="field-error" data-label="Error">&lt;b&gt;5 &gt; 4&lt;/b&gt;</td>' in page
    assert '<td class="field-started" data-label="Started">' in page


def test_filters_and_orders_in_the_address_are_refused() -> None:
    boss = logged_in(Role.SUPER_ADMIN)
    for query in ({"worker": "a\0b"}, {"error__contains": "x"}, {"job__requested_by__password__startswith": "a"}):
        assert boss.get("/admin/syncjobs/attempt/", query).status_code == 400, query
    with CaptureQueriesContext(connection) as queries:
        assert boss.get("/admin/syncjobs/attempt/", {"o": "9"}).status_code == 200
    assert not [
        query["sql"]
        for query in queries
        if "ORDER BY" in query["sql"] and '"error"' in query["sql"].split("ORDER BY")[1]
    ]
    for method in ("post", "put", "delete"):
        assert getattr(boss, method)("/admin/syncjobs/attempt/").status_code == 405


def test_a_large_table_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_ROWS", 60)
    call = {"bucket": "main", "day": "2026-11-29", "operation": "videos.list", "units": 1}
    QuotaCall.objects.bulk_create([QuotaCall(**call) for _ in range(70)])
    boss = logged_in(Role.SUPER_ADMIN)
    with CaptureQueriesContext(connection) as queries:
        answer = boss.get("/admin/syncjobs/quotacall/")
    assert answer.context["cl"].result_count == 60
    assert all("LIMIT" in query["sql"] for query in queries if "COUNT(" in query["sql"])
