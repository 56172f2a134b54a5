"""The driver itself: a seed repeats its plan, each check sees what it is for, and a short run finds nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.db.models import F

from bands.models import ChannelProblem, Video
from syncjobs.choices import AttemptOutcome, JobStatus
from syncjobs.models import Attempt, JobError, QuotaCall, QuotaDay, SyncJob
from syncjobs.operations import queues
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.world import uploads
from tests.factories import PERSON, band_with_videos, failed_job, full_sync, queue_job
from tests.processes import ROOT

from . import clock, faults, invariants
from .load import Actions, People
from .plan import ACTIONS, FAULTS, make_plan

SHORT_SEED, SHORT_SECONDS = 371, 60


def test_a_seed_repeats_its_plan_and_another_seed_has_another() -> None:
    assert make_plan(7, 60) == make_plan(7, 60)
    assert make_plan(7, 60) != make_plan(8, 60)


def test_a_long_plan_has_every_fault_and_every_action() -> None:
    plan = make_plan(1, 600)
    assert {(step.part, step.name) for step in plan if step.is_fault} == {
        (part, name) for part, names in FAULTS.items() for name in names
    }
    assert {step.name for step in plan if not step.is_fault} == set(ACTIONS)
    assert all(hasattr(faults, f"_{part}") for part in FAULTS)
    assert all(hasattr(People, f"_{name}") for name in ACTIONS)


@pytest.fixture
def synced(transactional_db: None, youtube: Simulator) -> Simulator:
    """A band whose 60 videos have been synced."""
    band, _ = band_with_videos(youtube.world, 60)
    full_sync(band)
    return youtube


def _videos(youtube: Simulator) -> list[str]:
    world = youtube.control("GET", "world", {})
    ids = [video for channel in world for video in channel["videos"]]
    return list(invariants.videos(world, invariants.fetch_resources(youtube.url, youtube.key, ids)))


def test_no_check_objects_to_a_site_that_is_right(synced: Simulator, tmp_path: Path, settings: LazySettings) -> None:
    queues.pause_queue(PERSON, "video-sync")
    actions = Actions()
    actions.add("pause_queue", "video-sync", 200)
    log = synced.calls()
    shown = {"viewer": {str(job.pk): (job.status, job.videos_found) for job in SyncJob.objects.all()}}
    found = [
        *invariants.jobs(),
        *_videos(synced),
        *invariants.ledger(log),
        *invariants.counts(),
        *invariants.secrets(settings.YOUTUBE_API_KEY, tmp_path),
        *invariants.audit(actions, 0),
        *invariants.pages(shown),
    ]
    assert found == []


def test_a_job_that_has_not_ended_is_seen(synced: Simulator) -> None:
    job = queue_job()
    assert [f"job #{job.pk}" in violation for violation in invariants.jobs()] == [True]


def test_an_attempt_that_runs_after_its_job_and_a_failure_of_ours_are_seen(synced: Simulator) -> None:
    Attempt.objects.update(outcome=AttemptOutcome.RUNNING)
    assert ["though the job has ended" in violation for violation in invariants.jobs()] == [True]
    Attempt.objects.update(outcome=AttemptOutcome.SUCCEEDED)
    failed_job("a bug")
    JobError.objects.update(reason="internalError")
    assert ["by a bug of ours: a bug" in violation for violation in invariants.jobs()] == [True]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda youtube: Video.objects.first().delete(), "lacks 1 of 60"),  # type: ignore[union-attr]
        (lambda youtube: Video.objects.filter(pk=Video.objects.first().pk).update(title="Other"), "differ"),  # type: ignore[union-attr]
        (lambda youtube: youtube.world.remove(Video.objects.first().youtube_id), "the server does not have"),  # type: ignore[union-attr]
        (lambda youtube: Video.objects.first().band.__class__.objects.update(channel_problem=ChannelProblem.FORBIDDEN), "is flagged"),  # type: ignore[union-attr]
        (lambda youtube: Video.objects.update(details_pending=True), "wait for their details"),
    ],
)  # fmt: skip
def test_a_wrong_video_or_band_is_seen(synced: Simulator, damage: Callable[[Simulator], object], sentence: str) -> None:
    band = Video.objects.select_related("band").first().band  # type: ignore[union-attr]
    band.__class__.objects.filter(pk=band.pk).update(channel_reference=band.channel_id)
    damage(synced)
    assert [sentence in violation for violation in _videos(synced)] == [True], uploads(band.channel_id)


def test_a_call_that_the_ledger_lacks_is_seen(synced: Simulator) -> None:
    log = synced.calls()
    QuotaCall.objects.filter(pk__in=QuotaCall.objects.values("pk")[:1]).delete()
    found = list(invariants.ledger(log))
    assert len(found) == 3, found  # the operation, the day's sum, and the job's


def test_a_call_that_the_server_never_answered_is_explained(synced: Simulator) -> None:
    job = SyncJob.objects.get()
    day = QuotaDay.objects.get()
    row = {"bucket": day.bucket, "day": day.day, "operation": "videos.list", "units": 1, "job": job}
    QuotaCall.objects.create(**row)
    QuotaDay.objects.update(used=day.used + 1)
    SyncJob.objects.update(quota_used=job.quota_used + 1)
    assert list(invariants.ledger(synced.calls())) == []
    QuotaCall.objects.filter(http_status=None).update(http_status=200)
    assert ["responses" in violation for violation in invariants.ledger(synced.calls())] == [True]


def test_a_bucket_or_a_job_whose_units_are_not_its_calls_is_seen(synced: Simulator) -> None:
    QuotaDay.objects.update(used=F("used") + 1)
    assert ["bucket" in violation for violation in invariants.ledger(synced.calls())] == [True]
    SyncJob.objects.update(quota_used=F("quota_used") + 1)
    assert len(list(invariants.ledger(synced.calls()))) == 2


def test_a_count_that_is_not_the_number_of_rows_is_seen(synced: Simulator) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # Without the triggers that count.
        cursor.execute("UPDATE syncjobs_syncjob SET status = 'FAILED'")
        cursor.execute("SET session_replication_role = DEFAULT")
    assert ["differ from COUNT" in violation for violation in invariants.counts()] == [True]


def test_a_key_in_a_row_or_a_log_is_seen(synced: Simulator, tmp_path: Path) -> None:
    SyncJob.objects.update(band_name="with AIza-secret in it")
    (tmp_path / "one.log").write_text("GET /?key=AIza-secret")
    found = list(invariants.secrets("AIza-secret", tmp_path))
    assert any("syncjobs_syncjob" in violation for violation in found)
    assert "one.log contains the API key" in found


def test_an_audit_entry_too_few_or_too_many_is_seen(db: None) -> None:
    queues.pause_queue(PERSON, "video-sync")
    actions = Actions()
    assert len(list(invariants.audit(actions, 0))) == 1
    actions.add("pause_queue", "video-sync", None)
    assert list(invariants.audit(actions, 0)) == []
    actions.add("pause_queue", "maintenance", 200)
    assert len(list(invariants.audit(actions, 0))) == 1


def test_an_open_page_that_shows_something_else_is_seen(synced: Simulator) -> None:
    job = SyncJob.objects.get()
    assert list(invariants.pages({"viewer": {}})) != []
    assert list(invariants.pages({"viewer": {str(job.pk): (JobStatus.QUEUED, 0)}})) != []


@pytest.mark.parametrize(
    ("status", "answer", "is_wrong"),
    [
        ("200", {}, False),
        ("503", {"errors": [{"message": "The database is away."}]}, False),
        ("503", None, True),
        ("500", {"errors": [{"message": "Something went wrong."}]}, True),
        ("400", {"errors": [{"message": "Required."}]}, True),
        ("ConnectError", None, False),
    ],
)
def test_an_error_of_ours_or_one_without_a_sentence_is_seen(status: str, answer: object, is_wrong: bool) -> None:
    actions = Actions()
    actions.add_outcome("POST admin/sync-jobs/17/cancel?x=1", status, 0.1, answer)
    assert list(invariants.answers(actions)) == ([f"1 × {status} to POST admin/sync-jobs/N/cancel"] if is_wrong else [])


def test_a_traceback_in_a_log_is_seen(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("12:00 WARNING Waiting for the database\n")
    assert list(invariants.tracebacks(tmp_path)) == []
    traceback = 'Traceback (most recent call last):\n  File "x.py", line 1, in run\nKeyError: 1\n'
    (tmp_path / "two.log").write_text("12:00 ERROR It failed\n" + 2 * traceback)
    assert list(invariants.tracebacks(tmp_path)) == ["two.log has 2 tracebacks of KeyError: 1"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_can_be_moved(tmp_path: Path, seconds: int) -> None:
    library = clock.compile_library(tmp_path)
    code = "import time, multiprocessing as m; t = time.time(); m.Semaphore(0).acquire(timeout=0.01); print(t)"
    environment = os.environ | {"LD_PRELOAD": str(library), "CHAOS_CLOCK_SECONDS": str(seconds)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert abs(float(done.stdout) - time.time() - seconds) < 60


@pytest.mark.faults
@pytest.mark.timeout(420)
def test_a_short_run_finds_nothing() -> None:
    """A minute of load with faults of each part, from start to end about two."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seed", str(SHORT_SEED), "--minutes", str(SHORT_SECONDS / 60)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_short_run_has_a_fault_of_each_part() -> None:
    assert {step.part for step in make_plan(SHORT_SEED, SHORT_SECONDS) if step.is_fault} == set(FAULTS)
