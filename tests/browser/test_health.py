"""Open pages show within 30 seconds that workers, the server or YouTube stopped answering, and that they are back."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from syncjobs.choices import JobStatus, Role
from syncjobs.models import SyncJob
from syncjobs.operations import triggers
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, wait_for
from tests.processes import Workers

from .conftest import LogIn

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
RED_MS, GREEN_MS = 30_000, 10_000
PATHS = ("/admin/", "/admin/syncjobs/syncjob/", "/admin/syncjobs/worker/")


def _open(log_in: LogIn) -> list[Page]:
    visitor = log_in(Role.MODERATOR)
    pages = [visitor.page, visitor.context.new_page(), visitor.context.new_page()]
    for page, path in zip(pages, PATHS, strict=True):
        page.goto(visitor.base + path)
        expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
    return pages


def _within(milliseconds: int) -> Callable[[], float]:
    """Return a function that gives the milliseconds that are left, so that several pages share one deadline."""
    end = time.monotonic() + milliseconds / 1000
    return lambda: max(1.0, (end - time.monotonic()) * 1000)


@pytest.mark.faults
def test_frozen_workers_turn_three_open_pages_red_and_their_return_green(
    log_in: LogIn, worker: Workers, youtube: Simulator
) -> None:
    band, _ = band_with_videos(youtube.world, 2000)
    youtube.faults.latency = 1.0
    job = triggers.trigger_sync(PERSON, band, full=True).job
    wait_for(lambda: SyncJob.objects.filter(pk=job.pk, status=JobStatus.IN_PROGRESS).exists())
    dashboard, jobs, workers = pages = _open(log_in)
    bad = re.compile("does not respond|has not responded")
    places = "#health .note-bad, #part-attention .attention-line.is-critical"  # The dashboard has the strip of alerts.
    for page in pages:
        expect(page.locator(places)).to_have_count(0)
    row = jobs.locator(f"#row-{job.pk} .badge")
    expect(row).to_have_text("In progress")

    worker.signal("w1", signal.SIGSTOP)
    left = _within(RED_MS)
    for page in pages:
        expect(page.locator(places).filter(has_text=bad)).to_be_visible(timeout=left())
        expect(page.locator("#live-state")).to_have_attribute("data-trouble", "", timeout=left())
    expect(workers.locator("#worker-1 .badge")).to_have_text("Not responding", timeout=left())
    expect(row).to_have_text("Worker not responding", timeout=left())
    expect(dashboard.locator("#queue-video-sync .badge-bad")).to_have_text("No worker", timeout=left())
    expect(dashboard.locator("#queue-video-sync")).to_contain_text("0 workers", timeout=left())

    worker.signal("w1", signal.SIGCONT)
    left = _within(GREEN_MS)
    for page in pages:
        if page is not dashboard:  # An alert is over only after a while.
            expect(page.locator(places).filter(has_text=bad)).to_have_count(0, timeout=left())
    expect(workers.locator("#worker-1 .badge")).to_have_text("Online", timeout=left())
    expect(dashboard.locator("#queue-video-sync .badge-good")).to_have_text("Active", timeout=left())
    youtube.faults.latency = 0.0


def test_a_page_distrusts_a_stream_that_falls_silent(log_in: LogIn) -> None:
    """The connection stays open, as that of a frozen server does, but brings nothing more."""
    visitor = log_in(Role.MODERATOR)
    visitor.context.add_init_script(
        """window.EventSource = class extends EventTarget {
            static CLOSED = 2;
            constructor() { super(); this.readyState = 1; window.source = this; }
            close() { this.readyState = 2; }
        };"""
    )
    page = visitor.page
    page.clock.install()
    visitor.go("/admin/")
    state, stale = page.locator("#live-state"), page.locator("#stale")
    page.evaluate("window.source.dispatchEvent(new MessageEvent('heartbeat', { data: '{}' }))")
    expect(state).to_have_attribute("data-state", "live")
    expect(stale).to_be_hidden()
    page.route("**/admin/?part=*", lambda route: None)  # The requests of the page get no answer either.
    page.route(re.compile("/admin/health/"), lambda route: None)
    page.clock.run_for(24_000)
    expect(state).to_have_attribute("data-state", "lost")
    expect(state).to_contain_text("Disconnected")
    expect(stale).to_be_visible()
    expect(page.locator("html")).to_have_class(re.compile("is-stale"))
    page.evaluate("window.source.dispatchEvent(new MessageEvent('heartbeat', { data: '{}' }))")
    expect(state).to_have_attribute("data-state", "live")
    expect(stale).to_be_hidden()
