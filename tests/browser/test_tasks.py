"""Eight tasks of a moderator's day with the keyboard alone, at 200 % zoom, with reduced motion, as a screen reader tells them."""

from __future__ import annotations

import csv
import datetime as dt
import re
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bands.models import Band, ChannelProblem
from syncjobs.choices import JobStatus, QueueName, Role
from syncjobs.models import Alert, AuditEntry, SyncJob
from syncjobs.operations import triggers
from tests.factories import wait_for

from . import saved_world, world
from .conftest import LogIn
from .keyboard import ZOOMED, Keyboard

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]


def test_the_eight_tasks_need_nothing_but_a_keyboard(log_in: LogIn) -> None:
    saved_world.fill()
    failed = SyncJob.objects.filter(status=JobStatus.FAILED).earliest("pk")
    SyncJob.objects.filter(pk=failed.pk).update(created_at=timezone.now() - dt.timedelta(days=7))
    started = triggers.trigger_sync(world.KIM, None, full=True).job.pk
    visitor = log_in(Role.ADMIN, **ZOOMED)
    keys = Keyboard(visitor.page)
    visitor.go("/admin/")
    with keys.doing("Which bands won't sync, and why?"):
        _find_the_failing_band(keys)
    with keys.doing("Stop the sync that somebody has just started"):
        _stop(keys, started)
    with keys.doing("Make this job run before the others"):
        _move_to_front(keys)
    with keys.doing("Will today's quota last?"):
        _read_the_forecast(keys)
    with keys.doing("Who paused it?"):
        _find_who_paused(keys)
    with keys.doing("Get me the failed jobs of last week as CSV"):
        _export(keys)
    with keys.doing("Fix the band whose channel has moved"):
        _fix_the_channel(keys)
    with keys.doing("Is everything working?"):
        _look_at_alerts_and_workers(keys)
    assert keys.problems == [], "\n".join(keys.problems)
    # htmx complains of the refreshes that end because the page is left.
    assert [problem for problem in visitor.problems if not problem.startswith("htmx:")] == []


def _find_the_failing_band(keys: Keyboard) -> None:
    """By the menu, a filter and the band's page."""
    band = Band.objects.get(channel_problem=ChannelProblem.NOT_FOUND)
    keys.tab_to("button", re.compile("^Menu"))
    keys.press("Enter")
    keys.tab_to("link", re.compile("^Bands"))
    keys.follow("Bands")
    # The link that skips the frame is the first.
    assert keys.move("Tab").name == "Skip to main content"
    keys.press("Enter")
    keys.tab_to("link", re.compile("^Channel problem"))
    keys.press("Enter")
    keys.expect_announced("^1–1 of 1$")
    keys.tab_to("link", band.name)
    keys.follow(band.name)
    expect(keys.page.get_by_role("region", name="Channel not found")).to_contain_text("@NoSuchBandAnywhere")


def _stop(keys: Keyboard, job: int) -> None:
    """In the list, with its keys."""
    keys.go_to("Sync jobs", "Sync jobs")
    keys.press("j")
    opener = keys.expect_focus("row", re.compile(f"#{job}"))
    keys.press("Enter")
    keys.expect_focus("heading", re.compile(f"#{job}"))
    keys.press("Escape")
    keys.expect_focus("row", opener.name)
    keys.tab_to("link", f"Stop this sync #{job}")
    keys.press("Enter")
    keys.expect_focus("heading", re.compile(f"#{job}"))
    keys.tab_to("button", "Stop this sync")
    keys.press("Enter")
    keys.expect_announced(f"#{job}")
    assert SyncJob.objects.get(pk=job).status == JobStatus.CANCELLED
    # Its button is gone; the row is still there.
    keys.expect_focus("row", re.compile(f"#{job}"))


def _move_to_front(keys: Keyboard) -> None:
    """By a chip, a row that is selected, and the actions of the selection."""
    keys.tab_to("link", re.compile(r"^Queued \d+$"), back=True)
    keys.press("Enter")
    keys.expect_announced("job")
    keys.expect_focus("link", re.compile(r"^Queued \d+$"))
    waiting = SyncJob.objects.filter(status=JobStatus.QUEUED, queue=QueueName.VIDEO_SYNC, run_at__lte=timezone.now())
    last = waiting.latest("created_at").pk
    for _ in range(12):
        if f"#{last}" in keys.move("j").name:
            break
    keys.press("x")
    keys.expect_announced("1 selected")
    keys.press("a")
    keys.expect_focus("button", "Cancel")
    keys.tab_to("button", "Move to front")
    keys.press("Enter")
    keys.expect_focus("heading", re.compile("front"))
    keys.tab_to("button", re.compile("front"))
    keys.press("Enter")
    keys.expect_announced("1")
    wait_for(lambda: waiting.order_by("-priority", "run_at").values_list("pk", flat=True).first() == last)
    keys.expect_focus("row", re.compile(f"#{last}"))


def _read_the_forecast(keys: Keyboard) -> None:
    """With the sentence and the figures of the chart."""
    keys.go_to("Quota", "Quota")
    expect(keys.page.get_by_role("article", name="Main quota")).to_contain_text(re.compile("quota will|can't be said"))
    keys.tab_to("DisclosureTriangle", re.compile("^Show as table.*Main quota"))
    keys.press("Enter")
    keys.tab_to("region", "Main quota, Units by hour")
    keys.press("ArrowDown", "End")


def _find_who_paused(keys: Keyboard) -> None:
    """On the dashboard, and with every pause in the audit log."""
    keys.go_to("Dashboard", "Dashboard")
    opener = keys.tab_to("link", re.compile("^Resume"))
    expect(keys.page.get_by_text(re.compile("paused by robin")).first).to_be_visible()
    keys.press("Enter")
    keys.expect_focus("heading", re.compile("^Resume"))
    keys.press("Escape")
    keys.expect_focus("link", opener.name)
    keys.go_to("Audit log", "Audit log")
    keys.press("Tab", "Enter")
    keys.tab_to("DisclosureTriangle", "Filters")
    keys.press("Enter")
    keys.tab_to("combobox", "Action")
    keys.write("Pause")
    keys.tab_to("button", "Apply")
    keys.press("Enter")
    keys.expect_announced(" of ")
    expect(keys.page.get_by_role("row", name=re.compile("database backup"))).to_contain_text("robin")


def _export(keys: Keyboard) -> None:
    """By the palette, a range of dates and the export."""
    keys.go_to("Failed jobs", "Sync jobs")
    keys.press("Tab", "Enter")
    keys.tab_to("DisclosureTriangle", "More filters")
    keys.press("Enter")
    keys.expect_announced("job")
    keys.tab_to("link", re.compile("^Last week"))
    keys.press("Enter")
    keys.expect_announced(r"^\d+ jobs?$")
    keys.tab_to("link", "CSV", back=True)
    download = keys.download()
    with Path(download.path()).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    monday = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    monday -= dt.timedelta(days=monday.weekday())
    week = SyncJob.objects.filter(created_at__lt=monday, created_at__gte=monday - dt.timedelta(days=7))
    expected = week.filter(status=JobStatus.FAILED).values_list("pk", flat=True)
    assert expected
    assert {row[0] for row in rows[1:]} == {str(pk) for pk in expected}


def _fix_the_channel(keys: Keyboard) -> None:
    """On the band's page, by the channel that a moderator has suggested; then sync it."""
    band = Band.objects.get(channel_problem=ChannelProblem.NOT_FOUND)
    keys.go_to(band.name, band.name)
    keys.press("Tab", "Enter")
    keys.tab_to("link", re.compile("^Accept.*@NowElsewhere"))
    keys.press("Enter")
    keys.expect_focus("heading", re.compile("^Accept the channel"))
    keys.tab_to("button", "Accept")
    keys.press("Enter")
    keys.expect_announced("has the channel")
    band.refresh_from_db()
    assert band.channel_problem == ""
    keys.expect_focus("heading", "New channel, not synced yet")
    keys.tab_to("button", "Sync now", back=True)
    keys.press("Enter")
    keys.expect_announced("queued")
    keys.expect_focus("button", "Sync now")
    assert SyncJob.objects.filter(band=band, status=JobStatus.QUEUED).exists()


def _look_at_alerts_and_workers(keys: Keyboard) -> None:
    """By the alerts, of which one is acknowledged, and the workers."""
    keys.go_to("Alerts", "Alerts")
    keys.press("Tab", "Enter")
    keys.press("j")
    keys.expect_focus("row", re.compile("^(Critical|Warning) "))
    keys.tab_to("link", "Acknowledge")
    keys.press("Enter")
    keys.expect_focus("textbox", re.compile("^Note"))
    keys.write("Looking at it")
    keys.tab_to("button", re.compile("^Acknowledge"))
    keys.press("Enter")
    keys.expect_announced("acknowledged")
    assert Alert.objects.filter(note="Looking at it").count() == 1
    keys.expect_focus("link", "Reopen")  # what the same button does now
    keys.go_to("Workers", "Workers")
    expect(keys.page.get_by_role("region", name="celery@north-2")).to_contain_text("Not responding")
    assert AuditEntry.objects.filter(actor_label="admin").count() >= 4
