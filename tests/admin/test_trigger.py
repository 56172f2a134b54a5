"""Triggering syncs, and the estimate of their cost."""

from __future__ import annotations

import datetime as dt
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bands.models import Band
from syncjobs.choices import JobType, Priority, Role
from syncjobs.engine.enqueue import band_key
from syncjobs.exceptions import InvalidInput
from syncjobs.models import QuotaDay, SyncJob, Worker
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from syncjobs.operations import queued_jobs, queues, triggers
from syncjobs.operations.estimates import band_units
from syncjobs.stats import estimates
from syncjobs.youtube.costs import quota_day
from tests.clients import DIALOG, MOST_QUERIES, PART, Api, listed_jobs, logged_in
from tests.factories import PERSON, make_band, queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/syncjobs/syncjob/add/"


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def bands(count: int, **fields: object) -> list[Band]:
    return [make_band(f"band-{n:02}", f"@band{n}", **fields) for n in range(count)]


def just_synced(band: Band) -> None:
    band.last_full_sync_at = timezone.now()
    band.save()


@pytest.mark.parametrize("method", ["get", "post"])
def test_triggering_needs_permission(method: str) -> None:
    make_band("herons", "@herons")
    assert getattr(Client(), method)(URL, {"scope": "all"}).status_code == 302
    assert getattr(logged_in(), method)(URL, {"scope": "all"}).status_code == 403
    assert not SyncJob.objects.exists()


def test_page_dialog_and_estimate_share_a_template(moderator: Client) -> None:
    band = make_band("herons", "@herons", channel_video_count=500)
    page = moderator.get(URL, {"band": band.pk}).content.decode()
    assert f'name="band" value="{band.pk}" checked' in page
    assert "<html" in page
    assert "<html" not in moderator.get(URL, headers=DIALOG).content.decode()
    part = moderator.get(URL, {"band": band.pk, "type": "FULL_SYNC"}, headers=PART).content.decode()
    assert "<form" not in part
    assert "<dd>21</dd>" in part


def test_triggering_one_band_redirects_to_its_job(moderator: Client) -> None:
    band = make_band("herons", "@herons")
    sent = {"scope": "some", "band": band.pk, "type": "FULL_SYNC", "priority": Priority.HIGH.value, "force": "1"}
    answer = moderator.post(URL, sent, headers=DIALOG)
    job = SyncJob.objects.get()
    assert answer.headers["HX-Redirect"] == f"/admin/syncjobs/syncjob/{job.pk}/change/"
    assert (job.band_id, job.job_type, job.priority) == (band.pk, JobType.FULL_SYNC, Priority.HIGH)
    assert job.params == {"force": True}
    again = moderator.post(URL, sent, follow=True)
    assert "was queued already." in again.content.decode()
    assert SyncJob.objects.count() == 1


def test_triggering_all_bands_creates_one_job(moderator: Client) -> None:
    bands(2)
    answer = moderator.post(URL, {"scope": "all", "type": "INCREMENTAL_SYNC"})
    job = SyncJob.objects.get()
    assert job.fans_out
    assert answer.headers["Location"] == f"/admin/syncjobs/syncjob/{job.pk}/change/"


def test_triggering_several_bands_redirects_to_a_list_of_their_jobs(moderator: Client) -> None:
    mine, other = bands(3), make_band("other", "@other")
    triggers.trigger_sync(PERSON, other, full=False)
    answer = moderator.post(URL, {"scope": "some", "band": [band.pk for band in mine], "type": "INCREMENTAL_SYNC"})
    queue_job(JobType.PRUNE)
    jobs = SyncJob.objects.filter(band__in=mine)
    assert sorted(listed_jobs(moderator.get(answer.headers["Location"]))) == sorted(jobs.values_list("pk", flat=True))
    assert set(parse_qs(urlsplit(answer.headers["Location"]).query)) == {"requested_by", "start_date", "end_date"}


def test_a_recently_synced_band_shows_an_error_and_can_be_forced(moderator: Client) -> None:
    band = make_band("herons", "@herons")
    just_synced(band)
    sent = {"scope": "some", "band": band.pk, "type": "FULL_SYNC"}
    answer = moderator.post(URL, sent)
    assert answer.status_code == 422
    assert "Herons was synced at" in answer.content.decode()
    assert "check “Include recently synced bands”" in answer.content.decode()
    assert not SyncJob.objects.exists()
    assert moderator.post(URL, sent | {"force": "1"}).status_code == 302


def test_refused_bands_are_listed(moderator: Client) -> None:
    good, silent = make_band("herons", "@herons"), make_band("silent")
    answer = moderator.post(URL, {"scope": "some", "band": [good.pk, silent.pk]}, follow=True)
    assert SyncJob.objects.get().band == good
    assert "Silent has no YouTube channel" in answer.content.decode()


def test_errors_are_shown_in_the_form(moderator: Client) -> None:
    make_band("herons", "@herons")
    for sent, expected in (
        ({"scope": "some"}, "Select a band, or all bands."),
        ({"scope": "some", "band": "999"}, "A selected band no longer exists."),
        ({"scope": "some", "named": "wrens"}, "No band is named “wrens”."),
        ({"scope": "all", "priority": "99"}, "Priority must be one of those listed."),
    ):
        answer = moderator.post(URL, sent, headers=DIALOG)
        assert answer.status_code == 422
        assert expected in answer.content.decode()
    assert not SyncJob.objects.exists()


def test_a_typed_name_selects_a_band_without_scripts(moderator: Client) -> None:
    band = make_band("herons", "@herons")
    page = moderator.get(URL, {"scope": "some", "named": "heron"}).content.decode()
    assert f'name="band" value="{band.pk}" checked' in page


def test_queries_do_not_grow_with_bands(moderator: Client) -> None:
    chosen, counts = bands(2), []
    for more in (0, 20):
        chosen += [make_band(f"more-{n}", f"@more{n}") for n in range(more)]
        with CaptureQueriesContext(connection) as queries:
            moderator.get(URL, {"band": [band.pk for band in chosen]})
        counts.append(len(queries))
    assert 4 < counts[0] == counts[1] <= MOST_QUERIES


# ---- Estimates and limits


def test_the_estimate_excludes_bands_that_would_be_refused() -> None:
    ready, recent, silent, idle = (
        make_band("ready", "@ready", channel_video_count=120),
        make_band("recent", "@recent"),
        make_band("silent"),
        make_band("idle", "@idle", is_active=False),
    )
    just_synced(recent)
    estimate = estimates.estimate([ready, recent, silent, idle], full=True)
    assert estimate.bands == 1
    assert (estimate.skipped_as_just_synced, estimate.skipped_as_unsyncable) == (1, 2)
    assert estimate.units == {"main": band_units(ready, full=True)}
    assert estimates.estimate([ready, recent, silent, idle], full=True, force=True).bands == 2
    # A delayed job counts too. An estimate for all bands has the same figures, and does not say that there is nothing to sync.
    job = queue_job(JobType.FULL_SYNC, band=ready, dedupe_key=band_key(JobType.FULL_SYNC, ready.pk))
    queued_jobs.delay(PERSON, job.pk, timezone.now() + dt.timedelta(hours=1))
    for chosen in ([ready, recent], None):
        estimate = estimates.estimate(chosen, full=True)
        assert (estimate.bands, estimate.units["main"], estimate.already_active) == (0, 0, 1)
        assert not estimate.is_nothing
    assert estimates.estimate(None, full=False).already_active == 0
    client = logged_in(Role.MODERATOR)
    html = _estimate(client, scope="all", type="FULL_SYNC")
    assert "1 band has such a job already, queued or running" in html
    assert "Nothing to sync" not in html
    html = _estimate(client, scope="all")
    assert "Each band with new videos takes about 2 more" in html
    assert set(Band.objects.syncable()) == {ready, recent}
    assert [band.sync_obstacle for band in (ready, recent, silent, idle)] == [None, None, "no-channel", "inactive"]


def test_the_estimate_shows_whether_the_quota_suffices(settings: object) -> None:
    settings.YOUTUBE_QUOTA_MAIN = 10  # type: ignore[attr-defined]
    assert not estimates.estimate([make_band("big", "@big", channel_video_count=5000)], full=True).fits_quota
    assert estimates.estimate([make_band("small", "@small", channel_video_count=50)], full=True).fits_quota


def test_the_estimated_time_is_that_of_similar_jobs() -> None:
    mine, other = bands(2)
    for band, seconds in ((mine, 10), (other, 1000)):
        job = queue_job(JobType.FULL_SYNC, band=band)
        end = timezone.now()
        start = end - dt.timedelta(seconds=seconds)
        SyncJob.objects.filter(pk=job.pk).update(status="COMPLETED", started_at=start, completed_at=end)
    assert estimates.estimate([mine], full=True).seconds_p50 == pytest.approx(10)
    assert estimates.estimate([mine, other], full=True).seconds_p50 == pytest.approx(505)
    assert estimates.estimate(None, full=True).seconds_p50 is None
    SyncJob.objects.update(band=None, fans_out=True, progress_total=20)
    assert estimates.estimate(None, full=True).seconds_p50 == pytest.approx(50.5)
    just_synced(mine)
    assert estimates.estimate(None, full=True).seconds_p50 == pytest.approx(25.25)
    assert estimates.estimate(None, full=True, force=True).seconds_p50 == pytest.approx(50.5)


def test_too_many_bands_at_once_are_refused() -> None:
    many = [Band(pk=n) for n in range(triggers.MAX_BANDS + 1)]
    with pytest.raises(InvalidInput, match="At most 200 bands"):
        triggers.trigger_bands(PERSON, many, full=False)


def test_each_band_has_its_own_result() -> None:
    good, silent = make_band("herons", "@herons"), make_band("silent")
    outcomes = triggers.trigger_bands(PERSON, [good, silent], full=False)
    assert outcomes[good.pk].job.band == good  # type: ignore[union-attr]
    assert json.dumps(str(outcomes[silent.pk])) == '"Silent has no YouTube channel. Add one, then sync."'


# ---- What the estimate must not hide


def _estimate(client: Client, **query: object) -> str:
    return client.get(URL, query, headers=PART).content.decode()


def test_the_estimate_says_what_it_takes_from_the_reserve(moderator: Client, settings: LazySettings) -> None:
    settings.YOUTUBE_QUOTA_MAIN, settings.YOUTUBE_QUOTA_RESERVED = 10_000, 500
    band = make_band("herons", "@herons", channel_video_count=2500)
    assert "Fits today" in _estimate(moderator, band=band.pk, type="FULL_SYNC")
    day = QuotaDay.objects.create(bucket="main", day=quota_day(timezone.now()), limit=10_000, used=9_480)
    estimate = estimates.estimate([band], full=True)
    assert (estimate.units["main"], estimate.from_reserve, estimate.fits_quota) == (101, 81, True)
    html = _estimate(moderator, band=band.pk, type="FULL_SYNC")
    assert "takes 81 of the units reserved for manual syncs" in html
    assert "badge-good" not in html
    day.used = 9_990
    day.save()
    assert (estimates.estimate([band], full=True).from_reserve, estimates.estimate([band], full=True).fits_quota) == (
        10,
        False,
    )


def test_estimate_list_and_job_say_that_the_queue_is_paused_and_by_whom(moderator: Client) -> None:
    Worker.objects.create(name="w@a", process_id=1, queues=["video-sync"], concurrency=1)
    band = make_band("herons", "@herons")
    job = queue_job(JobType.FULL_SYNC)
    pages = [
        lambda: _estimate(moderator, band=band.pk),
        lambda: moderator.get("/admin/syncjobs/syncjob/").content.decode(),
        lambda: moderator.get(f"/admin/syncjobs/syncjob/{job.pk}/change/").content.decode(),
    ]
    for page in pages:
        assert "aused by" not in page()
        assert "No worker is running" not in page()
    queues.pause_queue(PERSON, "video-sync", "channel clean-up")
    for page in pages:
        text = re.sub(r"<[^>]+>", " ", page())
        assert re.findall(r"(?i)queue (?:was )?paused(?: by )?(\w*)", text) == [PERSON.label]
    queues.resume_queue(PERSON, "video-sync")
    Worker.objects.update(heartbeat_at=timezone.now() - dt.timedelta(seconds=WORKER_SILENCE_SECONDS + 5))
    for page in pages:
        assert "No worker is running" in page()


def test_the_api_says_the_same_of_an_estimate() -> None:
    band = make_band("herons", "@herons")
    queues.pause_queue(PERSON, "video-sync")
    body = {"bandId": str(band.pk), "syncType": "FULL"}
    result = Api(Role.MODERATOR).post("admin/sync-jobs/estimate", body).json()
    assert (result["fromReserve"], result["queuePausedBy"], result["hasWorker"]) == (0, PERSON.label, False)


def test_trigger_is_disabled_with_the_reason_while_there_is_nothing_to_sync(moderator: Client) -> None:
    band = make_band("herons", "@herons")
    just_synced(band)
    button = re.compile(r"data-needs-estimate\s+disabled")
    form = moderator.get(URL, {"band": band.pk, "type": "FULL_SYNC"}, headers=DIALOG).content.decode()
    assert button.search(form)
    assert "Nothing to sync" in form
    assert "To sync anyway, check" in form
    assert not button.search(
        moderator.get(URL, {"band": band.pk, "type": "FULL_SYNC", "force": 1}, headers=DIALOG).content.decode()
    )
    assert "Select a band" in _estimate(moderator, scope="some")
    assert "No band is named “x”." in _estimate(moderator, scope="some", named="x")


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
def test_without_bands_the_first_steps_are_shown(role: Role) -> None:
    client = logged_in(role)
    for url in (URL, "/admin/"):
        html = client.get(url).content.decode()
        assert "There are no bands yet" in html
        assert ("Import bands" in html) == (role == Role.ADMIN)
        assert ("An admin has to add bands first" in html) == (role == Role.MODERATOR)
    assert "data-needs-estimate" not in client.get(URL).content.decode()
    assert "there is nothing to sync" in client.get("/admin/syncjobs/syncjob/").content.decode()
    make_band("herons", "@herons")
    assert "There are no bands yet" not in client.get("/admin/").content.decode()


def test_a_refusal_of_a_recent_sync_offers_to_sync_anyway(moderator: Client) -> None:
    band = make_band("herons", "@herons")
    band.last_incremental_sync_at = timezone.now()
    band.save()
    url = f"/admin/bands/band/{band.pk}/sync/"
    toast = json.loads(moderator.post(url, headers=PART).headers["HX-Trigger"])["toast"]
    assert toast["action"] == {"url": f"{url}?force=1", "label": "Sync anyway"}
    # The page writes these instants in the reader's time zone.
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", toast["text"])) == 2
    assert "Sync anyway" in moderator.get(toast["action"]["url"], headers=DIALOG).content.decode()
    assert "queued" in moderator.post(toast["action"]["url"], headers=PART).headers["HX-Trigger"]
    assert SyncJob.objects.get().params["force"] is True
    SyncJob.objects.all().delete()
    assert moderator.post(url).headers["Location"] == f"{url}?force=1"
    form = {"scope": "some", "band": [band.pk], "type": "INCREMENTAL_SYNC"}
    page = moderator.post(URL, form)
    assert page.status_code == 422
    assert 'name="force" value="1" class="btn' in page.content.decode()
    assert moderator.post(URL, form | {"force": "1"}).status_code == 302
