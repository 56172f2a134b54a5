"""What a page says when the server answers 503 because the database is away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from bands.models import Band
from syncjobs.choices import Role
from tests.factories import make_band

from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
SENTENCE = "The database is away or too busy at the moment. Try again in a few seconds."


def _refuse(route: Route) -> None:
    route.fulfill(status=503, body=SENTENCE, content_type="text/plain; charset=utf-8", headers={"Retry-After": "5"})


def test_a_refused_dialog_closes_and_the_page_says_why(log_in: LogIn) -> None:
    band = make_band("herons")
    page = log_in(Role.ADMIN).go(f"/admin/bands/band/{band.pk}/change/")
    dialog, link = page.locator("dialog[open]"), page.locator("a[data-dialog][href$='/delete/']").first
    page.route("**/delete/", _refuse)
    link.click()
    expect(page.locator(".toast-error")).to_have_text(SENTENCE)
    expect(dialog).to_have_count(0)
    page.unroute("**/delete/")
    page.locator(".toast-error button").click()
    link.click()
    page.route("**/delete/", _refuse)
    button = dialog.locator("button[type=submit]")
    button.click()
    expect(dialog.locator(".toast-error")).to_have_text(SENTENCE)
    page.unroute("**/delete/")
    button.click()
    page.wait_for_url("**/admin/bands/band/")
    assert not Band.objects.exists()
