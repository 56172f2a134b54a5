"""Triggering syncs, single videos and maintenance."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncjobs.audit.actors import Actor
from syncjobs.choices import JobStatus, JobType, Priority
from syncjobs.engine import outcomes as engine_outcomes
from syncjobs.exceptions import Conflict, InvalidInput, NoChannel, NotFound, RecentlySynced
from syncjobs.models import AuditEntry, SyncJob
from syncjobs.operations import jobs as job_operations
from syncjobs.operations import triggers
from tests.factories import PERSON, SCHEDULE, claim, make_band

pytestmark = pytest.mark.django_db
CHANNEL = "UCabcdefghijklmnopqrstuv"


@pytest.mark.django_db(transaction=True)
def test_simultaneous_equal_triggers_create_one_job() -> None:
    band = make_band(reference=CHANNEL)

    def trigger(_: int) -> tuple[int, bool]:
        try:
            created = triggers.trigger_sync(PERSON, band, full=True)
            return created.job.pk, created.is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(trigger, range(16)))
    assert len({job_id for job_id, _ in results}) == 1 == SyncJob.objects.count()
    assert sum(is_new for _, is_new in results) == 1


def test_manual_jobs_run_before_scheduled_ones() -> None:
    first = triggers.trigger_sync(SCHEDULE, make_band("a", CHANNEL), full=True).job
    second = triggers.trigger_sync(PERSON, make_band("b", CHANNEL), full=True).job
    urgent = triggers.trigger_sync(PERSON, make_band("c", CHANNEL), full=True, priority=Priority.URGENT).job
    assert [claim().job_id for _ in range(3)] == [urgent.pk, second.pk, first.pk]


def test_a_recently_synced_band_is_synced_again_only_if_forced() -> None:
    now = timezone.now()
    band = make_band(reference=CHANNEL, last_full_sync_at=now)
    for full in (True, False):
        with pytest.raises(RecentlySynced) as refused:
            triggers.trigger_sync(PERSON, band, full=full)
        assert refused.value.details["allowed_at"] == now + dt.timedelta(seconds=900)
    assert triggers.trigger_sync(PERSON, band, full=True, force=True).is_new
    assert list(AuditEntry.objects.order_by("pk").values_list("result", flat=True)) == ["recently_synced"] * 2 + ["ok"]


def test_a_refused_trigger_says_why() -> None:
    with pytest.raises(NoChannel, match="has no YouTube channel"):
        triggers.trigger_sync(PERSON, make_band("a"), full=True)
    with pytest.raises(Conflict, match="inactive"):
        triggers.trigger_sync(PERSON, make_band("b", CHANNEL, is_active=False), full=True)
    with pytest.raises(InvalidInput) as refused:
        triggers.trigger_sync(PERSON, make_band("c", CHANNEL), full=True, priority=7)
    assert refused.value.field == "priority"
    with pytest.raises(InvalidInput, match="is not a video"):
        triggers.trigger_video(PERSON, "nonsense")
    assert SyncJob.objects.count() == 0


def test_a_job_being_cancelled_does_not_answer_a_new_trigger() -> None:
    band = make_band(reference=CHANNEL)
    job = triggers.trigger_sync(PERSON, band, full=True).job
    attempt = claim()
    job_operations.cancel_job(PERSON, job.pk)
    with pytest.raises(Conflict, match="being cancelled"):
        triggers.trigger_sync(PERSON, band, full=True, force=True)
    engine_outcomes.acknowledge_cancel(attempt)
    assert triggers.trigger_sync(PERSON, band, full=True, force=True).is_new


def test_every_trigger_for_a_deleted_band_is_refused() -> None:
    band = make_band(reference=CHANNEL)
    type(band).objects.filter(pk=band.pk).delete()
    with pytest.raises(NotFound):
        triggers.trigger_video(PERSON, "dQw4w9WgXcQ", band)
    with pytest.raises(NotFound):
        triggers.trigger_maintenance(PERSON, JobType.STATS_REFRESH, band)


def test_a_deleted_band_does_not_stop_the_others_from_being_triggered() -> None:
    gone, there = make_band("a", CHANNEL), make_band("b", CHANNEL)
    type(gone).objects.filter(pk=gone.pk).delete()
    outcomes = triggers.trigger_bands(PERSON, [gone, there], full=True)
    assert isinstance(outcomes[gone.pk], NotFound)
    assert SyncJob.objects.get().band == there


@pytest.mark.parametrize(
    ("actor", "full", "bands"),
    [
        (PERSON, True, "recently synced bands"),
        (SCHEDULE, True, "recently synced bands"),
        (SCHEDULE, False, "the bands that push and feeds watch"),
        (PERSON, False, ""),
    ],
)
def test_what_force_changes_is_said_of_all_bands_jobs_that_leave_bands_out(
    actor: Actor, full: bool, bands: str
) -> None:
    """A person's incremental sync asks for all bands in any case."""

    def said(*, force: bool) -> str:
        return triggers.describe(triggers.trigger_sync(PERSON, None, full=full, force=force))

    triggers.trigger_sync(actor, None, full=full)
    SyncJob.objects.update(status=JobStatus.IN_PROGRESS)
    assert said(force=True).endswith(
        f"It leaves out {bands}, because it has started." if bands else "running already, as it was asked for before."
    )
    SyncJob.objects.update(status=JobStatus.QUEUED)
    now, before = said(force=True), said(force=False)
    assert (f"It now includes {bands}." in now) == bool(bands)
    assert (f"It includes {bands}, because somebody asked for that before." in before) == bool(bands)
    assert ("includes" in now + before) == bool(bands)


def test_a_raised_job_of_one_band_is_not_estimated_again() -> None:
    band = make_band("a", CHANNEL)
    triggers.trigger_sync(SCHEDULE, band, full=True)
    with CaptureQueriesContext(connection) as captured:
        raised = triggers.trigger_sync(PERSON, band, full=True, force=True)
    assert raised.changed == {"priority", "force"}
    assert not [each["sql"] for each in captured if 'FROM "bands_band" WHERE "bands_band"."id"' in each["sql"]]
