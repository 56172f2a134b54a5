"""The menu of a phone, and what pages show without scripts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from bands.models import Band
from syncjobs.choices import JobStatus, Role
from tests.clients import logged_in
from tests.factories import failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db


def test_the_menu_has_all_pages_with_what_there_is_to_see() -> None:
    client = logged_in(Role.MODERATOR)
    page = client.get("/admin/").content.decode()
    assert 'popovertarget="monitor-menu"' in page
    assert "nav-note" not in page
    band = make_band()
    failed_job(band=band)
    Band.objects.filter(pk=band.pk).update(consecutive_failures=2)
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    type(job).objects.filter(pk=job.pk).update(status=JobStatus.IN_PROGRESS)
    menu = client.get("/admin/menu/?at=/admin/bands/band/", headers={"HX-Request": "true"}).content.decode()
    entries = re.findall(r'<a href="([^"]+)".*?</a>', menu, re.S)
    texts = re.findall(r"<a href=.*?</a>", menu, re.S)
    notes = {url: re.findall(r'nav-note">([^<]+)<', text) for url, text in zip(entries, texts, strict=True)}
    assert notes["/admin/syncjobs/syncjob/"] == ["1 in progress"]
    assert notes["/admin/bands/band/"] == ["1 failing"]
    assert notes["/admin/syncjobs/errorgroup/"] == ["1 to do"]
    assert re.findall(r'href="([^"]+)" aria-current="page"', menu) == ["/admin/bands/band/"]
    # Only pages that the person may open.
    assert "/admin/auth/user/" not in menu
    assert "/admin/auth/user/" in logged_in(Role.SUPER_ADMIN).get("/admin/menu/").content.decode()


def test_the_palette_leads_to_pages_that_the_menu_does_not_name() -> None:
    client = logged_in(Role.MODERATOR)
    found: set[str] = set()
    for text in ("alert", "fresh", "bands"):
        results = client.get(reverse("admin:palette"), {"q": text}, headers={"HX-Request": "true"}).content.decode()
        found |= set(re.findall(r'<a[^>]* href="([^"]+)"', results))
    alerts = {f"/admin/syncjobs/{name}/" for name in ("alert", "alertrule", "alertchannel", "alertdelivery")}
    lists = {f"/admin/bands/band/?health={state}" for state in ("paused", "failing")}
    assert alerts | lists | {"/admin/#part-freshness", "/admin/bands/band/"} == found
    assert [url for url in found if client.get(url.partition("#")[0]).status_code != 200] == []
    for text, url in (
        ("queued", "/admin/syncjobs/syncjob/?status=WAITING"),
        ("running", "/admin/syncjobs/syncjob/?status=IN_PROGRESS"),
        ("failing", "/admin/bands/band/?health=failing"),
    ):
        assert f'href="{url}"' in client.get(reverse("admin:palette"), {"q": text}).content.decode(), text


def test_pages_say_what_is_missing_without_scripts() -> None:
    page = logged_in(Role.MODERATOR).get("/admin/").content.decode()
    assert re.search(r"<noscript>.*?JavaScript is off", page, re.S)
