"""What a layout must leave visible at each width, and what must not touch."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bands.models import Video
from syncjobs.choices import Role
from syncjobs.models import SyncJob
from tests.factories import claim, failed_job, make_alert, make_band, queue_job

from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
JOBS, ERRORS = "/admin/syncjobs/syncjob/", "/admin/syncjobs/errorgroup/"
REQUESTER = "schedule: Check for new videos"
CONTRAST = """(input) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((each) => each / 255);
        const [red, green, blue] = parts.map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const text = getComputedStyle(input, "::placeholder");
    if (text.opacity !== "1") return 0;
    const [low, high] = [luminance(text.color), luminance(getComputedStyle(input).backgroundColor)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
}"""
FITS_ACROSS = "(element) => element.scrollWidth <= element.clientWidth"
FITS = "(element) => element.scrollWidth <= element.clientWidth && element.scrollHeight <= element.clientHeight"


def _at(page: Page, width: int) -> Page:
    page.set_viewport_size({"width": width, "height": 900})
    return page


@pytest.mark.parametrize("width", [641, 768, 1024, 1100, 1440])
def test_a_list_with_errors_hides_nothing_of_a_job(log_in: LogIn, width: int) -> None:
    job = failed_job("The playlist cannot be found. " * 3)
    figures = {"videos_found": 12_345, "videos_added": 2_345, "videos_updated": 3_456}
    SyncJob.objects.filter(pk=job.pk).update(
        band_name="Herons of the North", requested_by_label=REQUESTER, completed_at=timezone.now(), **figures
    )
    page = _at(log_in(Role.ADMIN).go(JOBS), width)
    row = page.locator(f"#row-{job.pk}")
    for text in (f"#{job.pk}", "Failed", "Herons of the North", "The playlist", REQUESTER, "12,345", "2,345", "3,456"):
        expect(row.get_by_text(text).first).to_be_visible()
    for cell in (".took", "td:has(> time)", ".actions a"):
        expect(row.locator(cell).first).to_be_visible()
    assert row.locator(".by").evaluate(FITS)
    expect(row.locator(".by")).to_have_attribute("title", REQUESTER)
    assert page.locator(".table-wrap").evaluate("(each) => each.scrollWidth <= each.clientWidth")
    reason, head = row.locator(".clamp").first.bounding_box(), row.locator("th").bounding_box()
    assert reason
    assert head
    assert (reason["y"] >= head["y"] + head["height"]) == (width < 1200)
    # About 25 characters a line.
    assert reason["width"] > 170


def test_the_progress_of_a_job_has_room_below_its_badge(log_in: LogIn) -> None:
    queue_job(band=make_band())
    attempt = claim()
    SyncJob.objects.filter(pk=attempt.job_id).update(progress_done=5, progress_total=10)
    page = log_in(Role.ADMIN).go(JOBS)
    for width in (360, 768, 1440):
        _at(page, width)
        badge, meter = (page.locator(f"#row-{attempt.job_id} {each}").bounding_box() for each in (".badge", ".meter"))
        assert badge
        assert meter
        assert meter["y"] - badge["y"] - badge["height"] >= 4, width


def test_the_buttons_of_an_error_are_on_one_line_and_end_where_the_title_begins(log_in: LogIn) -> None:
    failed_job("It broke.")
    page = _at(log_in(Role.ADMIN).go(ERRORS), 1440)
    buttons = page.locator("#part-groups tbody .actions a")
    boxes = buttons.evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().toJSON())")
    assert len(boxes) == 3
    assert len({box["top"] for box in boxes}) == 1
    card = page.locator("#part-groups").evaluate("(each) => each.getBoundingClientRect().toJSON()")
    title = page.locator("#groups-title").evaluate("(each) => each.getBoundingClientRect().toJSON()")
    assert card["right"] - boxes[-1]["right"] == pytest.approx(title["left"] - card["left"], abs=1)
    inset = "(each) => each.getBoundingClientRect().left"
    heads = [_at(page, 360).locator(each).first.evaluate(inset) for each in ("#groups-title", "#part-groups tbody a")]
    assert heads[0] == heads[1]
    # The last card of a phone has the edge of the list below it, and no line of its own.
    last = _at(page, 360).locator("#part-groups tbody tr").last
    assert last.evaluate("(each) => getComputedStyle(each).borderBottomWidth") == "0px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_placeholders_can_be_read(log_in: LogIn, scheme: str) -> None:
    page = log_in(Role.ADMIN, color_scheme=scheme).go(JOBS)
    assert page.get_by_role("searchbox").evaluate(CONTRAST) >= 4.5


def test_all_of_a_proposed_secret_can_be_seen_on_a_phone(log_in: LogIn) -> None:
    page = _at(log_in(Role.ADMIN).go("/admin/syncjobs/alertchannel/add/"), 360)
    secret = page.get_by_label("Secret of a webhook")
    expect(secret).to_have_value(re.compile(r"^[\w-]{43}$"))
    assert secret.evaluate(FITS)
    secret.fill("AB-" + "M" * 18 + "-" + "m" * 21)
    assert secret.evaluate(FITS)


@pytest.mark.parametrize("width", [360, 768, 1024, 1440])
def test_the_icon_of_a_message_is_beside_its_text(log_in: LogIn, width: int) -> None:
    page = _at(log_in(Role.ADMIN).go("/admin/syncjobs/alert/acknowledge/"), width)
    style = page.locator(".messagelist li").evaluate(
        "(each) => [getComputedStyle(each).backgroundPositionX, getComputedStyle(each).paddingLeft]"
    )
    left, text = (float(each.removesuffix("px")) for each in style)
    assert left + 16 < text


def test_a_badge_among_facts_is_on_the_line_of_its_label(log_in: LogIn) -> None:
    alert = make_alert()
    page = log_in(Role.ADMIN).go(f"/admin/syncjobs/alert/{alert.pk}/change/")
    middle = """(each) => {
        const text = document.createRange();
        text.selectNodeContents(each);
        const box = text.getBoundingClientRect();
        return box.top + box.height / 2;
    }"""
    label, badge = (page.locator(each).first.evaluate(middle) for each in (".kv dt", ".kv dd .badge"))
    assert badge == pytest.approx(label, abs=1.5)


@pytest.mark.parametrize("width", [768, 1024])
def test_the_last_column_that_a_tablet_shows_ends_where_the_title_would(log_in: LogIn, width: int) -> None:
    Video.objects.create(band=make_band(), youtube_id="a" * 11, title="Halftime", published_at=timezone.now())
    page = _at(log_in(Role.ADMIN).go("/admin/bands/video/"), width)
    cells = page.locator("tbody tr").first.locator("td:not(.optional)")
    assert cells.last.evaluate("(each) => getComputedStyle(each).paddingRight") == "16px"


def test_an_alert_has_room_for_its_state_and_its_buttons(log_in: LogIn) -> None:
    make_alert()
    page = log_in(Role.ADMIN).go("/admin/syncjobs/alert/")
    row = page.locator(".alert-table tbody tr").first
    badge, button = row.locator(".badge", has_text="Needs attention"), row.locator(".actions a").first
    button.evaluate("(each) => { each.textContent = 'See the suggested channel'; }")
    for width in (360, 641, 768):
        box = _at(page, width).locator(".table-wrap").evaluate(FITS_ACROSS) and badge.bounding_box()
        assert box, width
        assert box["height"] < 30, width


def test_raw_data_is_shown_as_cards_on_a_phone(log_in: LogIn) -> None:
    failed_job("The playlist identified with PL1 cannot be found.")
    page = log_in(Role.SUPER_ADMIN).go("/admin/syncjobs/attempt/")
    results = page.locator(".results")
    assert (
        _at(page, 360).locator("#result_list td").first.evaluate("(e) => getComputedStyle(e, '::before').content")
        == '"ID"'
    )
    assert results.evaluate("(each) => each.scrollWidth <= each.clientWidth")
    for width in (768, 1024, 1440):
        assert _at(page, width).locator(".results").evaluate(FITS_ACROSS), width
    lines = "(all) => all.map((each) => each.getClientRects().length)"
    for width in (360, 768, 1024):
        assert set(_at(page, width).locator("#result_list time").evaluate_all(lines)) == {1}, width
