"""What a job's page explains first: why the job failed or waits, since when, how often, and what helps."""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bands.models import Band
from syncjobs.admin.job_attempts import axis
from syncjobs.choices import AttemptOutcome, DelayReason, JobStatus, JobType, QueueName, Role
from syncjobs.engine import errors, outcomes
from syncjobs.engine.errors import ErrorReport
from syncjobs.models import Attempt, SyncJob, Worker
from syncjobs.operations import jobs, queued_jobs, queues
from tests.clients import DIALOG, PART, logged_in
from tests.factories import PERSON, claim, failed_job, fanned_out, make_band, queue_job

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def _boxes(client: Client, job: SyncJob, headers: dict[str, str] = PART) -> list[str]:
    """Return the text of each box of the job's page, with its look, and its links in angle brackets."""
    page = client.get(f"/admin/syncjobs/syncjob/{job.pk}/change/", headers=headers).content.decode()
    found = re.findall(r'<section class="box (box-\w+)"[^>]*>(.*?)</section>', page, re.DOTALL)
    links = [(look, re.sub(r'<a [^>]*href="([^"]*)"[^>]*>', r" ⟨\1⟩ ", box)) for look, box in found]
    return [" ".join(html.unescape(f"{look} " + re.sub(r"<[^>]*>", " ", box)).split()) for look, box in links]


def _failed_sync(reason: str, message: str, *, permanent: bool = True, slug: str = "herons") -> SyncJob:
    band = make_band(slug, f"@{slug}", channel_id="UC" + "x" * 22)
    job = queue_job(band=band, dedupe_key=slug)
    outcomes.fail(claim(), message, reason=reason, permanent=permanent)
    return SyncJob.objects.get(pk=job.pk)


def test_a_failed_job_begins_with_its_reason_and_with_what_helps() -> None:
    admin, moderator = logged_in(Role.ADMIN), logged_in(Role.MODERATOR)
    for slug in ("larks", "owls"):
        job = _failed_sync("channelNotFound", f"Channel not found: @{slug}", slug=slug)
    error, band = job.job_errors.get(), job.band_id
    for headers in (PART, DIALOG, {}):
        (box,) = _boxes(admin, job, headers)
        assert box.startswith("box-bad Channel not found Failed YouTube has no channel with this ID")
    assert "Channel not found: @owls" in box
    assert "How often 2 jobs · first seen" in box
    assert "What to do: Find the band's channel" in box
    for link in (
        f"⟨/admin/bands/band/{band}/edit/#id_youtube_channel⟩ Change the channel of Owls",
        f"⟨/admin/bands/band/{band}/change/⟩ Open the band",
        f"⟨https://www.youtube.com/channel/UC{'x' * 22}⟩",
        f"⟨/admin/syncjobs/syncjob/{job.pk}/retry/⟩ Retry",
        f"⟨/admin/syncjobs/syncjob/?error={error.group_id}⟩ See all 2 jobs like it",
        f"⟨/admin/syncjobs/errorgroup/{error.group_id}/change/⟩",
    ):
        assert link in box, link
    (box,) = _boxes(moderator, job)
    assert "Ask an admin (ADMIN@example) to do this: Find the band's channel" in box
    assert "/edit/" not in box
    page = admin.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()
    places = [page.index(f'card-title">{title}<') for title in ("Results", "Timeline", "Details")]
    assert page.index('class="box ') < places[0]
    assert places == sorted(places)


def test_a_retry_that_would_be_refused_is_not_offered_and_says_why() -> None:
    moderator = logged_in(Role.MODERATOR)
    job = _failed_sync("timeout", "The connection timed out.", permanent=False)
    address = f"/admin/syncjobs/syncjob/{job.pk}/retry/"

    def offers() -> list[bool]:
        return [
            address in moderator.get(f"/admin/syncjobs/syncjob/{page}").content.decode()
            for page in ("", f"{job.pk}/change/")
        ]

    assert offers() == [True, True]
    Band.objects.update(is_active=False)
    assert "Retry Not possible: Herons is inactive." in _boxes(moderator, job)[0]
    assert offers() == [True, False]
    Band.objects.all().delete()
    assert "Not possible: The band of job" in _boxes(moderator, job)[0]
    assert offers() == [False, False]


def test_an_error_leads_to_its_video_or_playlist() -> None:
    moderator = logged_in(Role.MODERATOR)
    video = queue_job(JobType.SINGLE_VIDEO, params={"video_id": "abcdefghijk"})
    outcomes.fail(claim("video-processing"), "Video not found: abcdefghijk", reason="videoNotFound")
    assert "⟨https://www.youtube.com/watch?v=abcdefghijk⟩ Video on YouTube" in _boxes(moderator, video)[0]
    job = queue_job(band=make_band())
    report = ErrorReport("playlistUnreadable", "The playlist PLx can't be read.", is_permanent=True, item_id="PLx")
    attempt = claim()
    errors.record(attempt, [report])
    outcomes.complete(attempt)
    assert "⟨https://www.youtube.com/playlist?list=PLx⟩ Playlist on YouTube" in _boxes(moderator, job)[0]


def test_a_temporary_error_says_that_nothing_follows_by_itself() -> None:
    job = _failed_sync("backendError", "YouTube answered 503", permanent=False)
    SyncJob.objects.filter(pk=job.pk).update(attempts_made=5)
    (box,) = _boxes(logged_in(Role.MODERATOR), job)
    assert "YouTube is busy" in box
    assert "after 5 attempts · not retried automatically any more" in box
    assert "What to do: Retry the job." in box
    assert "How often Only this job" in box
    assert "jobs like it" not in box


def test_what_another_job_has_done_since_needs_nobody() -> None:
    moderator = logged_in(Role.MODERATOR)
    job = _failed_sync("timeout", "The connection timed out.", permanent=False)
    other = queue_job(band=job.band, dedupe_key=job.dedupe_key)
    jobs.retry_job(PERSON, job.pk)
    SyncJob.objects.filter(pk=other.pk).update(run_at=timezone.now() + dt.timedelta(hours=1))
    (box,) = _boxes(moderator, job)
    assert f"Covered by ⟨/admin/syncjobs/syncjob/{other.pk}/change/⟩ #{other.pk} Delayed until" in box
    assert box.startswith("box-warn")
    assert f"Nothing for now: job #{other.pk} does this again." in box
    SyncJob.objects.filter(pk=other.pk).update(status=JobStatus.COMPLETED, completed_at=timezone.now())
    (box,) = _boxes(moderator, job)
    assert box.startswith("box-off")
    SyncJob.objects.filter(pk=job.pk).update(covered_by=None)
    again = jobs.retry_job(PERSON, job.pk).job
    (box,) = _boxes(moderator, job)
    assert f"Retried as ⟨/admin/syncjobs/syncjob/{again.pk}/change/⟩ #{again.pk} Queued" in box
    jobs.cancel_job(PERSON, again.pk)
    assert _boxes(moderator, job)[0].startswith("box-bad")
    type(job.band).objects.update(last_full_sync_at=timezone.now())
    assert "Nothing: a later sync of the band succeeded." in _boxes(moderator, job)[0]


def test_a_waiting_job_says_why_and_until_when() -> None:
    admin, moderator = logged_in(Role.ADMIN), logged_in(Role.MODERATOR)
    job = queue_job(band=make_band())
    outcomes.retry_later(claim(), "YouTube answered 503", reason="backendError")
    SyncJob.objects.filter(pk=job.pk).update(run_at=timezone.now() + dt.timedelta(hours=1))
    boxes = _boxes(moderator, job)
    assert boxes[0].startswith("box-warn YouTube is busy")
    assert "So far 1 of at most 5 attempts in a row failed" in boxes[0]
    assert re.search(r"Goes on \d{4}-\d\d-\d\d .* UTC · in ", boxes[0])
    # Nothing runs in this test, and that is another reason.
    assert boxes[1].startswith("box-bad No worker is running for this queue")
    SyncJob.objects.filter(pk=job.pk).update(run_at=timezone.now())
    until = timezone.now() + dt.timedelta(hours=7)
    outcomes.delay(claim(), until, DelayReason.QUOTA_MAIN, "The quota is used up.")
    (box, _none) = _boxes(moderator, job)
    assert box.startswith("box-off Waiting for the main quota to reset")
    assert f"{until:%H:%M} UTC" in box
    assert "⟨/admin/quota/⟩ Quota" in box
    queued_jobs.delay(PERSON, job.pk, until)
    assert "Scheduled for later pat: until" in _boxes(moderator, job)[0]
    queues.pause_queue(PERSON, "maintenance", "The disk is full")
    paused = queue_job(JobType.PRUNE)
    assert "box-warn Queue paused by pat The disk is full" in _boxes(admin, paused)[0]
    assert "⟨/admin/syncjobs/queue/maintenance/resume/⟩ Resume the queue" in _boxes(admin, paused)[0]
    asked = "Ask an admin (ADMIN@example) to do this: Resume the queue. The job starts once the queue is resumed."
    assert asked in _boxes(moderator, paused)[0]
    for action in ("front", "delay"):
        question = moderator.get(f"/admin/syncjobs/syncjob/{paused.pk}/{action}/").content.decode()
        assert ("is paused, so its jobs wait." in question) == (action == "front")


def test_an_all_bands_job_says_what_its_children_wait_for() -> None:
    admin, moderator = logged_in(Role.ADMIN), logged_in(Role.MODERATOR)
    parent, children = fanned_out(7)
    children_url = f"/admin/syncjobs/syncjob/?parent_id={parent.pk}&status="

    def note() -> str:
        html = moderator.get("/admin/syncjobs/syncjob/?status=IN_PROGRESS").content.decode()
        return " ".join(re.sub(r"<[^>]*>", " ", html.split(f'id="row-{parent.pk}"')[1].split("</tr>")[0]).split())

    (box,) = _boxes(moderator, parent)
    assert box.startswith("box-bad No worker is running for this queue 7 of 7 child jobs wait for it.")
    assert "7 jobs wait: no worker is running" in note()
    Worker.objects.create(name="w@a", process_id=1, concurrency=1, queues=list(QueueName.values))
    assert _boxes(moderator, parent) == []
    assert "wait" not in note()
    claim()
    queues.pause_queue(PERSON, "video-sync", "The disk is full")
    (box,) = _boxes(admin, parent)
    assert box.startswith("box-warn Queue paused by pat 6 of 7 child jobs wait for it. The disk is full Since")
    assert "⟨/admin/syncjobs/queue/video-sync/resume/⟩ Resume the queue" in box
    assert f"⟨{children_url}WAITING⟩ Show the waiting jobs" in box
    (box,) = _boxes(moderator, parent, DIALOG)
    assert "Ask an admin (ADMIN@example) to do this" in box
    assert "6 jobs wait: queue paused by pat" in note()
    bands = [make_band(slug) for slug in ("herons", "owls", "larks")]
    for child, band in zip(children[1:], bands, strict=False):
        SyncJob.objects.filter(pk=child.pk).update(band=band)
    Band.objects.exclude(slug="larks").update(paused_at=NOW, paused_by="kim", pause_reason="Tour")
    until = timezone.now() + dt.timedelta(hours=7)
    SyncJob.objects.filter(pk__in=[child.pk for child in children[3:6]]).update(
        run_at=until, delay_reason=DelayReason.QUOTA_MAIN
    )
    boxes = _boxes(moderator, parent)
    assert [re.findall(r"(?:box-\w+) (.*?) (\d) of 7", box)[0] for box in boxes] == [
        ("Bands paused", "2"), ("Queue paused by pat", "3"), ("Waiting for the main quota to reset", "3"),
    ]  # fmt: skip
    assert "wait for it. Herons, Owls What to do: They start once the bands are resumed." in boxes[0]
    assert f"⟨{children_url}QUEUED&due=paused⟩" in boxes[0]
    assert f"⟨{children_url}DELAYED&delay_reason=QUOTA_MAIN⟩" in boxes[2]
    assert f"The first goes on {until:%Y-%m-%d}" in boxes[2]
    for each, count in (("WAITING", 3), ("QUEUED&due=paused", 2), ("DELAYED", 3)):
        page = moderator.get(f"{children_url}{each}").content.decode()
        assert f"<strong>{count}</strong>" in page, each
    assert "3 jobs wait: waiting for the main quota to reset" in note()
    Band.objects.filter(slug="owls").update(paused_at=None)
    box = next(box for box in _boxes(moderator, parent) if "band was paused" in box)
    assert "The band was paused by kim 1 of 7 child jobs waits for it. Herons Tour" in box
    assert f"⟨/admin/bands/band/{bands[0].pk}/resume/⟩ Resume the band" in box


def test_other_jobs_explain_themselves_too() -> None:
    moderator = logged_in(Role.MODERATOR)
    stopped = queue_job(JobType.PRUNE)
    jobs.cancel_job(PERSON, stopped.pk)
    (box,) = _boxes(moderator, stopped)
    assert box.startswith("box-off Cancelled by pat Cancelled No worker had started it.")
    parent, children = fanned_out(2)
    outcomes.fail(claim(), "Channel not found: @nobody", reason="channelNotFound")
    failures = [box for box in _boxes(moderator, parent) if "child jobs failed" in box]
    assert failures[0].startswith("box-bad 1 of 2 child jobs failed")
    assert f"?parent_id={parent.pk}&status=FAILED⟩ Show the failed jobs" in failures[0]
    assert f"?action=retry&all=1&parent_id={parent.pk}&status=FAILED⟩ Retry them" in failures[0]
    outcomes.complete(claim())
    assert _boxes(moderator, children[1]) == []


def test_the_neighbors_are_those_of_the_list_that_the_person_came_from() -> None:
    client = logged_in(Role.MODERATOR)
    first, second, third = (failed_job() for _ in range(3))
    queue_job(JobType.PRUNE)
    page = client.get("/admin/syncjobs/syncjob/?status=FAILED&page=1").content.decode()
    url = f"/admin/syncjobs/syncjob/{second.pk}/change/?list=status%3DFAILED"
    assert f'href="{url}"' in page
    for headers, opened in (({}, ""), (DIALOG, f' data-dialog data-dialog-hash="job-{third.pk}"')):
        page = " ".join(client.get(url, headers=headers).content.decode().split())
        previous, following = (
            f'href="/admin/syncjobs/syncjob/{job.pk}/change/?list=status%3DFAILED" rel="{rel}"'
            for job, rel in ((third, "prev"), (first, "next"))
        )
        assert f'{previous} data-page-key="k"{opened}' in page
        assert following in page
        assert ("/admin/syncjobs/syncjob/?status=FAILED" in page) is not bool(opened)
    for text in ("", "?list=sort_by%3Dname", "?list=band%3Dx", f"?list={'x' * 3000}"):
        page = client.get(f"/admin/syncjobs/syncjob/{second.pk}/change/{text}").content.decode()
        assert 'rel="prev"' not in page, text


def test_attempts_are_bars_on_one_axis() -> None:
    minute = dt.timedelta(minutes=1)
    job: Any = SyncJob(status=JobStatus.QUEUED, created_at=NOW, run_at=NOW + 10 * minute)
    failed, delayed = AttemptOutcome.FAILED, AttemptOutcome.DELAYED
    attempts = [
        Attempt(number=1, outcome=failed, started_at=NOW + minute, ended_at=NOW + 3 * minute),
        Attempt(number=2, outcome=delayed, started_at=NOW + 5 * minute, ended_at=NOW + 5 * minute),
    ]
    drawn = axis(job, attempts, NOW + 6 * minute)
    assert drawn is not None
    assert (drawn.start, drawn.end, drawn.span) == (NOW, NOW + 10 * minute, "10 min")
    assert [(bar.took, bar.waited) for bar in drawn.bars] == [
        ("2 min", "1 min after it was queued"),
        ("0.0 s", "2 min after the attempt before"),
        ("", "5 min after the attempt before"),
    ]
    shapes = [re.findall(r'class="bar-(\w+)" x="([\d.]+)" width="([\d.]+)"', bar.picture) for bar in drawn.bars]
    assert shapes == [
        [("wait", "0.0", "100.0"), ("bad", "100.0", "200.0")],
        [("wait", "300.0", "200.0"), ("off", "500.0", "8.0")],
        [("wait", "500.0", "500.0")],
    ]
    assert axis(job, [], NOW) is None


def test_a_message_is_not_repeated_below_its_box() -> None:
    page = logged_in(Role.ADMIN).get(f"/admin/syncjobs/syncjob/{failed_job('It broke.').pk}/change/").content.decode()
    assert page.count("data-utc>It broke.</div>") == 2  # in the box and among the events
