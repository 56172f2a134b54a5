"""Live updates of pages, with a real worker and a simulated YouTube."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.db.models.functions import Now
from playwright.sync_api import Page, Request, expect

from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobStatus, QueueName, Role, Severity
from syncjobs.engine import broker, outcomes
from syncjobs.models import Alert, Queue, SyncJob
from syncjobs.operations import alerts, bands, queues, schedules, triggers
from syncjobs.operations import jobs as job_operations
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, claim, make_alert, make_band, queue_job, wait_for
from tests.processes import Workers

from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

# Records every status and progress that the job's page shows.
_WATCH = """() => {
    window.mark = true; window.seen = [];
    const look = () => {
        const badge = document.querySelector("#job-facts .badge"), bar = document.querySelector("#job-facts progress[value]");
        const now = `${badge?.textContent.trim()}|${bar ? bar.value : ""}`;
        if (window.seen.at(-1) !== now) window.seen.push(now);
    };
    look();
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def test_a_job_is_followed_from_trigger_to_end_without_a_reload(
    log_in: LogIn, worker: Workers, youtube: Simulator
) -> None:
    band, _ = band_with_videos(youtube.world, 600)
    youtube.faults.latency = 0.15
    queues.pause_queue(PERSON, QueueName.VIDEO_SYNC)
    page = log_in(Role.MODERATOR).go(f"/admin/syncjobs/syncjob/add/?band={band.pk}")
    page.get_by_label("Full sync").check()
    page.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile(r"/admin/syncjobs/syncjob/\d+/change/$"))
    expect(page.locator("#job-facts .badge").first).to_have_text("Queued")
    page.evaluate(_WATCH)
    queues.resume_queue(PERSON, QueueName.VIDEO_SYNC)
    expect(page.locator("#job-facts .badge").first).to_have_text("Completed", timeout=60_000)
    assert page.evaluate("window.mark"), "the page was loaded again"
    states = [seen.split("|")[0] for seen in page.evaluate("window.seen")]
    assert list(dict.fromkeys(states)) == ["Queued", "In progress", "Completed"]
    shown = [float(value) for value in (seen.split("|")[1] for seen in page.evaluate("window.seen")) if value]
    assert shown == sorted(shown)
    assert len(set(shown)) >= 4, shown


def _card(page: Page, label: str) -> Any:
    return page.locator("#part-queues .card", has=page.get_by_role("heading", name=label))


def test_a_pause_appears_on_other_pages_and_stops_the_worker(
    log_in: LogIn, worker: Workers, youtube: Simulator
) -> None:
    band, _ = band_with_videos(youtube.world, 3)
    admin, other = (log_in(role).go("/admin/") for role in (Role.ADMIN, Role.MODERATOR))
    expect(_card(other, "Video sync")).to_contain_text("Active")
    expect(_card(other, "Video sync").get_by_role("link", name="Pause")).to_have_count(0)
    _card(admin, "Video sync").get_by_role("link", name="Pause").click()
    admin.get_by_role("dialog").get_by_label("Reason").fill("tidying")
    admin.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(admin.get_by_role("dialog")).to_have_count(0)
    expect(admin.locator(".toast")).to_contain_text("paused", ignore_case=True)
    expect(_card(other, "Video sync")).to_contain_text("tidying")
    job = triggers.trigger_sync(PERSON, band, full=True).job
    expect(_card(other, "Video sync").locator("dd").first).to_have_text("1")
    # Wake-ups have no effect: the worker consumes each and starts nothing.
    for _ in range(5):
        broker.notify(QueueName.VIDEO_SYNC)
    wait_for(lambda: broker.pending_wake_ups(QueueName.VIDEO_SYNC) == 0)
    job.refresh_from_db()
    assert (job.status, job.attempts_made) == (JobStatus.QUEUED, 0)
    _card(admin, "Video sync").get_by_role("link", name="Resume").click()
    admin.get_by_role("dialog").get_by_role("button", name="Resume").click()
    wait_for(lambda: SyncJob.objects.filter(pk=job.pk, status=JobStatus.COMPLETED).exists())
    expect(_card(other, "Video sync")).to_contain_text("Active")
    expect(_card(other, "Video sync").locator("dd").first).to_have_text("0")


# Collects how far the page moves without the visitor, as Cumulative Layout Shift counts it.
_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => shifts.push(...list.getEntries().filter((entry) => !entry.hadRecentInput)))
    .observe({ type: "layout-shift", buffered: true });"""
_MOVED = """shifts.map((entry) => [entry.value, ...entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 120))])"""


def test_the_dashboard_does_not_move_while_it_loads(log_in: LogIn) -> None:
    """Times become local ones, and slow parts take the place that is theirs from the start."""
    for number in range(4):
        band = make_band(f"band{number}", f"@band{number}")
        make_alert(
            Rule.BAND_PAUSED, str(band.pk), subject_type="band", facts={"since": "2026-11-01T12:00:00Z", "by": "x"}
        )
        queue_job()
    outcomes.fail(claim(), "A band without a name" * 5, reason="broken")
    claim()
    visitor = log_in(Role.ADMIN)
    visitor.page.add_init_script(_SHIFTS)
    visitor.page.route("**/admin/events*", lambda route: route.abort())  # Nothing happens meanwhile.
    for width, height in ((360, 780), (1440, 1600)):
        visitor.page.set_viewport_size({"width": width, "height": height})
        page = visitor.go("/admin/")
        expect(page.locator("[aria-busy]")).to_have_count(0)
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        moved = page.evaluate(_MOVED)
        assert sum(value for value, *_nodes in moved) <= 0.02, (width, moved)
        # A phone has the charts folded, and loads what draws them once they are opened.
        if width == 360:
            assert page.evaluate("!window.Chart")
            page.locator("#charts-fold summary").first.click()
        page.wait_for_function("() => window.Chart?.getChart(document.querySelector('#part-charts canvas'))")


def test_an_update_does_not_disturb_the_user(log_in: LogIn) -> None:
    jobs = [queue_job("PRUNE") for _ in range(30)]  # type: ignore[arg-type]
    page = log_in(Role.MODERATOR, viewport={"width": 1200, "height": 500}).go("/admin/syncjobs/syncjob/?limit=50")
    first, last = jobs[0].pk, jobs[-1].pk
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    page.locator(f"#row-{first} [data-select]").check()
    page.locator(f"#row-{first}").scroll_into_view_if_needed()
    top = page.locator(f"#row-{first}").bounding_box()
    assert top is not None
    assert claim("maintenance").job_id == first
    expect(page.locator(f"#row-{first} .badge")).to_have_text("In progress")
    queue_job("PRUNE")  # type: ignore[arg-type]
    expect(page.locator("#job-rows a.pill")).to_be_visible()
    expect(page.locator(f"#row-{first} [data-select]")).to_be_checked()
    expect(page.locator("[data-selected-count]").first).to_have_text("1")
    rows = page.locator("#job-rows tbody tr")
    assert rows.count() == 30
    assert rows.first.get_attribute("id") == f"row-{last}"
    now = page.locator(f"#row-{first}").bounding_box()
    assert now is not None
    # The pill is above the rows, and its space is reserved from the start.
    assert abs(now["y"] - top["y"]) < 1
    page.locator(f"#row-{last} [data-key=open]").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"#{last}")
    job_operations.cancel_job(PERSON, last)
    expect(page.get_by_role("dialog").locator(".badge").first).to_have_text("Cancelled")
    assert page.url.endswith(f"#job-{last}")


class Requests:
    """The requests of a page whose address has this part, and how many of them have ended."""

    def __init__(self, page: Page, part: str) -> None:
        self.page, self.sent, self.ended = page, 0, 0
        self._is_sought = lambda request: part in request.url
        page.on("request", self._on_sent)
        for event in ("requestfinished", "requestfailed"):
            page.on(event, self._on_ended)

    def _on_sent(self, request: Request) -> None:
        self.sent += self._is_sought(request)

    def _on_ended(self, request: Request) -> None:
        self.ended += self._is_sought(request)

    def wait(self, number: int = 0) -> None:
        """Wait until this number of requests has been sent, and all have ended."""
        deadline = time.monotonic() + 20
        while (self.sent < number or self.ended < self.sent) and time.monotonic() < deadline:
            self.page.evaluate("1")  # Lets the browser's events arrive.


def _hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def _expect_requests(requests: Requests, *, seconds: int, count: int) -> None:
    """Advance the page's clock, which stands still otherwise, and expect this number of requests.

    None is under way when the next is due, however slow the machine is: the page would leave that one out.
    """
    expected = requests.sent + count
    for _ in range(seconds):
        requests.page.clock.run_for(1000)
        requests.wait()
    requests.wait(expected)
    requests.page.wait_for_load_state("networkidle")
    assert requests.sent == expected


def test_a_page_follows_what_no_event_reports(log_in: LogIn) -> None:
    band = make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go(f"/admin/bands/band/{band.pk}/change/")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    page.locator("#band-region").evaluate("region => { region.dataset.poll = 1; }")
    bands.change(PERSON, band.pk, {"youtube_channel": "@newherons"})
    expect(page.locator("#band-region").get_by_role("region", name="New channel, not synced yet")).to_be_visible()


def test_without_a_stream_the_page_polls_every_30_seconds_while_it_is_visible_and_a_job_active(log_in: LogIn) -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    visitor = log_in(Role.MODERATOR)
    visitor.context.route("**/admin/events*", lambda route: route.abort())
    # When something stops answering, the page refreshes the rows as well.
    visitor.context.route("**/admin/health/*", lambda route: route.fulfill(status=204))
    page = visitor.page
    page.clock.install(time=0)
    visitor.go("/admin/syncjobs/syncjob/")
    asked = Requests(page, "/admin/syncjobs/syncjob/rows/")
    # However long the page took to load, it polls now, shows what has changed, and then stands still.
    page.clock.pause_at(600)
    page.clock.run_for(2000)
    asked.wait(1)
    page.wait_for_load_state("networkidle")
    assert asked.sent == 1

    _expect_requests(asked, seconds=95, count=3)
    _hide(page, True)
    _expect_requests(asked, seconds=95, count=0)
    _hide(page, False)
    _expect_requests(asked, seconds=5, count=1)
    job_operations.cancel_job(PERSON, job.pk)
    _expect_requests(asked, seconds=35, count=1)
    expect(page.locator(f"#row-{job.pk} .badge")).to_have_text("Cancelled")
    _expect_requests(asked, seconds=95, count=0)
    dashboard = Requests(page, "part=queues")
    visitor.go("/admin/")
    _expect_requests(dashboard, seconds=35, count=3)


def test_an_action_that_came_too_late_shows_a_message(log_in: LogIn) -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    visitor = log_in(Role.MODERATOR)
    page = visitor.go("/admin/syncjobs/syncjob/")
    page.locator(f"#row-{job.pk}").get_by_role("link", name="Cancel").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_visible()
    outcomes.complete(claim("maintenance"))
    dialog.locator("button[type=submit]").click()
    expect(page.locator(".toast-error")).to_contain_text("already ended")
    assert Queue.objects.count() == 3


def test_the_page_shows_new_alerts_and_that_the_server_is_unreachable(log_in: LogIn) -> None:
    visitor = log_in(Role.MODERATOR)
    page = visitor.go("/admin/syncjobs/syncjob/")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    title, count = page.title(), page.locator("#alert-count")
    expect(count).to_be_hidden()
    make_alert()
    critical = make_alert(subject_id="w@b", severity=Severity.CRITICAL)
    expect(page).to_have_title(f"(2) {title}", timeout=20_000)
    expect(count).to_have_text("2")
    expect(count).to_have_attribute("data-critical", "")
    Alert.objects.filter(pk=critical.pk).update(resolved_at=Now(), changed_at=Now())
    expect(page).to_have_title(f"(1) {title}", timeout=20_000)
    expect(count).not_to_have_attribute("data-critical", "")
    alerts.acknowledge(PERSON, [Alert.objects.unresolved().get().pk])
    expect(page).to_have_title(title, timeout=20_000)
    expect(count).to_be_hidden()
    visitor.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('changed'))")
    expect(page.locator("#live-state")).to_have_attribute("data-state", "lost")
    visitor.context.set_offline(False)
    expect(page.locator("#live-state")).not_to_have_attribute("data-state", "lost", timeout=20_000)


def test_what_an_action_did_is_not_said_beside_what_the_next_one_did(log_in: LogIn) -> None:
    band = make_band("herons", "@herons")
    page = log_in(Role.MODERATOR).go(f"/admin/syncjobs/syncjob/add/?band={band.pk}")
    page.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile(r"/admin/syncjobs/syncjob/\d+/change/$"))
    expect(page.locator(".messagelist")).to_contain_text("is queued")
    page.get_by_role("link", name="Cancel", exact=True).first.click()
    page.locator("dialog form button[type=submit]").click()
    expect(page.locator(".messagelist")).to_have_count(0)


def test_a_countdown_that_has_ended_says_so_until_the_next_refresh(log_in: LogIn) -> None:
    make_band("herons", "@herons")
    interval = {"every": 2, "period": "hours"}
    schedules.save(PERSON, None, {"name": "All", "job_type": "FULL_SYNC", "enabled": True, "interval": interval})
    page = log_in(Role.MODERATOR).go("/admin/")
    line = page.locator("#part-ahead .upcoming .nowrap").first
    expect(line).to_have_text(re.compile(r"^in \d"))
    line.locator("time").evaluate("time => { time.dateTime = new Date(Date.now() - 5000).toISOString(); }")
    expect(line).to_have_text(re.compile("due now$"))
    expect(line.locator(".in-word")).to_be_hidden()
    page.locator("#part-ahead").evaluate("region => { region.dataset.poll = 1; }")
    expect(line).to_have_text(re.compile(r"^in \d"))
