"""The quota page."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape

import pytest
from django.conf import LazySettings
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncjobs.choices import DelayReason, Role
from syncjobs.engine import quota
from syncjobs.listing import filters
from syncjobs.models import QuotaDay, SyncJob
from syncjobs.stats import quota as stats_quota
from syncjobs.youtube.costs import Bucket, Operation, quota_day
from tests.clients import logged_in, run_command
from tests.factories import make_band

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def part(client: Client, name: str) -> str:
    return client.get(f"/admin/quota/?part={name}", headers=HTMX).content.decode()


def card(html: str, bucket: Bucket) -> str:
    return html.split(f'id="details-{bucket}"')[1].split("</article>")[0]


def test_permissions() -> None:
    assert Client().get("/admin/quota/").status_code == 302
    assert logged_in().get("/admin/quota/").status_code == 403
    moderator = logged_in(Role.MODERATOR)
    assert moderator.get("/admin/quota/").status_code == 200
    assert moderator.post("/admin/quota/").status_code == 405


def test_the_slow_part_of_the_page_loads_later(moderator: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        html = moderator.get("/admin/quota/").content.decode()
    assert len(queries) <= 12
    later = html.split('id="part-details"')[1].split("</section>")[0]
    assert 'hx-trigger="load, refresh"' in later
    assert 'href="/admin/quota/?part=details#part-details"' in later
    whole = moderator.get("/admin/quota/?part=details").content.decode()
    assert "<html" in whole
    assert 'id="details-main"' in whole


def test_the_page_shows_what_used_the_units(moderator: Client) -> None:
    band = make_band("<b>herons</b>")
    for operation, job_type, band_id in (
        (Operation.PLAYLIST_ITEMS_LIST, "FULL_SYNC", band.pk),
        (Operation.PLAYLIST_ITEMS_LIST, "FULL_SYNC", band.pk),
        (Operation.VIDEOS_LIST, "ENRICH", None),
        (Operation.CHANNELS_LIST, "", None),
    ):
        call = quota.reserve(operation, quota.Spender(is_personal=True, job_type=job_type, band_id=band_id))
    quota.record_result(call, status=404, reason="notFound", seconds=1.0, is_accepted=True)
    html = card(part(moderator, "details"), Bucket.MAIN)
    rows = re.findall(r'class="wrap-anywhere normal">([^<]+)</th><td class="number">(\d+)</td>', html)
    assert dict(rows) == {
        "playlistItems.list": "2",
        "videos.list": "1",
        "channels.list": "1",
        "Full sync": "2",
        "Video details": "1",
        "Not part of a job": "1",
        "&lt;B&gt;Herons&lt;/B&gt;": "2",
    }
    assert html.count("bad-text") == 2
    gauges = part(moderator, "gauges")
    assert "4 of 10,000" in gauges


def test_jobs_that_wait_for_a_bucket_match_the_list(moderator: Client) -> None:
    later = timezone.now() + dt.timedelta(hours=3)
    for reason in (DelayReason.QUOTA_MAIN, DelayReason.QUOTA_MAIN, DelayReason.QUOTA_STATS, DelayReason.RETRY):
        SyncJob.objects.create(job_type="ENRICH", queue_id="video-processing", run_at=later, delay_reason=reason)
    html = part(moderator, "details")
    for bucket, count in ((Bucket.MAIN, 2), (Bucket.SEARCH, 0), (Bucket.STATS, 1)):
        link = re.search(r'<a href="/admin/syncjobs/syncjob/\?([^"]+)">(\d+)</a>', card(html, bucket))
        assert link
        assert int(link[2]) == filters.job_query(QueryDict(unescape(link[1]))).rows(1, 20)[1] == count


def test_a_closed_bucket_shows_when_and_why_it_closed(moderator: Client) -> None:
    quota.close(Bucket.STATS, "dailyLimitExceeded")
    html = card(part(moderator, "details"), Bucket.STATS)
    assert "Closed by YouTube" in html
    assert "dailyLimitExceeded" in html
    assert "Forecast" not in html
    assert "Closed by YouTube" in part(moderator, "gauges")


def test_without_data_there_is_no_forecast_yet(moderator: Client) -> None:
    SyncJob.objects.create(job_type="ENRICH", queue_id="video-processing", run_at=timezone.now())
    html = card(part(moderator, "details"), Bucket.MAIN)
    assert "No forecast yet: no data for" in html
    assert "at least 0" in html


def test_a_forecast_past_the_limit_warns(moderator: Client) -> None:
    SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), quota_estimated=12_345)
    html = card(part(moderator, "details"), Bucket.MAIN)
    assert "Over budget" in html
    assert "About 12,345 units are needed" in html


def test_the_chart_shows_thirty_days_with_their_limits(moderator: Client) -> None:
    today = quota_day(timezone.now())
    QuotaDay.objects.create(bucket="main", day=today - dt.timedelta(days=2), limit=9000, used=321)
    html = part(moderator, "history")
    chart = json.loads(unescape(re.search(r'<div id="quota-main" hidden>(.*?)</div>', html)[1]))  # type: ignore[index]
    used, limit = (line["values"] for line in chart["series"])
    assert (len(used), used[-3], limit[-3], limit[-1]) == (30, 321, 9000, None)
    assert chart["labels"][-3] == f"{today - dt.timedelta(days=2)}T00:00:00Z"
    assert html.count("No data") == 2


def test_a_forecast_is_over_budget_as_soon_as_its_known_part_is(moderator: Client) -> None:
    SyncJob.objects.create(job_type="ENRICH", queue_id="video-processing", run_at=timezone.now())
    SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), quota_estimated=12_345)
    html = card(part(moderator, "details"), Bucket.MAIN)
    assert "Over budget" in html
    assert "At least 12,345 units are needed" in html
    figures = next(each for each in stats_quota.today() if each.state.bucket == Bucket.MAIN)
    assert (figures.exceeds_limit, figures.forecast.units, figures.forecast.at_least) == (True, None, 12_345)


@pytest.mark.parametrize(
    ("used", "shown"),
    [
        (0, "10,000 left, 500 of them reserved for manual syncs"),
        (9_480, "520 left, 500 of them reserved for manual syncs"),
        (9_500, "500 left, for manual syncs only"),
        (9_900, "100 left, for manual syncs only"),
        (10_000, "Used up"),
    ],
)
def test_what_is_left_is_what_is_left(moderator: Client, used: int, shown: str, settings: LazySettings) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 10_000, 500
    QuotaDay.objects.create(bucket="main", day=quota_day(timezone.now()), limit=10_000, used=used)
    for html in (part(moderator, "gauges"), moderator.get("/admin/?part=quota", headers=HTMX).content.decode()):
        text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
        main = text.split("Main quota")[1].split("Searches")[0]
        assert shown in main
        assert ("reserved" in main) == ("reserved" in shown)
    assert f"{10_000 - used} left, {min(500, 10_000 - used)} of them reserved" in run_command("quota")


def test_the_dashboard_says_how_many_jobs_wait_for_quota_and_until_when(moderator: Client) -> None:
    until = timezone.now() + dt.timedelta(hours=5)
    for number in range(26):
        SyncJob.objects.create(
            job_type="FULL_SYNC",
            queue_id="video-sync",
            run_at=until + dt.timedelta(minutes=number),
            delay_reason=DelayReason.QUOTA_MAIN,
        )
    html = moderator.get("/admin/").content.decode()
    quota_part = html.split('id="part-quota"')[1].split("</section>")[0]
    assert "26 jobs wait for this quota" in quota_part
    assert f'datetime="{until:%Y-%m-%dT%H:%M:%S}' in quota_part
    link = re.search(r'href="/admin/syncjobs/syncjob/\?([^"]+)">\s*26 jobs', quota_part)
    assert link is not None
    assert filters.job_query(QueryDict(unescape(link[1]))).rows(1, 100)[1] == 26
