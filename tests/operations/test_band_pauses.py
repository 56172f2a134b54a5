"""Paused bands: their jobs wait and are counted so, all other work goes on, and a resume drains them."""

from __future__ import annotations

import datetime as dt
import json
import threading

import pytest
from django.db import connections, transaction
from django.utils import timezone

from bands.models import Band
from syncjobs.alerts import rounds
from syncjobs.choices import DelayReason, JobStatus, Role
from syncjobs.engine import clock, enqueue, outcomes, quota, reconcile
from syncjobs.engine.claim import claim_next
from syncjobs.engine.enqueue import Created
from syncjobs.exceptions import InvalidInput, NotFound
from syncjobs.models import Alert, AlertRound, AuditEntry, JobChange, QuotaDay, SyncJob, Worker
from syncjobs.operations import band_pauses, bands, jobs, queues, triggers
from syncjobs.stats import estimates
from syncjobs.stats import queues as stats_queues
from syncjobs.stats import quota as stats_quota
from syncjobs.sync import fan_out
from syncjobs.youtube.costs import Bucket
from tests.clients import DIALOG, Api, logged_in
from tests.concurrency import in_thread, start_and_wait_for_lock
from tests.factories import PERSON, SCHEDULE, claim, fanned_out, make_band, queue_job, run_next, wait_for, worker

CHANNEL = "UCabcdefghijklmnopqrstuv"
QUEUE = "video-sync"


def _state() -> stats_queues.QueueState:
    return next(queue for queue in stats_queues.queues() if queue.name == QUEUE)


def _round() -> None:
    """Run a round of the rules and one of the forecast."""
    for _ in range(2):
        AlertRound.objects.update(due_at=timezone.now())
        assert rounds.run_if_due() is not None


def _pause(band: Band, reason: str = "Channel is moving") -> None:
    band_pauses.pause_band(PERSON, band.pk, reason)


@pytest.mark.django_db
def test_jobs_of_a_paused_band_wait_and_are_counted_so() -> None:
    band, other = make_band("herons", CHANNEL), make_band("owls", "UC" + "o" * 22)
    held = triggers.trigger_sync(PERSON, band, full=True, priority=40).job
    later = triggers.trigger_sync(PERSON, band, full=False).job
    SyncJob.objects.filter(pk=later.pk).update(run_at=timezone.now() + dt.timedelta(hours=1))
    free, without = triggers.trigger_sync(PERSON, other, full=True).job, queue_job()
    _pause(band)
    band.refresh_from_db()
    assert (band.paused_by, band.pause_reason) == ("pat", "Channel is moving")
    state = _state()
    # By their own time, as in a paused queue; and how many of both can't start.
    assert (state.waiting, state.delayed, state.of_paused_bands) == (3, 1, 2)
    assert state.oldest_waiting_since == free.run_at
    positions = dict(SyncJob.objects.with_queue_position().values_list("pk", "queue_position"))
    assert positions == {held.pk: None, later.pk: None, free.pk: 1, without.pk: 2}
    assert list(SyncJob.objects.runnable().in_claim_order()) == [free, without]
    assert set(SyncJob.objects.of_paused_bands()) == {held, later}
    assert [claim().job_id, claim().job_id] == [free.pk, without.pk]
    assert claim_next(QUEUE, worker()) is None
    assert _state().oldest_waiting_since is None
    assert not reconcile.reconcile().wake_ups_sent
    assert band_pauses.resume_band(PERSON, band.pk)
    assert not band_pauses.resume_band(PERSON, band.pk)
    assert (_state().of_paused_bands, _state().oldest_waiting_since) == (0, held.run_at)
    assert claim().job_id == held.pk


@pytest.mark.django_db
def test_a_pause_is_audited_and_its_reason_is_replaced_by_people_only() -> None:
    band = make_band("herons", CHANNEL)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    assert band_pauses.pause_band(PERSON, band.pk, " first ")
    assert JobChange.objects.filter(job_id=job.pk).count() == 2
    assert not band_pauses.pause_band(SCHEDULE, band.pk, "second")
    assert Band.objects.get().pause_reason == "first"
    assert not band_pauses.pause_band(PERSON, band.pk, "third")
    since = Band.objects.get().paused_at
    assert Band.objects.get().pause_reason == "third"
    assert Band.objects.get().paused_at == since
    entries = AuditEntry.objects.filter(action="pause_band").order_by("pk")
    assert [(entry.message, entry.data["paused"]) for entry in entries] == [
        ("first", True), ("second", False), ("third", False)
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="at most 500"):
        band_pauses.pause_band(PERSON, band.pk, "x" * 501)
    with pytest.raises(InvalidInput):
        band_pauses.pause_band(PERSON, band.pk, "a\x1b[2Jb")
    for change in (band_pauses.pause_band, band_pauses.resume_band):
        with pytest.raises(NotFound):
            change(PERSON, 99999)
    # Editing the band keeps the pause; a queue's resume wakes no worker for it.
    bands.change(PERSON, band.pk, {"city": "Reno"})
    assert Band.objects.get().paused_at == since
    queues.pause_queue(PERSON, QUEUE)
    queues.resume_queue(PERSON, QUEUE)
    assert claim_next(QUEUE, worker()) is None


@pytest.mark.django_db(transaction=True)
def test_an_all_bands_job_goes_on_without_a_paused_band() -> None:
    """Otherwise the next all-bands sync would be answered with it, and no band would be synced during the pause."""
    parent, children = fanned_out(2)
    paused, other = make_band("p1", "UC" + "p" * 22), make_band("p2", "UC" + "q" * 22)
    SyncJob.objects.filter(pk=children[0].pk).update(band=paused)
    SyncJob.objects.filter(pk=children[1].pk).update(band=other)
    _pause(paused)
    assert claim().job_id == children[1].pk
    parent.refresh_from_db()
    assert parent.status == JobStatus.IN_PROGRESS
    outcomes.complete(children[1].attempts.get())
    parent.refresh_from_db()
    assert parent.status == JobStatus.COMPLETED
    assert "Without 1 job of a paused band" in parent.events.order_by("pk").last().message  # type: ignore[union-attr]
    band_pauses.resume_band(PERSON, paused.pk)
    outcomes.complete(claim())
    assert SyncJob.objects.get(pk=children[0].pk).status == JobStatus.COMPLETED
    assert SyncJob.objects.get(pk=parent.pk).progress_done == 2


@pytest.mark.django_db(transaction=True)
def test_a_pause_completes_the_parent_that_only_waits_for_the_band() -> None:
    parent, children = fanned_out(1)
    band = make_band("p1", CHANNEL)
    SyncJob.objects.filter(pk=children[0].pk).update(band=band)
    _pause(band)
    parent.refresh_from_db()
    assert parent.status == JobStatus.COMPLETED
    # A child that runs when its band is paused, and returns to the queue, is found by the reconciler.
    band_pauses.resume_band(PERSON, band.pk)
    SyncJob.objects.filter(pk=parent.pk).update(status=JobStatus.IN_PROGRESS, completed_at=None)
    attempt = claim()
    _pause(band)
    parent.refresh_from_db()
    assert parent.status == JobStatus.IN_PROGRESS
    outcomes.release(attempt, "The worker stops.")
    assert reconcile.reconcile().parents_completed == 1


@pytest.mark.django_db
def test_triggers_and_estimates_meet_a_paused_band() -> None:
    band, other = make_band("herons", CHANNEL), make_band("owls", "UC" + "o" * 22)
    _pause(band)
    found = estimates.estimate(None, full=True)
    assert (found.bands, found.paused_bands) == (1, 1)
    band.refresh_from_db()
    assert estimates.estimate([band, other], full=True).paused_bands == 1
    job = triggers.trigger_sync(SCHEDULE, band, full=True).job
    assert not triggers.trigger_sync(SCHEDULE, band, full=True).is_new
    assert claim_next(QUEUE, worker()) is None
    SyncJob.objects.filter(pk=job.pk).update(status=JobStatus.FAILED)
    assert jobs.retry_job(PERSON, job.pk).is_new
    assert claim_next(QUEUE, worker()) is None
    api = Api(Role.MODERATOR)
    answer = api.post("admin/sync-jobs/trigger", {"bandId": str(band.pk), "syncType": "FULL"}).json()
    assert "its band is paused" in answer["message"]


@pytest.mark.django_db
def test_a_paused_band_neither_probes_youtube_nor_counts_in_the_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    noon = timezone.now()
    monkeypatch.setattr(clock, "now", lambda: noon)
    band = make_band("herons", CHANNEL)
    held = triggers.trigger_sync(PERSON, band, full=True).job
    SyncJob.objects.update(quota_estimated=70)
    needed = {state.bucket: forecast.queued for state, forecast in stats_quota.forecasts(noon)}
    assert needed[Bucket.MAIN] == 70
    _pause(band)
    needed = {state.bucket: forecast.queued for state, forecast in stats_quota.forecasts(noon)}
    assert needed[Bucket.MAIN] == 0
    quota.close(Bucket.MAIN, "quotaExceeded")
    QuotaDay.objects.update(closed_at=None, probe_at=noon)
    free = queue_job()
    SyncJob.objects.update(run_at=noon + dt.timedelta(hours=1), delay_reason=DelayReason.QUOTA_MAIN)
    assert quota.wake_delayed() == 1
    assert list(SyncJob.objects.waiting()) == [free]
    assert SyncJob.objects.of_paused_bands().get() == held


@pytest.mark.django_db
def test_alerts_are_about_the_pause_and_not_about_its_jobs() -> None:
    band = make_band("herons", CHANNEL)
    triggers.trigger_sync(PERSON, band, full=True)
    Worker.objects.create(name="w", process_id=1, queues=[QUEUE], concurrency=1)
    long_ago = timezone.now() - dt.timedelta(days=10)
    SyncJob.objects.update(run_at=long_ago)
    Band.objects.update(created_at=long_ago)
    _pause(band)
    _round()
    assert not Alert.objects.filter(rule__in=("old_job", "band_stale", "band_paused")).exists()
    Band.objects.update(paused_at=timezone.now() - dt.timedelta(hours=25))
    _round()
    alert = Alert.objects.get(rule="band_paused")
    assert (alert.subject_type, alert.subject_id) == ("band", str(band.pk))
    html = logged_in(Role.MODERATOR).get("/admin/syncjobs/alert/").content.decode()
    assert "has been paused since" in html
    assert f"/admin/bands/band/{band.pk}/resume/" in html


# ---- Skins


@pytest.mark.django_db
def test_the_api_pauses_and_resumes_a_band() -> None:
    band, api = make_band("herons", CHANNEL), Api(Role.MODERATOR)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    address = f"bands/{band.pk}"
    assert Api("nobody").post(f"{address}/pause", {"reason": "x"}).status_code == 401
    assert api.post(f"{address}/pause", {"reason": "Moving"}).json() == {"message": "Herons is paused."}
    assert api.post(f"{address}/pause").json() == {"message": "Herons was paused already."}
    shown = api.get(f"bands/{band.pk}").json()
    assert (shown["pausedBy"], shown["pauseReason"]) == ("MODERATOR", "Moving")
    assert shown["pausedAt"]
    assert [each["id"] for each in api.get("bands?health=paused").json()["data"]] == [str(band.pk)]
    assert [each["id"] for each in api.get("admin/sync-jobs?due=paused").json()["data"]] == [str(job.pk)]
    detail = api.get(f"admin/sync-jobs/{job.pk}").json()
    assert (detail["queuePosition"], detail["bandPausedBy"]) == (None, "MODERATOR")
    status = {queue["name"]: queue["ofPausedBands"] for queue in api.get("admin/queue/status").json()}
    assert status[QUEUE] == 1
    assert api.post(f"{address}/resume").json() == {"message": "Herons is resumed."}
    assert api.post(f"{address}/resume").json() == {"message": "Herons was not paused."}
    assert api.post("bands/99999/pause").status_code == 404


@pytest.mark.django_db
def test_the_admin_pauses_and_resumes_bands() -> None:
    band, other, client = make_band("herons", CHANNEL), make_band("owls", "UC" + "o" * 22), logged_in(Role.MODERATOR)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    address = f"/admin/bands/band/{band.pk}"
    assert f"{address}/pause/" in client.get(f"{address}/change/").content.decode()
    assert client.get(f"{address}/pause/").status_code == 200
    answer = client.post(f"{address}/pause/", {"reason": "Moving"}, headers=DIALOG)
    assert "is paused" in json.loads(answer["HX-Trigger"])["toast"]["text"]
    page = client.get(f"{address}/change/").content.decode()
    assert f"{address}/resume/" in page
    assert "Moving" in page
    assert "Only jobs of paused bands wait" in client.get("/admin/").content.decode()
    for url in (
        f"/admin/syncjobs/syncjob/{job.pk}/change/",
        "/admin/syncjobs/syncjob/",
        "/admin/bands/band/?health=paused",
    ):
        assert "aused" in client.get(url).content.decode(), url
    assert "owls" not in client.get("/admin/bands/band/?health=paused&part=rows").content.decode().split("data-rows")[1]
    assert client.post(f"{address}/resume/").status_code == 302
    assert not Band.objects.paused().exists()
    both = f"band={band.pk}&band={other.pk}"
    assert client.get(f"/admin/bands/band/pause/?{both}").status_code == 200
    assert client.post(f"/admin/bands/band/pause/?{both}", {"reason": "Summer"}).status_code == 302
    assert Band.objects.paused().filter(pause_reason="Summer").count() == 2
    assert client.post(f"/admin/bands/band/resume/?{both}").status_code == 302
    assert not Band.objects.paused().exists()


# ---- Races


@pytest.mark.django_db(transaction=True)
def test_no_claim_commits_after_a_band_is_paused() -> None:
    band = make_band("herons", CHANNEL)
    triggers.trigger_sync(PERSON, band, full=True)
    triggers.trigger_sync(PERSON, band, full=False)
    with transaction.atomic():
        assert claim_next(QUEUE, worker("slow")) is not None
        pausing = start_and_wait_for_lock(lambda: band_pauses.pause_band(PERSON, band.pk))
    assert pausing.result(20)
    assert claim_next(QUEUE, worker()) is None


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_waits_for_the_pause_of_a_band_takes_another_job() -> None:
    band = make_band("herons", CHANNEL)
    triggers.trigger_sync(PERSON, band, full=True)
    other = queue_job()
    with transaction.atomic():
        _pause(band)
        claiming = start_and_wait_for_lock(lambda: claim_next(QUEUE, worker()))
    attempt = claiming.result(20)
    assert attempt is not None
    assert attempt.job_id == other.pk


@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_queued_during_the_pause_waits_and_blocks_nobody() -> None:
    band = make_band("herons", CHANNEL)
    with transaction.atomic():
        job = triggers.trigger_sync(PERSON, band, full=True).job
        # The new job refers to the band's row, which the pause changes.
        done = threading.Event()

        def pause() -> None:
            band_pauses.pause_band(PERSON, band.pk)
            done.set()
            connections.close_all()

        threading.Thread(target=pause).start()
        wait_for(done.is_set, what="the pause to commit")
    assert list(SyncJob.objects.of_paused_bands()) == [job]
    assert claim_next(QUEUE, worker()) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_before", [True, False])
def test_a_pause_while_an_all_bands_job_queues_the_band_blocks_nobody(
    is_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    band = make_band("herons", CHANNEL)

    def create_during_pause(jobs: list[SyncJob], **options: bool) -> list[Created]:
        if is_before:
            in_thread(lambda: _pause(band))
        created = enqueue.create_jobs(jobs, **options)
        if not is_before:
            in_thread(lambda: _pause(band))
        return created

    monkeypatch.setattr(fan_out, "create_jobs", create_during_pause)
    triggers.trigger_sync(PERSON, None, full=True)
    parent = run_next()
    assert (parent.status, parent.children.get().status) == (JobStatus.COMPLETED, JobStatus.QUEUED)
    assert claim_next(QUEUE, worker()) is None
