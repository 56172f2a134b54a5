"""The dashboard and its queue actions."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from bands.models import Video
from syncjobs.admin import dashboard
from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import JobStatus, JobType, QueueName, Role
from syncjobs.engine import outcomes, quota
from syncjobs.freshness import feeds
from syncjobs.listing import filters as listing_filters
from syncjobs.listing.rows import read_page
from syncjobs.models import Attempt, AuditEntry, BulkAction, ChannelFeed, Queue, QuotaDay, SyncJob, Worker
from syncjobs.operations import bulk, queues, schedules
from syncjobs.stats import jobs
from syncjobs.youtube.costs import Bucket
from tests.clients import MOST_QUERIES, logged_in
from tests.factories import PERSON, claim, failed_job, make_alert, make_band, queue_job

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ACTIONS = ("pause", "resume", "clear-failed")


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def some_of_each() -> None:
    """Create jobs of every status in several queues."""
    band = make_band()
    now = timezone.now()
    for kind, queue, times in (
        (JobType.FULL_SYNC, QueueName.VIDEO_SYNC, 1),
        (JobType.ENRICH, QueueName.VIDEO_PROCESSING, 2),
        (JobType.PRUNE, QueueName.MAINTENANCE, 3),
    ):
        for number, state in enumerate([*JobStatus.values, "DELAYED"]):
            for _ in range(times + number):
                SyncJob.objects.create(
                    job_type=kind,
                    queue_id=queue,
                    band=band,
                    band_name=band.name,
                    status="QUEUED" if state == "DELAYED" else state,
                    run_at=now + dt.timedelta(hours=1 if state == "DELAYED" else -1),
                    started_at=now - dt.timedelta(minutes=2),
                )


def parts() -> list[str]:
    return [*dashboard._AT_ONCE, *dashboard._LATER]


def test_permissions() -> None:
    assert Client().get("/admin/").status_code == 302
    nobody = logged_in().get("/admin/")
    assert nobody.status_code == 200
    assert "You have no role yet" in nobody.content.decode()
    assert "part-queues" not in nobody.content.decode()
    assert "part-queues" in logged_in(Role.MODERATOR).get("/admin/").content.decode()


def test_every_figure_counts_the_rows_of_the_list_it_links_to(moderator: Client) -> None:
    some_of_each()
    # The period is about jobs that have ended.
    for status in ("COMPLETED", "QUEUED"):
        old = timezone.now() - dt.timedelta(days=3)
        SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance", status=status, created_at=old, run_at=old)
    for period, jobs_shown in (("24h", 82), ("7d", 83), ("30d", 83)):
        html = moderator.get(f"/admin/?period={period}").content.decode()
        found = re.findall(r'<dd><a [^>]*href="/admin/syncjobs/syncjob/\?([^"]+)"[^>]*>([\d,]+)</a>', html)
        assert len(found) == 18
        counted = 0
        for query, shown in found:
            rows, total = read_page(listing_filters.job_query(QueryDict(unescape(query))), 1, 100)
            assert (total, len(rows)) == (int(shown), int(shown)), query
            counted += total
        assert counted == jobs_shown
    assert SyncJob.objects.count() == 83


def test_the_page_takes_few_queries_for_any_number_of_rows(moderator: Client) -> None:
    some_of_each()
    Worker.objects.create(name="w1", process_id=1, queues=["maintenance"], concurrency=2)
    with CaptureQueriesContext(connection) as few:
        moderator.get("/admin/")
    for _ in range(10):
        queue_job("PRUNE")  # type: ignore[arg-type]
        claim("maintenance")
    with CaptureQueriesContext(connection) as many:
        moderator.get("/admin/")
    assert len(few) == len(many) <= 13
    for part in parts():
        with CaptureQueriesContext(connection) as queries:
            assert moderator.get(f"/admin/?part={part}", headers=HTMX).status_code == 200
        assert len(queries) <= 15, part


@pytest.mark.parametrize("part", parts())
def test_a_partial_request_returns_the_same_part_as_the_page(moderator: Client, part: str) -> None:
    some_of_each()
    alone = moderator.get(f"/admin/?part={part}", headers=HTMX).content.decode()
    assert alone.lstrip().startswith(f'<section id="part-{part}"')
    assert "<html" not in alone
    assert 'hx-trigger="refresh"' in alone
    whole = moderator.get(f"/admin/?part={part}").content.decode()
    assert "<html" in whole
    assert whole.count(f'id="part-{part}"') == 1
    assert "skeleton" not in whole.split(f'id="part-{part}"')[1].split("</section>")[0]


def test_slow_parts_load_later_and_have_a_link_without_scripts(moderator: Client) -> None:
    empty = moderator.get("/admin/").content.decode()
    assert not [part for part in dashboard._LATER if f'id="part-{part}"' in empty], "an empty site has nothing to show"
    make_band()
    html = moderator.get("/admin/?period=7d").content.decode()
    for part in dashboard._LATER:
        later = html.split(f'id="part-{part}"')[1].split("</section>")[0]
        assert 'hx-trigger="load, refresh"' in later
        assert f'href="/admin/?part={part}&amp;period=7d#part-{part}"' in later


def test_the_forecast_of_the_quota_loads_later_and_has_a_link_without_scripts(moderator: Client) -> None:
    html = moderator.get("/admin/").content.decode().split('id="part-quota"')[1].split("</section>")[0]
    assert 'hx-trigger="load, refresh"' in html
    assert "On track" not in html
    assert 'href="/admin/?part=quota&amp;period=24h#part-quota"' in html
    assert "On track" in moderator.get("/admin/?part=quota").content.decode()


def test_a_paused_queue_shows_who_paused_it_when_and_why(moderator: Client) -> None:
    queues.pause_queue(PERSON, "maintenance", "<b>tidying</b>")
    card = moderator.get("/admin/").content.decode().split('id="queue-maintenance"')[1].split("</article>")[0]
    assert "Paused by pat" in card
    assert "&lt;b&gt;tidying&lt;/b&gt;" in card
    assert Queue.objects.get(pk="maintenance").paused_at.strftime("%Y-%m-%d %H:%M") in card  # type: ignore[union-attr]
    # The first screen says it too, unless an alert says it there.
    strip = "/admin/?part=attention"
    shown = moderator.get(strip, headers=HTMX).content.decode()
    assert "Maintenance is paused by pat, so its jobs wait." in shown
    assert "<q>&lt;b&gt;tidying&lt;/b&gt;</q>" in shown
    make_alert(Rule.QUEUE_PAUSED, "maintenance", subject_type="queue", subject_label="maintenance")
    assert "Maintenance is paused by pat" not in moderator.get(strip, headers=HTMX).content.decode()


def test_a_queue_with_waiting_jobs_and_no_worker_has_a_warning(moderator: Client) -> None:
    warning = "No worker is running for Maintenance"
    assert warning not in moderator.get("/admin/").content.decode()
    queue_job("PRUNE")  # type: ignore[arg-type]
    assert moderator.get("/admin/").content.decode().count(warning) == 1
    Worker.objects.create(name="w1", process_id=1, queues=["maintenance"], concurrency=2)
    assert warning not in moderator.get("/admin/").content.decode()


def test_running_jobs_show_their_progress_and_whether_they_take_too_long(moderator: Client) -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    claim("maintenance")
    SyncJob.objects.filter(pk=job.pk).update(progress_done=30, progress_total=120)
    html = moderator.get("/admin/?part=running", headers=HTMX).content.decode()
    assert re.search(r'<progress [^>]*max="120" value="30" aria-label="Progress of job \d+"', html)
    assert "30 of 120" in html
    assert "slow job" not in html
    Attempt.objects.filter(job=job).update(started_at=timezone.now() - dt.timedelta(minutes=10))
    assert "1 slow job" in moderator.get("/admin/?part=running", headers=HTMX).content.decode()


def test_markup_in_titles_and_errors_is_escaped(moderator: Client) -> None:
    evil = "<img src=x onerror=alert(1)>"
    band = make_band(evil)
    job = SyncJob.objects.create(
        job_type="FULL_SYNC", queue_id="video-sync", band=band, band_name=evil, status="QUEUED", run_at=timezone.now()
    )
    assert "&lt;img" in _running_after_claim(moderator)
    outcomes.fail(Attempt.objects.get(job=job), evil, reason="broken")
    html = moderator.get("/admin/?part=errors", headers=HTMX).content.decode()
    assert "&lt;img" in html
    assert "<img" not in html


def _running_after_claim(client: Client) -> str:
    claim("video-sync")
    html = client.get("/admin/?part=running", headers=HTMX).content.decode()
    assert "<img" not in html
    return html


def test_quota_shows_remaining_units_reset_time_and_closed_buckets(moderator: Client) -> None:
    html = moderator.get("/admin/?part=quota", headers=HTMX).content.decode()
    assert "0 of 10,000" in html
    assert html.count('data-time="countdown"') == 1
    quota.close(Bucket.MAIN, "quotaExceeded")
    assert QuotaDay.objects.get().closed_at
    html = moderator.get("/admin/?part=quota", headers=HTMX).content.decode()
    assert "Closed by YouTube" in html
    assert "quotaExceeded" in html


@pytest.mark.parametrize("period", list(jobs.PERIODS))
def test_charts_have_a_title_and_show_the_period(moderator: Client, period: str) -> None:
    queue_job("PRUNE")  # type: ignore[arg-type]
    outcomes.complete(claim("maintenance"))
    html = moderator.get(f"/admin/?part=charts&period={period}", headers=HTMX).content.decode()
    chart = json.loads(unescape(re.search(r'<div id="jobs-chart" hidden>(.*?)</div>', html)[1]))  # type: ignore[index]
    assert sum(sum(line["values"]) for line in chart["series"]) == 1
    assert len(chart["labels"]) == {"24h": 25, "7d": 8, "30d": 31}[period]
    assert re.search(rf'\?period={period}#part-charts" aria-current="true"', html)
    assert "at most 200 evenly spread jobs" in html
    assert re.search(r'<abbr title="95th percentile: [^"]+">Wait p95</abbr>', html)


def test_durations_cover_completed_jobs_by_creation_time() -> None:
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for state, seconds, created in (
        *(("COMPLETED", seconds, hour) for seconds in (10, 20, 30)),
        ("COMPLETED", 99, hour - dt.timedelta(hours=3)),
        ("FAILED", 5000, hour),
    ):
        SyncJob.objects.create(
            job_type="PRUNE",
            queue_id="maintenance",
            status=state,
            created_at=created,
            started_at=created,
            completed_at=created + dt.timedelta(seconds=seconds),
        )
    series = jobs.durations("24h")
    points = {point["since"]: (point["jobs"], point["p50"], point["p95"]) for point in series}
    assert points[hour] == (3, 20.0, 29.0)
    assert points[hour - dt.timedelta(hours=3)] == (1, 99.0, 99.0)
    assert points[hour - dt.timedelta(hours=1)] == (0, None, None)


def test_upcoming_runs_and_workers_are_listed(moderator: Client) -> None:
    Worker.objects.create(name="alive@host", process_id=1, queues=["maintenance"], concurrency=2)
    Worker.objects.create(
        name="gone@host",
        process_id=2,
        queues=["video-sync"],
        concurrency=2,
        heartbeat_at=timezone.now() - dt.timedelta(hours=1),
    )
    PeriodicTask.objects.all().delete()
    assert "No schedule is enabled" in moderator.get("/admin/?part=ahead", headers=HTMX).content.decode()
    for name, every in (("Later", 9), ("Soon", 2)):
        interval = {"every": every, "period": "hours"}
        schedules.save(PERSON, None, {"name": name, "job_type": "FULL_SYNC", "enabled": True, "interval": interval})
    html = moderator.get("/admin/?part=ahead", headers=HTMX).content.decode()
    assert html.count('data-time="countdown"') == 3
    assert html.index("Soon") < html.index("Later")
    # A phone folds the list, and says what is next.
    assert html.split("</summary>")[0].count("Soon") == 1
    assert "Online" in html.split("alive@host")[1].split("</li>")[0]
    assert "Not responding" in html.split("gone@host")[1].split("</li>")[0]


@pytest.mark.parametrize("action", ACTIONS)
def test_only_admins_can_change_queues(action: str) -> None:
    url = f"/admin/syncjobs/queue/maintenance/{action}/"
    for role in ("", Role.MODERATOR):
        client = logged_in(role)
        assert [client.get(url).status_code, client.post(url).status_code] == [403, 403]
        assert f'href="{url}"' not in client.get("/admin/").content.decode()
    assert Client().get(url).status_code == 302
    assert not Queue.objects.filter(paused_at__isnull=False).exists()
    failed_job()
    if action == "resume":
        queues.pause_queue(PERSON, "maintenance")
    assert logged_in(Role.ADMIN).get(url).status_code == 200


def test_admins_pause_a_queue_with_a_reason_and_resume_it(admin: Client) -> None:
    assert admin.get("/admin/syncjobs/queue/nonsense/pause/").status_code == 404
    assert "Reason (optional)" in admin.get("/admin/syncjobs/queue/maintenance/pause/").content.decode()
    done = admin.post("/admin/syncjobs/queue/maintenance/pause/", {"reason": "moving house"}, headers=HTMX)
    assert done.status_code == 204
    assert "Paused: Maintenance." in json.loads(done["HX-Trigger"])["toast"]["text"]
    queue = Queue.objects.get(pk="maintenance")
    assert (queue.pause_reason, queue.paused_by) == ("moving house", "ADMIN@example")
    again = admin.post("/admin/syncjobs/queue/maintenance/pause/", {"reason": ""}, headers=HTMX)
    assert "already paused" in again["HX-Trigger"]
    assert Queue.objects.get(pk="maintenance").pause_reason == "moving house"
    html = admin.get("/admin/").content.decode()
    assert 'href="/admin/syncjobs/queue/maintenance/resume/"' in html.split('id="part-queues"')[0]
    assert 'href="/admin/syncjobs/queue/maintenance/resume/"' in html.split('id="part-queues"')[1]
    assert 'href="/admin/syncjobs/queue/maintenance/pause/"' not in html
    assert admin.post("/admin/syncjobs/queue/all/resume/").status_code == 302
    assert not Queue.objects.filter(paused_at__isnull=False).exists()
    actions = AuditEntry.objects.order_by("pk").values_list("action", "origin")
    assert list(actions) == [("pause_queue", "ADMIN"), ("pause_queue", "ADMIN"), ("resume_queue", "ADMIN")]


def test_a_reason_that_is_too_long_is_a_field_error(admin: Client) -> None:
    answer = admin.post("/admin/syncjobs/queue/maintenance/pause/", {"reason": "x" * 501})
    assert answer.status_code == 422
    assert "at most 500 characters" in answer.content.decode()
    assert not Queue.objects.filter(paused_at__isnull=False).exists()


CLEAR = "/admin/syncjobs/queue/maintenance/clear-failed/"


def ask_to_clear(client: Client, queue: str = "maintenance") -> tuple[str, str]:
    """Return the page that asks whether to clear the failed jobs, and its time."""
    page = client.get(f"/admin/syncjobs/queue/{queue}/clear-failed/").content.decode()
    found = re.search(r'name="until" value="([^"]+)"', page)
    assert found
    return unescape(page), found[1]


def test_clearing_leaves_jobs_that_failed_after_the_question(admin: Client) -> None:
    running, failed, retried = (queue_job(JobType.PRUNE) for _ in range(3))
    before = {"status": JobStatus.FAILED, "completed_at": timezone.now()}
    SyncJob.objects.filter(pk__in=(failed.pk, retried.pk)).update(**before)
    retry = SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance", retry_of=retried)
    question, until = ask_to_clear(admin)
    assert "2 failed jobs are permanently deleted" in question
    assert "1 of them has already been retried and is deleted too." in question
    SyncJob.objects.filter(pk=running.pk).update(status=JobStatus.FAILED, completed_at=timezone.now())
    without_time = admin.post(CLEAR, headers=HTMX)
    assert (without_time.status_code, SyncJob.objects.count()) == (422, 4)
    assert "3 failed jobs are permanently deleted" in without_time.content.decode()
    done = admin.post(CLEAR, {"until": until}, headers=HTMX)
    assert "2 failed jobs deleted." in done["HX-Trigger"]
    assert set(SyncJob.objects.values_list("pk", flat=True)) == {running.pk, retry.pk}


def test_clearing_shows_the_number_of_jobs_and_deletes_them(admin: Client) -> None:
    some_of_each()
    assert SyncJob.objects.filter(queue="maintenance", status="FAILED").count() == 6
    assert "15 failed jobs are permanently deleted" in ask_to_clear(admin, "all")[0]
    question, until = ask_to_clear(admin)
    assert "6 failed jobs are permanently deleted" in question
    assert "already been retried" not in question
    done = admin.post(CLEAR, {"until": until}, headers=HTMX)
    assert "6 failed jobs deleted." in done["HX-Trigger"]
    assert SyncJob.objects.filter(status="FAILED").count() == 4 + 5
    assert 'href="/admin/syncjobs/queue/maintenance/clear-failed/"' not in admin.get("/admin/").content.decode()


def test_clearing_many_jobs_continues_in_the_background(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_FOREGROUND_CLEAR", 1)
    SyncJob.objects.bulk_create(SyncJob(job_type="PRUNE", queue_id="maintenance", status="FAILED") for _ in range(3))
    done = admin.post(CLEAR, {"until": ask_to_clear(admin)[1]}, headers=HTMX)
    progress = f"/admin/syncjobs/bulkaction/{BulkAction.objects.get().pk}/change/"
    assert done["HX-Redirect"] == progress
    assert "Deleting failed jobs" in admin.get(progress).content.decode()
    bulk.run_pending()
    assert 'data-active="false"' in admin.get(progress).content.decode()
    assert not SyncJob.objects.filter(status="FAILED", queue_id="maintenance").exists()


def test_clearing_a_failed_parent_leaves_the_children_that_have_not_failed(admin: Client) -> None:
    parent = SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", status="FAILED", fans_out=True)
    common = {"parent": parent, "job_type": "FULL_SYNC", "queue_id": "video-sync"}
    running = SyncJob.objects.create(**common, status="IN_PROGRESS")
    SyncJob.objects.create(**common, status="FAILED")
    assert bulk.clear_failed(PERSON, "video-sync") == 2
    assert list(SyncJob.objects.values_list("pk", "parent")) == [(running.pk, None)]


def test_freshness_counts_the_bands_of_the_lists_it_links_to(moderator: Client) -> None:
    now = timezone.now()
    for number in range(12):
        make_band(f"fresh{number}", f"@fresh{number}", last_incremental_sync_at=now - dt.timedelta(hours=number))
    make_band("gone", "@gone", last_full_sync_at=now - dt.timedelta(days=9), channel_problem="NOT_FOUND")
    make_band("new", "@new")
    make_band("off", "@off", is_active=False)
    make_band("rest", "@rest", paused_at=now, paused_by="kim", last_full_sync_at=now)
    text = moderator.get("/admin/", {"part": "freshness"}, headers=HTMX).content.decode()
    shown = dict(re.findall(r'\?health=(\w+)"><?s?t?r?o?n?g?>?(\d+)', text))
    assert shown == {"fresh": "13", "stale": "1", "never": "1"}
    assert "of 15" in text
    assert re.search(r'href="/admin/bands/band/\?health=paused">\s*1 band paused\s*<', text)
    for health, number in shown.items():
        listed = moderator.get("/admin/bands/band/", {"health": health}).content.decode()
        assert len(re.findall(r'<tr id="band-', listed)) == int(number), health
    stalest = re.findall(r'<a class="truncate"[^>]*>([^<]+)</a>', text)
    assert stalest == ["New", "Gone", *(f"Fresh{number}" for number in range(11, 3, -1))]
    assert "Channel not found" in text


def test_freshness_shows_unknown_as_unknown_and_counts_bands(moderator: Client) -> None:
    band = make_band("herons", channel_id="UC" + "a" * 22)
    text = moderator.get("/admin/", {"part": "freshness"}, headers=HTMX).content.decode()
    assert "Push is off" in text
    assert '<td class="number">—</td>' in text
    assert re.search(r'<abbr title="95th percentile: [^"]+">p95</abbr>', text)
    assert "No data" in text
    feeds.match_bands()
    ChannelFeed.objects.update(watched_since=timezone.now() - dt.timedelta(days=1), trusted_at=timezone.now())
    published = timezone.now() - dt.timedelta(minutes=5)
    Video.objects.create(
        youtube_id="v1", band=band, channel_id=band.channel_id, noticed_by="feed", published_at=published
    )
    with CaptureQueriesContext(connection) as queries:
        text = moderator.get("/admin/", {"part": "freshness"}, headers=HTMX).content.decode()
    assert "5 min" in text
    assert "Feed: Trusted" in text
    assert 'href="/admin/bands/band/?feed=trusted">1<' in text
    assert ">Herons<" in moderator.get("/admin/bands/band/?feed=trusted&push=off&late=5").content.decode()
    for other in ("feed=failing", "push=silent", "late=6"):
        assert ">Herons<" not in moderator.get(f"/admin/bands/band/?{other}").content.decode(), other
    assert len(queries) <= MOST_QUERIES, len(queries)
