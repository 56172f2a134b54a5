"""The trigger form and refusals in a browser: what is outdated is marked, what is refused can be forced, times are local."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from syncjobs.choices import Role
from syncjobs.engine import outcomes, quota
from syncjobs.exceptions import QuotaExhausted
from syncjobs.models import SyncJob
from syncjobs.youtube.costs import Bucket
from tests.factories import claim, failed_job, make_band, queue_job

from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")
GAPS = """() => {
    const table = document.querySelector(".job-table"), range = document.createRange();
    const box = (cell) => { range.selectNodeContents(cell.querySelector("time, .clamp") ?? cell); return range.getBoundingClientRect(); };
    const between = (row) => [...row.cells].slice(1, -1).map(box).flatMap((each, i, all) => i ? [each.left - all[i - 1].right] : []);
    return [...table.rows].flatMap(between).concat(table.parentElement.clientWidth - table.scrollWidth + 6);
}"""
"""The pixels between the texts of neighboring cells; the last is less than 6 if the table is wider than its place."""


def test_an_estimate_that_fails_is_marked_and_can_be_tried_again(log_in: LogIn) -> None:
    make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/add/")
    failed, trigger = page.locator("[data-estimate-failed]"), page.get_by_role("button", name="Trigger", exact=True)
    expect(failed).to_be_hidden()
    page.route("**/syncjob/add/?*", lambda route: route.abort())
    page.get_by_label("Full sync").check()
    expect(failed).to_be_visible()
    expect(page.locator("#estimate")).to_have_class(re.compile("is-outdated"))
    expect(trigger).to_be_enabled()
    page.unroute("**/syncjob/add/?*")
    page.get_by_role("button", name="Try again").click()
    expect(failed).to_be_hidden()
    expect(page.locator("#estimate")).not_to_have_class(re.compile("is-outdated"))
    page.get_by_label("Selected bands").check()
    expect(page.locator("#estimate")).to_contain_text("Select a band")
    expect(trigger).to_be_disabled()
    page.get_by_label("All active bands").check()
    expect(trigger).to_be_enabled()


def test_a_band_that_is_typed_can_be_triggered_without_leaving_the_field(log_in: LogIn) -> None:
    band = make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.get_by_role("link", name="Trigger sync").click()
    page.get_by_label("Selected bands").check()
    trigger = page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True)
    expect(trigger).to_be_disabled()
    for width, height in ((360, 480), (1280, 420)):
        page.set_viewport_size({"width": width, "height": height})
        expect(trigger).to_be_in_viewport(ratio=1)  # The dialog is higher than the window.
    page.get_by_label("Add band").press_sequentially("Herons")
    trigger.click()
    page.wait_for_url(re.compile(r"/admin/syncjobs/syncjob/\d+/change/$"))
    assert SyncJob.objects.get().band_id == band.pk


def test_a_dialog_whose_server_does_not_answer_offers_to_try_again(log_in: LogIn) -> None:
    make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    link, dialog = page.get_by_role("link", name="Trigger sync"), page.locator("dialog[open]")
    page.route("**/syncjob/add/", lambda route: None)
    link.click()
    expect(dialog).to_contain_text("Loading…")
    expect(dialog).to_have_count(0, timeout=20_000)
    toast = page.locator(".toast-error")
    expect(toast).to_contain_text("reach the server")
    page.unroute("**/syncjob/add/")
    toast.get_by_role("link", name="Try again").click()
    expect(dialog.get_by_role("button", name="Trigger", exact=True)).to_be_enabled()


def test_a_request_that_is_refused_before_its_view_says_why(log_in: LogIn) -> None:
    make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.get_by_role("link", name="Trigger sync").click()
    trigger = page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True)
    expect(trigger).to_be_enabled()
    page.evaluate("document.querySelector('#priority option').value = 'x'.repeat(70000)")
    trigger.click()
    expect(page.locator(".toast-error")).to_contain_text("larger than 64 kB")


def test_the_timeline_names_local_times(log_in: LogIn) -> None:
    # Not today, whose times have seconds.
    until = timezone.now().replace(hour=8, minute=0, second=0, microsecond=0) + dt.timedelta(days=2)
    job = queue_job()
    error = QuotaExhausted(Bucket.MAIN, until, retry_at=until)
    outcomes.delay(claim(), until, quota.DELAY_REASONS[Bucket.MAIN], error.message)
    page = log_in(Role.MODERATOR, timezone_id="Asia/Tokyo").go(f"/admin/syncjobs/syncjob/{job.pk}/change/")
    for part in (page.locator(".timeline"), page.locator("#job-facts .pre")):
        expect(part).to_contain_text("It resets at")
        expect(part).to_contain_text("5:00 PM")
        expect(part).not_to_contain_text("UTC")


def test_a_refusal_names_local_times_and_can_be_forced(log_in: LogIn) -> None:
    synced_at = timezone.now().replace(microsecond=0)
    band = make_band("herons", "@herons", last_incremental_sync_at=synced_at)
    page = log_in(Role.MODERATOR, timezone_id="Asia/Tokyo").go(f"/admin/bands/band/{band.pk}/change/")
    page.get_by_role("button", name="Sync now").click()
    toast = page.locator(".toast-error")
    expect(toast).to_contain_text(f"{synced_at.astimezone(TOKYO):%I:%M:%S}".lstrip("0"))
    expect(toast).not_to_contain_text("UTC")
    toast.get_by_role("link", name="Sync anyway").click()
    page.get_by_role("dialog").get_by_role("button", name="Sync anyway").click()
    expect(page.locator(".toast-success")).to_contain_text("is queued")
    assert SyncJob.objects.get().params["force"] is True


def test_no_column_of_the_list_runs_into_the_next(log_in: LogIn) -> None:
    job = failed_job("The playlist cannot be found")
    created = timezone.now().replace(hour=12, minute=49) - dt.timedelta(days=4)
    figures = {"videos_found": 12_345, "videos_added": 12_345, "videos_updated": 12_345}
    SyncJob.objects.filter(pk=job.pk).update(created_at=created, completed_at=timezone.now(), **figures)
    page = log_in(Role.SUPER_ADMIN).go("/admin/syncjobs/syncjob/")
    for width in (1280, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        gaps = page.evaluate(GAPS)
        assert len(gaps) == 2 * 7 + 1
        assert min(gaps) >= 6, (width, gaps)


def test_today_is_the_day_of_the_reader(log_in: LogIn) -> None:
    visitor = log_in(Role.MODERATOR, timezone_id="Pacific/Kiritimati")
    visitor.go("/admin/")  # The first page notes the time zone.
    page = visitor.go("/admin/syncjobs/syncjob/")
    today = timezone.now().astimezone(zoneinfo.ZoneInfo("Pacific/Kiritimati")).date()
    days = {f"{today + dt.timedelta(days)}" for days in (0, 1)}  # Midnight may pass meanwhile.
    link = page.locator("a.chip", has_text="Today").get_attribute("href") or ""
    assert any(f"start_date={day}" in link for day in days), link
