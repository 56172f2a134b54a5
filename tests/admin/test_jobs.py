"""The list of jobs and a job's page."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bands.models import Band
from syncjobs.choices import JobStatus, JobType, Role
from syncjobs.engine import clock
from syncjobs.models import Attempt, AuditEntry, SyncJob
from syncjobs.operations import jobs, queued_jobs, queues
from syncjobs.templatetags.monitor import number
from tests.clients import DIALOG, MOST_QUERIES, PART, listed_jobs, logged_in
from tests.factories import HOSTILE, PERSON, claim, failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


# ---- Permissions


@pytest.mark.parametrize("path", ["", "rows/", "bands/?band=a", "export/", "{job}/change/", "add/"])
def test_viewing_jobs_needs_permission(path: str) -> None:
    url = f"/admin/syncjobs/syncjob/{path.format(job=failed_job().pk)}"
    assert Client().get(url).status_code == 302
    assert "/login/" in Client().get(url).headers["Location"]
    assert logged_in().get(url).status_code == 403
    assert logged_in(Role.MODERATOR).get(url).status_code == 200


@pytest.mark.parametrize("action", ["retry", "cancel"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_actions_need_permission(action: str, method: str) -> None:
    job = failed_job() if action == "retry" else queue_job(JobType.PRUNE)
    plain = logged_in()
    assert getattr(plain, method)(f"/admin/syncjobs/syncjob/{job.pk}/{action}/").status_code == 403
    assert SyncJob.objects.count() == 1
    assert SyncJob.objects.get().status == job.status


# ---- The list


def test_the_address_determines_what_is_listed(moderator: Client) -> None:
    band = make_band()
    here = queue_job(JobType.FULL_SYNC, band=band)
    broken, other = failed_job(), queue_job(JobType.ENRICH)
    for query, expected in (
        ("", [other.pk, broken.pk, here.pk]),
        ("?sort_order=asc", [here.pk, broken.pk, other.pk]),
        ("?status=FAILED", [broken.pk]),
        ("?status=FAILED,QUEUED&job_type=PRUNE,ENRICH", [other.pk, broken.pk]),
        (f"?band_id={band.pk}", [here.pk]),
        ("?queue=video-processing", [other.pk]),
        ("?search=broke", [broken.pk]),
        (f"?search=%23{here.pk}", [here.pk]),
        (f"?error={broken.job_errors.get().group_id}", [broken.pk]),
        ("?requested_by=nobody", []),
        ("?limit=1&page=2", [broken.pk]),
    ):
        assert listed_jobs(moderator.get(f"/admin/syncjobs/syncjob/{query}")) == expected, query


def test_a_delayed_job_is_counted_once_and_a_chip_leads_to_what_it_counts(moderator: Client) -> None:
    failed_job()
    waiting, delayed = queue_job(JobType.ENRICH), queue_job(JobType.PRUNE)
    SyncJob.objects.filter(pk=delayed.pk).update(run_at=clock.now() + dt.timedelta(hours=1), delay_reason="RETRY")

    def chips(query: str) -> tuple[list[int], dict[str, tuple[str, bool, str]]]:
        """Return the listed jobs, and the count, state and query of each status chip that counts something or is on."""
        answer = moderator.get(f"/admin/syncjobs/syncjob/?{query}", follow=True)
        group = answer.content.decode().split('role="group" aria-label="Status"')[1].split("</div>")[0]
        found = {}
        for link in re.findall(r"<a .*?</a>", group, re.DOTALL):
            name, *count = " ".join(re.sub(r"<[^>]*>", " ", link).split()).rsplit(" ", 1)
            target = unescape(re.findall(r'href="[^"?]*\??([^"]*)"', link)[0])
            if count != ["0"]:
                found[name] = (*count, "aria-current" in link or "aria-pressed" in link, target)
        return sorted(listed_jobs(answer)), found

    jobs, found = chips("")
    assert {name: n for name, (n, _on, _url) in found.items()} == {"Queued": "1", "Delayed": "1", "Failed": "1"}
    assert (len(jobs), found["Queued"][2], found["Delayed"][2]) == (3, "status=WAITING", "status=DELAYED")
    for query, expected, on in (
        ("status=WAITING", [waiting.pk], {"Queued"}), ("status=DELAYED", [delayed.pk], {"Delayed"}),
        ("status=QUEUED", [waiting.pk, delayed.pk], {"Queued", "Delayed"}),
        ("status=QUEUED&due=later", [delayed.pk], {"Delayed"}), ("status=QUEUED&due=now", [waiting.pk], {"Queued"}),
    ):  # fmt: skip
        jobs, found = chips(query)
        assert jobs == expected, query
        assert {name for name, (_n, is_on, _url) in found.items() if is_on} == on, query
        assert [found[name][0] for name in ("Queued", "Delayed", "Failed")] == ["1", "1", "1"], query
    assert (found["Queued"][2], found["Delayed"][2]) == ("", "status=QUEUED")
    assert found["Failed"][2] == "status=WAITING,FAILED"
    assert len(chips("status=WAITING,FAILED")[0]) == 2


def test_blank_and_repeated_form_fields_are_removed_from_the_address(moderator: Client) -> None:
    answer = moderator.get("/admin/syncjobs/syncjob/?search=&status=FAILED&status=QUEUED&band_id=&limit=50")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/admin/syncjobs/syncjob/?status=FAILED,QUEUED&limit=50"


def test_a_typed_band_becomes_its_id_or_an_error_message(moderator: Client) -> None:
    band = make_band("herons")
    answer = moderator.get("/admin/syncjobs/syncjob/?band=heron")
    assert answer.headers["Location"] == f"/admin/syncjobs/syncjob/?band_id={band.pk}"
    make_band("heron-kings")
    assert "Herons" in moderator.get("/admin/syncjobs/syncjob/?band=heron").content.decode()
    assert "No band is named “wrens”." in moderator.get("/admin/syncjobs/syncjob/?band=wrens").content.decode()


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("status=DONE", "Status"),
        ("page=0", "Page"),
        ("limit=101", "Per page"),
        ("start_date=soon", "Created from"),
        ("start_date=2026-11-02&end_date=2026-11-01", "Created to: Must not be before “Created from”."),
        ("sort_by=name", "sort_by"),
        ("band_id=x", "Band"),
        ("colour=red", "colour"),
        ("search=%00", "Search"),
    ],
)
def test_an_invalid_parameter_shows_a_message(moderator: Client, query: str, label: str) -> None:
    page = moderator.get(f"/admin/syncjobs/syncjob/?{query}")
    assert page.status_code == 200
    assert f'role="alert">{label}' in page.content.decode()


def test_a_page_past_the_last_links_back(moderator: Client) -> None:
    failed_job()
    page = moderator.get("/admin/syncjobs/syncjob/?page=9").content.decode()
    assert "Page 9 doesn't exist" in page
    assert "Go to the last page (1)" in page
    failed_job()
    page = moderator.get("/admin/syncjobs/syncjob/?page=2&limit=1").content.decode()
    assert re.search(r'<input[^>]* name="page"[^>]* max="2" value="2"', page)


def test_markup_from_outside_is_escaped(moderator: Client) -> None:
    band = make_band("x")
    band.name = HOSTILE
    band.save()
    job = failed_job(HOSTILE, band=band)
    for url in (
        "/admin/syncjobs/syncjob/",
        f"/admin/syncjobs/syncjob/?band_id={band.pk}",
        f"/admin/syncjobs/syncjob/{job.pk}/change/",
        "/admin/syncjobs/syncjob/?search=<b>",
    ):
        page = moderator.get(url).content.decode()
        assert "<script>alert" not in page
        assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()


def test_nobody_is_asked_about_what_is_impossible(moderator: Client) -> None:
    broken, waiting = failed_job(), queue_job(JobType.ENRICH)
    for job, action, problem in (
        (waiting, "run", "only a delayed job can be run now"),
        (broken, "run", "only a delayed job can be run now"),
        (broken, "delay", "only a queued job can be delayed"),
        (broken, "priority", "only a queued job"),
        (broken, "front", "only a queued job can be moved"),
        (broken, "cancel", "has already ended"),
        (waiting, "retry", "only"),
    ):
        answer = moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/{action}/", headers={"HX-Request": "true"})
        assert (answer.status_code, problem in answer.headers.get("HX-Trigger", "")) == (204, True), (action, answer)
    # A job that was moved to the front isn't offered to move there again, also in a paused queue, which says so.
    behind = queue_job(JobType.ENRICH)
    queued_jobs.move_to_front(PERSON, waiting.pk)
    queues.pause_queue(PERSON, "video-processing")
    first, second = (
        moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode() for job in (waiting, behind)
    )
    assert f'{waiting.pk}/front/"' not in first
    assert f'{behind.pk}/front/"' in second
    assert ("· position 1" in first, "· position 2" in second) == (True, True)
    assert moderator.get("/admin/syncjobs/syncjob/").content.decode().count("; next in queue") == 1
    done = moderator.post(f"/admin/syncjobs/syncjob/{behind.pk}/front/", headers={"HX-Request": "true"})
    assert "It starts first once the queue is resumed." in done.headers["HX-Trigger"]
    queues.resume_queue(PERSON, "video-processing")
    for action in ("delay", "priority", "front", "cancel"):
        assert moderator.get(f"/admin/syncjobs/syncjob/{waiting.pk}/{action}/").status_code == 200, action


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_queries_do_not_grow_with_rows(role: Role) -> None:
    client = logged_in(role)
    counts = []
    for more in (1, 60):
        for _ in range(more):
            queue_job(JobType.PRUNE)
        failed_job()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get("/admin/syncjobs/syncjob/?limit=100&status=QUEUED,FAILED")
        counts.append(len(queries))
    assert 4 < counts[0] == counts[1] <= MOST_QUERIES


def test_bands_are_suggested_by_prefix(moderator: Client) -> None:
    make_band("alpha-herons")
    make_band("herons", "@herons")
    page = moderator.get("/admin/syncjobs/syncjob/bands/?named=her").content.decode()
    assert re.findall(r'value="([^"]*)"', page) == ["Herons", "Alpha-Herons"]
    assert re.findall(r'label="([^"]*)"', page) == ["Herons", "Alpha-Herons · no channel"]


def test_bands_with_the_same_name_show_their_id(moderator: Client) -> None:
    bands = [make_band("herons"), make_band("more-herons")]
    Band.objects.update(name="Herons")
    page = moderator.get("/admin/syncjobs/syncjob/bands/?band=her").content.decode()
    values = re.findall(r'value="([^"]*)"', page)
    assert values == [f"#{band.pk}" for band in bands]
    for value, band in zip(values, bands, strict=True):
        answer = moderator.get("/admin/syncjobs/syncjob/", {"band": value})
        assert answer["Location"] == f"/admin/syncjobs/syncjob/?band_id={band.pk}"
        # Submitting the form again, for example with a search, must not lose the band.
        assert f'value="{value}"' in moderator.get(answer["Location"]).content.decode()


# ---- One job


def test_page_dialog_and_part_show_the_same_job(moderator: Client) -> None:
    url = f"/admin/syncjobs/syncjob/{failed_job().pk}/change/"
    page = moderator.get(url).content.decode()
    dialog = moderator.get(url, headers=DIALOG).content.decode()
    part = moderator.get(url, headers=PART).content.decode()
    assert "<html" in page
    assert "<html" not in dialog
    assert "data-dialog-close" in dialog
    # It must be outside the refreshed part; otherwise the first refresh removes it.
    assert "Open page" in dialog.split('id="job-facts"')[0]
    assert "Open page" not in page
    assert part.lstrip().startswith('<div id="job-facts"')
    for html in (page, dialog, part):
        assert "It broke." in html
    assert moderator.get("/admin/syncjobs/syncjob/999999/change/").status_code == 404


def test_only_admins_see_tracebacks_and_audit(moderator: Client) -> None:
    job = failed_job()
    Attempt.objects.filter(job=job).update(traceback="Traceback (most recent call last): secret")
    jobs.retry_job(PERSON, job.pk)
    url = f"/admin/syncjobs/syncjob/{job.pk}/change/"
    seen = moderator.get(url).content.decode()
    assert "most recent call last" not in seen
    assert "Retried a job" not in seen
    seen = logged_in(Role.ADMIN).get(url).content.decode()
    assert "most recent call last" in seen
    assert "Retried a job" in seen
    assert "retry_job" not in seen


def test_an_all_bands_job_shows_its_children(moderator: Client) -> None:
    parent = queue_job(JobType.FULL_SYNC, fans_out=True)
    child = queue_job(JobType.FULL_SYNC, band=make_band(), parent=parent)
    SyncJob.objects.filter(pk=child.pk).update(videos_found=4321, quota_used=87)
    page = moderator.get(f"/admin/syncjobs/syncjob/{parent.pk}/change/").content.decode()
    assert f"?parent_id={parent.pk}&amp;status=WAITING" in page
    assert number(4321) in page
    assert "<dd>87</dd>" in page
    assert f"#{parent.pk}" in moderator.get(f"/admin/syncjobs/syncjob/{child.pk}/change/").content.decode()


def test_a_job_takes_few_queries() -> None:
    parent = queue_job(JobType.FULL_SYNC, fans_out=True)
    for n in range(3):
        queue_job(JobType.FULL_SYNC, band=make_band(f"band-{n}"), parent=parent)
    client = logged_in(Role.ADMIN)
    with CaptureQueriesContext(connection) as queries:
        client.get(f"/admin/syncjobs/syncjob/{parent.pk}/change/")
    assert 4 < len(queries) <= MOST_QUERIES, len(queries)


def test_retry_needs_a_confirmation(moderator: Client) -> None:
    job = failed_job()
    url = f"/admin/syncjobs/syncjob/{job.pk}/retry/"
    assert f"Retry job #{job.pk}?" in moderator.get(url, headers=DIALOG).content.decode()
    assert SyncJob.objects.count() == 1
    answer = moderator.post(url, headers=DIALOG)
    new = SyncJob.objects.get(retry_of=job)
    events = json.loads(answer.headers["HX-Trigger"])
    assert events["toast"] == {"level": "success", "text": f"Job #{job.pk} was retried: job #{new.pk} is queued."}
    assert AuditEntry.objects.get(action="retry_job").actor_label == "MODERATOR@example"
    assert f"#{new.pk}" in moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()
    assert f"#{job.pk}" in moderator.get(f"/admin/syncjobs/syncjob/{new.pk}/change/").content.decode()


def test_an_action_that_came_too_late_shows_a_message(moderator: Client) -> None:
    job = queue_job(JobType.ENRICH)
    jobs.cancel_job(PERSON, job.pk)
    answer = moderator.post(f"/admin/syncjobs/syncjob/{job.pk}/cancel/", headers=DIALOG)
    events = json.loads(answer.headers["HX-Trigger"])
    assert events["toast"]["level"] == "error"
    assert "has already ended" in events["toast"]["text"]
    # Nor does the question offer what can't be done any more.
    for action, job_id, message in (
        ("cancel", job.pk, "has already ended"),
        ("retry", queue_job(JobType.PRUNE).pk, "only a failed or cancelled job"),
    ):
        asked = moderator.get(f"/admin/syncjobs/syncjob/{job_id}/{action}/", headers=DIALOG)
        assert message in json.loads(asked.headers["HX-Trigger"])["toast"]["text"]
    plain = moderator.post(f"/admin/syncjobs/syncjob/{job.pk}/cancel/", follow=True)
    assert "has already ended" in plain.content.decode()


def test_cancel_shows_when_it_was_requested_and_when_the_job_ended(moderator: Client) -> None:
    job = queue_job(JobType.PRUNE)
    claim("maintenance")
    moderator.post(f"/admin/syncjobs/syncjob/{job.pk}/cancel/", headers=DIALOG)
    page = moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode()
    assert "Cancelling" in page
    assert "not yet" in page
    assert f"/admin/syncjobs/syncjob/{job.pk}/cancel/" not in page
    assert SyncJob.objects.get(pk=job.pk).status == JobStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("zone", "instant", "day"),
    [
        ("Pacific/Auckland", "2026-11-28T11:30:00Z", "2026-11-29"),
        ("America/Los_Angeles", "2026-11-29T07:30:00Z", "2026-11-28"),
        ("", "2026-11-29T00:00:00Z", "2026-11-29"),
        ("Nowhere/At-All", "2026-11-29T23:59:59.999999Z", "2026-11-29"),
        ("../../etc/passwd", "2026-11-29T12:00:00Z", "2026-11-29"),
    ],
)
def test_days_of_the_filters_are_those_of_the_reader(
    moderator: Client, zone: str, instant: str, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = dt.datetime.fromisoformat(instant)
    job = queue_job(JobType.PRUNE)
    SyncJob.objects.filter(pk=job.pk).update(created_at=at)
    moderator.cookies["timezone"] = zone
    before, after = (f"{dt.date.fromisoformat(day) + dt.timedelta(days)}" for days in (-1, 1))
    for start, end, is_found in (
        (day, day, True),
        (before, before, False),
        (after, after, False),
        (before, after, True),
    ):
        page = moderator.get("/admin/syncjobs/syncjob/", {"start_date": start, "end_date": end})
        assert listed_jobs(page) == ([job.pk] if is_found else []), (start, end)
    monkeypatch.setattr(clock, "approximate", lambda: at)
    html = moderator.get("/admin/syncjobs/syncjob/").content.decode()
    assert f'start_date={day}">Today</a>' in html
    # Both days are in the week of Monday, the 23rd of November.
    assert 'start_date=2026-11-16&amp;end_date=2026-11-22">Last week</a>' in html
    assert f"midnight in {zone if zone[:1] in ('P', 'A') else 'UTC'}." in html
    html = moderator.get("/admin/syncjobs/syncjob/", {"end_date": "2026-11-29"}).content.decode()
    assert 'To <time datetime="2026-11-29" data-time="day">2026-11-29</time>' in html
    # The title says what the buttons export: the jobs that the list counts.
    assert html.count('title="1 job: all that the filters select"') == 2


@pytest.mark.parametrize("zone", ["", "Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ({"start_date": "0001-01-01", "end_date": "9999-12-31"}, True),
        ({"start_date": "9999-12-31"}, False),
        ({"end_date": "0001-01-01"}, False),
        ({"start_date": "2026-1-5"}, None),
    ],
)
def test_odd_days_are_taken_or_refused_in_every_time_zone(
    moderator: Client, zone: str, query: dict[str, str], is_found: bool | None
) -> None:
    job = queue_job(JobType.PRUNE)
    moderator.cookies["timezone"] = zone
    page = moderator.get("/admin/syncjobs/syncjob/", query)
    assert listed_jobs(page) == ([job.pk] if is_found else [])
    assert ("Created from: Must be a date" in page.content.decode()) == (is_found is None)
