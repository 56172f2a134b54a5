"""The menu of a phone, and what pages show without scripts."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bands.models import Band
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobStatus, Role
from tests.browser import saved_world
from tests.browser.driver import addresses
from tests.clients import logged_in
from tests.factories import failed_job, make_alert, make_band, queue_job

pytestmark = pytest.mark.django_db


def set_password(client: Client) -> None:
    """Let the only person have a password, which they can change, and log them in."""
    person = get_user_model().objects.get(username__contains="SUPER")
    person.set_password("correct horse battery")
    person.save()
    client.force_login(person)


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


def test_stock_pages_count_the_alerts_as_ours_do() -> None:
    make_alert(Rule.NEW_ERROR, "f00")
    client = logged_in(Role.SUPER_ADMIN)
    set_password(client)
    counted = r'id="menu-count"\s+class="nav-count"[^>]*>1</span>'
    for name in ("syncjobs_syncjob_changelist", "syncjobs_attempt_changelist", "password_change"):
        with CaptureQueriesContext(connection) as queries:
            page = client.get(reverse(f"admin:{name}")).content.decode()
        assert re.search(counted, page), name
        assert "<title>(1) " in page
        assert sum("syncjobs_alert" in query["sql"] for query in queries) == 1, name
    refused = client.post(reverse("admin:password_change"), {"old_password": "wrong"})
    assert re.search(counted, refused.content.decode())
    assert "nav-count" not in Client().get("/admin/login/").content.decode()


def test_pages_say_what_is_missing_without_scripts() -> None:
    page = logged_in(Role.MODERATOR).get("/admin/").content.decode()
    assert re.search(r"<noscript>.*?JavaScript is off", page, re.S)


_TABS = ("/admin/syncjobs/jobevent/", "/admin/syncjobs/quotacall/", "/admin/password_change/done/")


def _current(page: str) -> list[tuple[str, str]]:
    """Return (URL, label) of the entries of the menu that are current."""
    menu = re.sub(r"<span.*?</span>", "", page.partition('<nav id="monitor-nav"')[2].partition("</nav>")[0], flags=re.S)
    found = re.findall(r'<a href="([^"]+)"[^>]* aria-current="page">(.*?)</a>', menu, re.S)
    return [(url, html.unescape(re.sub(r"<[^>]*>", "", label)).strip()) for url, label in found]


def _first_crumb(page: str) -> list[tuple[str, str]]:
    """Return (path, label) of the first page in the breadcrumb, if there is one."""
    crumbs = page.partition('<div class="breadcrumbs">')[2].partition("</div>")[0]
    found = re.findall(r'<a href="([^"]+)">(.*?)</a>', crumbs)[:1]
    return [(urlsplit(html.unescape(url)).path, html.unescape(label)) for url, label in found]


@pytest.mark.django_db(transaction=True)  # The copy of the world must be committed.
def test_each_page_has_one_current_entry_where_its_breadcrumb_begins() -> None:
    saved_world.fill()
    client = logged_in(Role.SUPER_ADMIN)
    set_password(client)
    others = [reverse(f"admin:{name}") for name in ("settings", "password_change_done", "checklist_dismiss")]
    others.append(reverse("admin:quota_reopen", args=["main"]))
    shown: dict[str, list[tuple[str, str]]] = {}
    for address in [*addresses().values(), *others]:
        answer = client.get(address, follow=True)
        if answer.status_code == 405:
            continue  # A button's address, not a page.
        assert answer.status_code == 200, address
        page, path = answer.content.decode(), answer.wsgi_request.path
        current = _current(page)
        assert len(current) == 1, (path, current)
        # A page without a breadcrumb is the entry's own, or one of its tabs.
        assert _first_crumb(page) == current or (not _first_crumb(page) and path in (current[0][0], *_TABS)), path
        shown[path] = current
    assert len(shown) > 60
    for address, label in {
        reverse("admin:import"): "Bands",
        reverse("admin:syncjobs_queue_pause", args=["video-sync"]): "Dashboard",
        reverse("admin:syncjobs_filterpreset_add"): "Sync jobs",
        reverse("admin:bands_band_read_feeds"): "Dashboard",
        reverse("admin:password_change"): "Change password",
    }.items():
        assert shown[address][0][1] == label, address
