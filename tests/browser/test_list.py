"""The list of jobs in a browser: filters, addresses, pages, modals, keys, and use without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect

from syncjobs.choices import JobStatus, Role
from syncjobs.engine import outcomes, quota
from syncjobs.models import SyncJob
from syncjobs.youtube.costs import Operation
from tests.factories import claim, make_band, queue_job, wait_for

from . import saved_world, world
from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]


def _failed(count: int) -> list[int]:
    jobs = []
    for _ in range(count):
        jobs.append(queue_job("PRUNE").pk)  # type: ignore[arg-type]
        outcomes.fail(claim("maintenance"), "It broke.", reason="broken")
    return jobs


def test_filters_are_in_the_address_and_back_restores_them(log_in: LogIn) -> None:
    _failed(2)
    queue_job("PRUNE")  # type: ignore[arg-type]
    visitor = log_in(Role.MODERATOR)
    page = visitor.go("/admin/syncjobs/syncjob/")
    page.evaluate("window.isSamePage = true")
    rows = page.locator("#job-rows tbody tr")
    expect(rows).to_have_count(3)
    failed = page.locator("#list").get_by_role("link", name=re.compile("^Failed"))
    failed.click()
    page.wait_for_url("**/admin/syncjobs/syncjob/?status=FAILED")
    expect(rows).to_have_count(2)
    expect(failed).to_be_focused()
    expect(failed).to_have_text("Failed 2")
    expect(page.locator("#chip-status-WAITING")).to_have_text("Queued 1")
    page.locator(".more-filters summary").click()
    expect(page.get_by_role("link", name=re.compile("^Today"))).to_have_text("Today 2")
    queue_job("SINGLE_VIDEO")  # type: ignore[arg-type] - the counts are live
    expect(page.locator("#chip-status-WAITING")).to_have_text("Queued 2")
    expect(page.locator("#chip-job_type-SINGLE_VIDEO")).to_have_text("Single video 0")  # none of them has failed
    expect(page.locator("#chip-has_errors")).to_have_text("With errors 2")
    expect(page.locator("#announcement")).to_have_text("2 jobs")
    assert "status=FAILED" in str(page.locator("#page-tools a").first.get_attribute("href"))
    page.get_by_role("searchbox").fill("no such")
    expect(page.locator("#job-rows")).to_contain_text("No matching jobs")
    page.get_by_role("searchbox").fill("no such thing")
    page.wait_for_url("**/?status=FAILED&search=no+such+thing")
    page.get_by_role("searchbox").press("Enter")
    page.go_back()  # What was typed is one step.
    expect(rows).to_have_count(2, timeout=15_000)
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.go_back()
    expect(rows).to_have_count(4)
    page.go_forward()
    expect(rows).to_have_count(2)
    assert page.evaluate("window.isSamePage") is True
    copied = visitor.context.new_page()
    copied.goto(f"{visitor.base}/admin/syncjobs/syncjob/?status=QUEUED&sort_by=started_at&sort_order=asc")
    expect(copied.locator("#job-rows tbody tr")).to_have_count(2)
    expect(copied.locator("th[aria-sort=ascending]")).to_have_text("Started")


def test_every_page_of_the_list_can_be_reached(log_in: LogIn) -> None:
    jobs = _failed(45)
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    seen: list[str] = []
    for number in (1, 2, 3):
        seen += [str(row.get_attribute("id")) for row in page.locator("#job-rows tbody tr").all()]
        following = page.get_by_role("link", name="Next")
        assert following.count() == (number < 3)
        if number < 3:
            following.click()
            page.wait_for_url(re.compile(rf"page={number + 1}"))
    assert seen == [f"row-{pk}" for pk in reversed(jobs)]
    page.get_by_label("Page", exact=True).fill("2")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url(re.compile("page=2"))
    expect(page.locator("#job-rows tbody tr")).to_have_count(20)
    # On a phone, the pages are in reach from the first row on, and cover neither the row in focus nor the actions.
    page.set_viewport_size({"width": 360, "height": 640})
    page.evaluate("scrollTo(0, 0)")
    pager = page.locator(".pages-card nav")
    expect(pager).to_be_in_viewport(ratio=1)
    expect(pager).to_contain_text("2 of 3")
    page.locator("#job-rows tbody tr").nth(12).locator("[data-select]").check()
    bar, pages = page.locator(".selection-bar[data-when-selected]").bounding_box(), pager.bounding_box()
    assert bar is not None
    assert pages is not None
    assert bar["y"] + bar["height"] <= pages["y"] + 1
    pager.get_by_role("link", name="Last").click()
    page.wait_for_url(re.compile("page=3"))
    expect(page.locator("#job-rows tbody tr")).to_have_count(5)
    expect(page.locator("#job-rows tbody tr").first).to_be_in_viewport()


def test_a_modal_opens_and_closes_by_mouse_key_and_link(log_in: LogIn) -> None:
    older, job = _failed(2)
    visitor = log_in(Role.MODERATOR)
    page = visitor.go("/admin/syncjobs/syncjob/?status=FAILED")
    dialog = page.get_by_role("dialog")
    opener = page.locator(f"#row-{job} [data-key=open]")
    opener.click()
    expect(dialog).to_contain_text("It broke.")
    assert page.url.endswith(f"#job-{job}")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    wait_for(lambda: page.evaluate("location.hash") == "")
    expect(opener).to_be_focused()
    opener.press("Enter")
    expect(dialog).to_contain_text("It broke.")
    # The next job takes the address of the one before, so that Escape leaves both.
    page.keyboard.press("j")
    expect(dialog.get_by_role("heading", name=f"#{older}")).to_be_visible()
    assert page.url.endswith(f"?status=FAILED#job-{older}")
    expect(dialog.get_by_role("link", name="Next")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    wait_for(lambda: page.evaluate("location.hash") == "")
    opener.click()
    expect(dialog).to_contain_text("It broke.")
    page.go_back()
    expect(dialog).to_have_count(0)
    page.go_forward()
    expect(dialog).to_contain_text("It broke.")
    linked = visitor.context.new_page()
    linked.goto(f"{visitor.base}/admin/syncjobs/syncjob/?status=FAILED#job-{job}")
    expect(linked.get_by_role("dialog")).to_contain_text("It broke.")
    linked.keyboard.press("j")
    expect(linked.get_by_role("dialog").get_by_role("heading", name=f"#{older}")).to_be_visible()


def test_the_list_works_with_the_keyboard_alone(log_in: LogIn) -> None:
    running = queue_job("SINGLE_VIDEO").pk  # type: ignore[arg-type]
    claim("video-processing")
    first, second = _failed(2)
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Next and previous row")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.get_by_role("searchbox").blur()
    page.keyboard.press("j")
    expect(page.locator(f"#row-{second}")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator(f"#row-{first}")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"#{second}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#look").press("Enter")
    expect(page.get_by_role("dialog").locator("form[method=post] input:not([type=hidden])").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator(f"#row-{second}").focus()
    page.keyboard.press("r")
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.locator(".toast")).to_be_visible()
    assert SyncJob.objects.get(retry_of=second).status == JobStatus.QUEUED
    # The button disappears after its action; the focus stays in the row.
    cancel = page.get_by_role("link", name=f"Cancel #{running}")
    cancel.press("Enter")
    page.get_by_role("dialog").locator("form button[type=submit]").press("Enter")
    expect(cancel).to_have_count(0)
    expect(page.locator(f"#row-{running}")).to_be_focused()


def test_a_dialog_that_closes_leaves_alone_what_was_done_meanwhile(log_in: LogIn) -> None:
    first, second = _failed(2)
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    dialog = page.get_by_role("dialog")
    open_first = page.locator(f"#row-{first} [data-key=open]")
    open_first.click()
    expect(dialog).to_contain_text(f"#{first}")
    # The browser sends the event after the dialog has ended.
    page.evaluate("""() => new Promise((resolve) => {
        const dialog = document.getElementById("dialog");
        dialog.addEventListener("close", resolve, { once: true });
        dialog.close();
        document.getElementById("look").focus();
    })""")
    expect(page.locator("#look")).to_be_focused()
    page.wait_for_url("**/admin/syncjobs/syncjob/")
    # The way back from its address ends after another one has been opened.
    open_first.click()
    expect(dialog).to_contain_text(f"#{first}")
    page.evaluate(
        """(row) => {
            const dialog = document.getElementById("dialog");
            dialog.addEventListener("close", () => document.querySelector(`#${row} [data-key=open]`).click(), { once: true });
            dialog.close();
        }""",
        f"row-{second}",
    )
    page.wait_for_url(f"**/#job-{second}")
    expect(dialog).to_contain_text(f"#{second}")
    page.go_back()
    expect(dialog).to_have_count(0)
    assert page.url.endswith("/admin/syncjobs/syncjob/")


def test_several_jobs_can_be_selected_and_retried(log_in: LogIn) -> None:
    jobs = _failed(3)
    queued = queue_job("PRUNE").pk  # type: ignore[arg-type]
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.locator("[data-select-all]").check()
    expect(page.locator("[data-selected-count]").first).to_have_text("4")
    page.locator(f"#row-{queued} [data-select]").uncheck()
    expect(page.locator(".selection-bar").get_by_role("button", name="Cancel")).to_have_count(
        0
    )  # All of them have ended.
    page.locator(f"#row-{queued} [data-select]").check()
    expect(page.locator(".selection-bar").get_by_role("button", name="Cancel")).to_be_visible()
    held: list[Route] = []
    page.route(
        "**/bulkaction/add/*", lambda route: held.append(route) if route.request.method == "POST" else route.continue_()
    )
    page.locator(".selection-bar").get_by_role("button", name="Retry").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("3")
    question.locator("form button[type=submit]").click()
    expect(question.get_by_role("button", name="Working…")).to_be_disabled()
    held[0].continue_()
    wait_for(lambda: SyncJob.objects.filter(retry_of__in=jobs).count() == 3)
    assert SyncJob.objects.filter(retry_of__in=jobs).values("retry_of").distinct().count() == 3
    assert not SyncJob.objects.filter(retry_of=queued).exists()


def test_rows_are_selected_by_key_and_by_range_and_the_palette_leads_anywhere(log_in: LogIn) -> None:
    jobs = _failed(4)
    band = make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    count = page.locator("[data-selected-count]").first
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(count).to_have_text("1")
    page.locator(f"#row-{jobs[1]} [data-select]").click(modifiers=["Shift"])
    expect(count).to_have_text("3")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(count).to_have_text("2")
    page.locator("#per-page-50").click()
    expect(page.locator("#per-page-50")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#per-page-50")).to_be_focused()
    page.locator("#look").click()
    page.get_by_role("dialog").get_by_label("Errors").uncheck()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("columnheader", name="Errors")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    # The rows of a swapped list are moved through, selected and counted like those that the page came with.
    page.locator("#chip-status-FAILED").click()
    page.wait_for_url(re.compile("status=FAILED"))
    page.locator("[data-select-all]").check()
    page.locator("[data-select-all]").uncheck()
    for key in ("k", "k", "k", "x", "j", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(count).to_have_text("3")
    page.locator(f"#row-{jobs[0]} [data-select]").click(modifiers=["Shift"])
    expect(count).to_have_text("4")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"#{jobs[2]}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    field = page.get_by_role("dialog").get_by_role("searchbox")
    expect(field).to_be_focused()
    field.fill("hero")
    expect(page.locator("#palette-results a")).to_have_count(1)
    # Esc closes it at once, with text in the field too.
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    field.fill("hero")
    expect(page.locator("#palette-results a")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/bands/band/{band.pk}/change/")
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    page.keyboard.type(f"#{jobs[2]}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/syncjobs/syncjob/{jobs[2]}/change/")


def test_the_list_works_without_scripts(log_in: LogIn) -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    (failed,) = _failed(0) or (job.pk,)
    page = log_in(Role.MODERATOR, java_script_enabled=False).go("/admin/syncjobs/syncjob/")
    page.locator(f"#row-{failed} [data-key=open]").click()
    page.wait_for_url(re.compile(rf"/admin/syncjobs/syncjob/{job.pk}/change/\?list=$"))
    page.get_by_role("link", name="Cancel").click()
    page.locator("form button.btn-danger-solid").click()
    expect(page.locator(".messagelist")).to_contain_text(f"#{job.pk}")
    job.refresh_from_db()
    assert job.status == JobStatus.CANCELLED


def test_markup_from_outside_is_escaped(log_in: LogIn) -> None:
    saved_world.fill()
    world.add_markup()
    visitor = log_in(Role.SUPER_ADMIN)
    for path in (
        "/admin/",
        "/admin/syncjobs/syncjob/?limit=100",
        "/admin/syncjobs/errorgroup/",
        "/admin/bands/band/",
        "/admin/bands/video/",
        "/admin/syncjobs/auditentry/",
    ):
        page = visitor.go(path)
        assert page.locator("img[src=x], b:text('bold')").count() == 0, path
    assert visitor.problems == []


def test_a_double_click_opens_a_dialog_once(log_in: LogIn) -> None:
    (job,) = _failed(1)
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.locator(f"#row-{job} [data-key=open]").dblclick()
    expect(page.get_by_role("dialog")).to_contain_text("It broke.")


def test_bands_are_suggested_and_added_to_a_trigger(log_in: LogIn) -> None:
    for slug in ("herons", "great-herons", "owls"):
        make_band(slug, f"@{slug}")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/add/")
    page.get_by_label("Selected bands").check()
    box = page.get_by_label("Add band")
    box.type("her")
    options = page.locator("#add-band-options option")
    expect(options).to_have_count(2)
    expect(options.first).to_have_attribute("value", "Herons")
    for name in ("Herons", "Great-Herons"):
        box.fill(name)
        expect(page.locator(f"#add-band-options option[value='{name}']")).to_have_count(1)
        box.press("Tab")
        expect(page.get_by_label(name, exact=True)).to_be_checked()
        expect(box).to_have_value("")
    expect(page.locator("#estimate dd").first).to_have_text("2")
    page.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile("requested_by"))
    assert sorted(SyncJob.objects.values_list("band_name", flat=True)) == ["Great-Herons", "Herons"]


def test_a_typed_band_filters_the_list(log_in: LogIn) -> None:
    band = make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go("/admin/syncjobs/syncjob/")
    page.locator(".more-filters summary").click()
    page.get_by_label("Band", exact=True).fill("hero")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"band_id={band.pk}"))
    expect(page.get_by_label("Band", exact=True)).to_have_value("Herons")


def test_a_grouping_of_the_quota_is_in_the_address(log_in: LogIn) -> None:
    band = make_band("herons")
    quota.reserve(Operation.VIDEOS_LIST, quota.Spender(is_personal=True, job_type="FULL_SYNC", band_id=band.pk))
    visitor = log_in(Role.MODERATOR, timezone_id="Europe/Madrid")
    page = visitor.go("/admin/quota/")
    page.evaluate("window.isSamePage = true")
    expect(page.locator(".page-head")).to_contain_text(
        re.compile(r"midnight Pacific time, which is (9|8):00.AM for you")
    )
    page.locator("#list").get_by_role("link", name="Band", exact=True).click()
    page.wait_for_url("**/admin/quota/?by=band")
    expect(page.locator(".usage-table tbody tr")).to_have_text(re.compile("Herons"))
    page.go_back()
    expect(page.locator(".usage-table tbody tr")).to_have_text(re.compile("Full sync"))
    assert page.evaluate("window.isSamePage") is True
    assert visitor.problems == []
