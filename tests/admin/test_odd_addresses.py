"""Unusual addresses, which no page links to, must not cause a server error."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from syncjobs.choices import JobType, Role
from tests.clients import logged_in
from tests.factories import make_band, queue_job

pytestmark = pytest.mark.django_db
LONG = "9" * 5000
ODD = {
    "syncjobs/syncjob/": (
        *({name: "1"} for name in ("a%", "%d", "a%sb", "self", "page_", "{0}")),
        {"error": "\x00"},
        {"band_id": LONG},
        {"band_id": "sNaN"},
        {"parent_id": "9223372036854775807", "page": "10000000"},
        {"start_date": "0001-01-01T00:00:00+05:00"},
        {"start_date": "0001-01-01"},
        {"end_date": "9999-12-31T23:00:00-05:00"},
        {"end_date": "9999-12-31"},
        {"end_date": "2026-02-30"},
        {"page": LONG},
        {"page": "٣"},
        {"search": "a", "page": "10000000", "limit": "100"},
        {"band": "\x00"},
    ),
    "syncjobs/syncjob/rows/": (
        {"shown": LONG},
        {"shown": "9" * 30},
        {"shown": "1,,x"},
        {"shown": "1", "error": "\x00"},
    ),
    "syncjobs/bulkaction/add/": ({"action": "retry", "all": "1", "error": "\x00"}, {"action": "retry", "job": LONG}),
    "syncjobs/syncjob/export/": ({"error": "\x00"}, {"format": "\x00"}, {"a%": "1"}),
    "syncjobs/syncjob/add/": ({"band": "\x00", "named": "\x00"}, {"priority": LONG}),
    "syncjobs/auditentry/": ({"end_date": "9999-12-31"}, {"start_date": "0001-01-01"}, {"page": LONG}, {"per": "\x00"}),
    "syncjobs/auditentry/export/": ({"end_date": "9999-12-31"},),
    "syncjobs/errorgroup/": ({"page": LONG}, {"reason": "\x00"}, {"page": "100000"}),
    "bands/band/": ({"page": LONG}, {"sort": "\x00"}),
    "bands/video/": ({"band": LONG}, {"sort": "\x00"}),
    "events": ({"lastEventId": "\x00"}, {"lastEventId": LONG}),
}


@pytest.mark.parametrize("path", ODD)
def test_no_address_causes_a_server_error(path: str) -> None:
    make_band()
    queue_job(JobType.PRUNE)
    client = logged_in(Role.SUPER_ADMIN)
    for query in ODD[path]:
        answer = client.get(f"/admin/{path}", query, follow=True)
        assert answer.status_code in (200, 400, 404), query


def test_a_channel_that_cannot_be_stored_as_text_is_refused() -> None:
    client = logged_in(Role.ADMIN)
    for channel in ("\x00abc", "@ab\x00", "\x00"):
        shown = client.post("/admin/bands/band/add/", {"look_up": "1", "youtube_channel": channel})
        assert shown.status_code == 200
        assert shown.context["look_up"].problem


def test_no_stock_page_shows_tokens_to_a_superuser() -> None:
    client = logged_in(Role.SUPER_ADMIN)
    get_user_model().objects.update(is_superuser=True)
    for model in ("outstandingtoken", "blacklistedtoken"):
        assert client.get(f"/admin/token_blacklist/{model}/").status_code == 404
