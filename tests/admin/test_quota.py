"""The quota page."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.conf import LazySettings
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from syncjobs.choices import DelayReason, Role
from syncjobs.engine import quota
from syncjobs.listing import filters
from syncjobs.models import QuotaCall, QuotaDay, SyncJob
from syncjobs.stats import quota as stats_quota
from syncjobs.stats import quota_usage
from syncjobs.youtube.costs import QUOTA_TIMEZONE, Bucket, Operation, quota_day
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
    return html.split(f'id="bucket-{bucket}"')[1].split("</article>")[0]


def test_permissions() -> None:
    assert Client().get("/admin/quota/").status_code == 302
    assert logged_in().get("/admin/quota/").status_code == 403
    moderator = logged_in(Role.MODERATOR)
    assert moderator.get("/admin/quota/").status_code == 200
    assert moderator.post("/admin/quota/").status_code == 405


def _table(client: Client, **query: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the rows of the table by their names, and the totals."""
    address = f"/admin/quota/?{urlencode({'part': 'today', **query})}"
    html = client.get(address, headers=HTMX).content.decode()
    body, foot = html.split("<tbody>")[-1].split("<tfoot>")
    rows = {}
    for row in body.split("<tr>")[1:]:
        cells = [" ".join(unescape(re.sub(r"<[^>]+>", "", cell)).split()) for cell in re.split(r"</t[hd]>", row)]
        rows[cells[0]] = cells[1:-1]
    return rows, re.findall(r"<strong>([^<]+)</strong>", foot)


def test_the_table_adds_up_whatever_it_is_grouped_by(moderator: Client) -> None:
    band, gone = make_band("<b>herons</b>"), make_band("gone")
    job = SyncJob.objects.create(
        job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), origin="ADMIN", requested_by_label="kim"
    )
    nightly = SyncJob.objects.create(
        job_type="STATS_REFRESH", queue_id="maintenance", run_at=timezone.now(), origin="SCHEDULE",
        requested_by_label="schedule: Nightly",
    )  # fmt: skip
    for operation, spender in (
        (Operation.PLAYLIST_ITEMS_LIST, quota.Spender(True, job.pk, "FULL_SYNC", band.pk)),
        (Operation.PLAYLIST_ITEMS_LIST, quota.Spender(True, job.pk, "FULL_SYNC", band.pk)),
        (Operation.VIDEOS_LIST, quota.Spender(False, None, "ENRICH", gone.pk)),
        (Operation.VIDEOS_BATCH_GET_STATS, quota.Spender(False, nightly.pk, "STATS_REFRESH")),
        (Operation.CHANNELS_LIST, quota.Spender(True)),
    ):
        call = quota.reserve(operation, spender)
    quota.record_result(call, status=404, reason="notFound", seconds=1.0, is_accepted=True)
    gone.delete()
    # Five units of the main bucket whose calls nobody has recorded.
    QuotaDay.objects.filter(bucket="main").update(used=9)
    unrecorded = {"No longer recorded": ["5", "0", "0"]}
    shown = {
        "operation": {
            "playlistItems.list": ["2", "0", "0"], "videos.list": ["1", "0", "0"], "channels.list": ["1", "0", "1"],
            "videos.batchGetStats": ["0", "1", "0"],
        },
        "job_type": {
            "Full sync": ["2", "0", "0"], "Video details": ["1", "0", "0"], "Statistics refresh": ["0", "1", "0"],
            "Not part of a job": ["1", "0", "1"],
        },
        "band": {"<B>Herons</B>": ["2", "0", "0"], "No band": ["1", "1", "1"], "Deleted band": ["1", "0", "0"]},
        "person": {
            "kim": ["2", "0", "0"], "Schedule “Nightly”": ["0", "1", "0"], "Deleted job": ["1", "0", "0"],
            "Not part of a job": ["1", "0", "1"],
        },
    }  # fmt: skip
    for grouping, expected in shown.items():
        rows, totals = _table(moderator, by=grouping)
        assert rows == expected | unrecorded, grouping
        sums = [sum(int(row[column]) for row in rows.values()) for column in range(3)]
        assert totals == [str(each) for each in sums] == ["9", "1", "1"], grouping
    html = part(moderator, "today")
    assert "<strong>9</strong> of 10,000 units used" in " ".join(card(html, Bucket.MAIN).split())
    assert _table(moderator, by="nonsense") == _table(moderator)


def test_the_table_sums_up_the_rows_that_it_leaves_out(moderator: Client) -> None:
    for number in range(23):
        band = make_band(f"band{number}")
        for _call in range(30 - number):
            quota.reserve(Operation.VIDEOS_LIST, quota.Spender(False, band_id=band.pk))
    rows, totals = _table(moderator, by="band")
    assert list(rows)[0::10] == ["Band0", "Band10", "3 others"]
    assert rows["3 others"] == [str(10 + 9 + 8), "0"]
    assert totals == [str(sum(int(units) for units, _failed in rows.values())), "0"]
    everything, same = _table(moderator, by="band", all="1")
    assert (len(everything), same) == (23, totals)
    # The grouping is part of the address: it survives a refresh, and list.js swaps the list alone.
    whole = moderator.get("/admin/quota/?by=band&all=1").content.decode()
    assert 'hx-get="/admin/quota/?part=today&amp;by=band&amp;all=1"' in whole
    swapped = moderator.get("/admin/quota/?by=person", headers=HTMX | {"X-List": "1"}).content.decode()
    assert swapped.strip().startswith('<div class="stack" id="list"')
    assert 'href="/admin/quota/?by=band"' in swapped


def test_a_bucket_is_drawn_by_hour_with_its_figures_in_a_table(moderator: Client) -> None:
    start = dt.datetime.combine(quota_day(timezone.now()), dt.time(), QUOTA_TIMEZONE)
    for _call in range(7):
        quota.reserve(Operation.VIDEOS_LIST, quota.Spender(False))
    QuotaCall.objects.filter(pk__in=QuotaCall.objects.values("pk")[:3]).update(at=start - dt.timedelta(seconds=1))
    html = card(part(moderator, "today"), Bucket.MAIN)
    rows = re.findall(r'<td class="number">(\d+)</td>\s*<td class="number">(\d+)</td>', html)
    assert rows[-1][1] == "7"
    assert sum(int(units) for units, _so_far in rows) == 7
    assert int(rows[0][0]) >= 3
    assert html.count("<svg viewBox") == 2
    assert "Limit: 10,000" in html
    assert "<svg viewBox" not in card(part(moderator, "today"), Bucket.SEARCH)


def test_a_bucket_without_use_says_so_instead_of_an_empty_plot(moderator: Client) -> None:
    SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), quota_estimated=300)
    html = card(part(moderator, "today"), Bucket.MAIN)
    assert "Forecast: 300" in html
    assert re.findall(r'<span class="day-scale".*', html) == [
        '<span class="day-scale" aria-hidden="true"><span>10,000</span><span>0</span></span>'
    ]
    assert '<p class="quiet small">Not used today</p>' in html
    assert html.count("<svg viewBox") == 1


@pytest.mark.parametrize(("day", "count"), [("2026-03-08", 23), ("2026-07-04", 24), ("2026-11-01", 25)])
def test_a_day_has_as_many_hours_as_it_has_in_california(day: str, count: int) -> None:
    hours = quota_usage.hours(dt.date.fromisoformat(day))[Bucket.MAIN]
    assert len(hours) == count
    assert {begin.astimezone(QUOTA_TIMEZONE).date().isoformat() for begin in hours} == {day}


def test_jobs_that_wait_for_a_bucket_match_the_list(moderator: Client) -> None:
    later = timezone.now() + dt.timedelta(hours=3)
    for reason in (DelayReason.QUOTA_MAIN, DelayReason.QUOTA_MAIN, DelayReason.QUOTA_STATS, DelayReason.RETRY):
        SyncJob.objects.create(job_type="ENRICH", queue_id="video-processing", run_at=later, delay_reason=reason)
    html = part(moderator, "today")
    for bucket, count in ((Bucket.MAIN, 2), (Bucket.STATS, 1)):
        link = re.search(r'<a [^>]*href="/admin/syncjobs/syncjob/\?([^"]+)">(\d+)</a>', card(html, bucket))
        assert link
        assert int(link[2]) == filters.job_query(QueryDict(unescape(link[1]))).rows(1, 20)[1] == count


def test_a_closed_bucket_shows_when_and_why_it_closed(moderator: Client) -> None:
    quota.close(Bucket.STATS, "dailyLimitExceeded")
    html = card(part(moderator, "today"), Bucket.STATS)
    assert "Closed by YouTube" in html
    assert "dailyLimitExceeded" in html
    assert "Forecast" not in html


def test_without_data_there_is_no_forecast_yet(moderator: Client) -> None:
    SyncJob.objects.create(job_type="ENRICH", queue_id="video-processing", run_at=timezone.now())
    html = card(part(moderator, "today"), Bucket.MAIN)
    assert "No forecast yet" in html
    assert (
        "It can't be said yet whether today's quota will last, because there is no data for 1 Video details job."
        in html
    )
    assert "at least 0" in html


def test_a_forecast_past_the_limit_warns(moderator: Client) -> None:
    SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), quota_estimated=12_345)
    html = card(part(moderator, "today"), Bucket.MAIN)
    assert "Over budget" in html
    assert "About 12,345 units are needed" in html
    figures = next(each for each in stats_quota.buckets() if each.state.bucket == Bucket.MAIN)
    left = figures.state.resets_at - figures.as_of
    assert figures.runs_out_at == figures.as_of + left * (10_000 / 12_345)
    assert re.search(r"Today's quota will run out about <time [^>]*data-time=\"clock\"", html)


@pytest.mark.parametrize(
    ("used", "planned", "verdict"),
    [
        (0, 0, "Not used today Nothing has been used today, and nothing is planned until the reset."),
        (40, 300, "On track Today's quota will last. About 340 of 10,000 units will be used by the reset."),
        (9_600, 0, "Manual syncs only What is left of today's quota is for manual syncs."),
        (10_000, 1, "Used up Today's quota is used up. Jobs that need it wait for the reset."),
    ],
)
def test_each_bucket_has_a_verdict(
    moderator: Client, used: int, planned: int, verdict: str, settings: LazySettings
) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 10_000, 500
    QuotaDay.objects.create(bucket="main", day=quota_day(timezone.now()), limit=10_000, used=used)
    if planned:
        SyncJob.objects.create(
            job_type="FULL_SYNC", queue_id="video-sync", run_at=timezone.now(), quota_estimated=planned
        )
    html = card(part(moderator, "today"), Bucket.MAIN)
    assert verdict in " ".join(re.sub(r"<[^>]+>", " ", html).split())
    # The forecast is the end of a sum; what is left is another list.
    assert re.search(r"Used by the reset \(forecast\).*?</dl>.*?<dt>Left now</dt>", html, re.DOTALL)


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
    html = card(part(moderator, "today"), Bucket.MAIN)
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
    main, dashboard = (
        " ".join(re.sub(r"<[^>]+>", " ", html).split()).split("Main quota")[1].split("Searches")[0]
        for html in (part(moderator, "today"), moderator.get("/admin/?part=quota", headers=HTMX).content.decode())
    )
    assert shown in main
    assert ("reserved" in main) == ("reserved" in shown)
    assert "of them" in shown or shown in dashboard
    reserved = min(500, 10_000 - used)
    assert f"Left at reset {10_000 - used - reserved:,} Reserved {reserved} " in dashboard
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
