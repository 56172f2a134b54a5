"""Real Celery workers that are killed, frozen, hung and restarted, while YouTube and Redis fail too."""

from __future__ import annotations

import signal

import pytest
import redis
from django.apps import apps
from django.conf import LazySettings
from django.db import connection
from django.db.models import Sum

from bands.models import NoticedBy, Video
from syncjobs.choices import AttemptOutcome, JobStatus, JobType
from syncjobs.models import Attempt, QuotaCall, SyncJob
from syncjobs.operations import jobs, queues, triggers
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.factories import PERSON, band_with_videos, queue_job, wait_for
from tests.processes import Workers

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(280)]

PASSING = (
    "backendError",
    "unavailable",
    "drop",
    "truncate",
    "garbage",
    "perMinute429",
    "userRateLimitExceeded",
    "redirect",
)


def _everything_written() -> str:
    """Return all rows of our tables and of the Celery results."""
    apps_with_rows = ("bands", "syncjobs", "django_celery_results")
    tables = [model._meta.db_table for app in apps_with_rows for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT t::text FROM {table} t" for table in tables))
        return "".join(text for (text,) in cursor.fetchall())


def _state(workers: Workers) -> str:
    """Return the active jobs, their attempts and the end of each log."""
    active = SyncJob.objects.active().values(
        "pk", "status", "run_at", "attempts_made", "failures_in_a_row", "checkpoint"
    )
    attempts = Attempt.objects.filter(job__in=SyncJob.objects.active()).order_by("pk").values()
    logs = [workers.log(name)[-3000:] for name in workers.running]
    return "\n".join(map(str, [*active, *attempts, *logs]))


def test_20_full_syncs_survive_killed_workers_a_flushed_redis_and_every_temporary_fault(
    workers: Workers, youtube: Simulator, broker: redis.Redis, settings: LazySettings
) -> None:
    sizes = {}
    for number in range(20):
        band, channel = band_with_videos(youtube.world, 60 + 17 * number, f"band{number}")
        sizes[band.pk] = len(youtube.world.playlists["UU" + channel.id[2:]])
    youtube.faults.latency = 0.05
    youtube.faults.add(*(Fault(name, probability=0.01, echo_key=True) for name in PASSING))
    youtube.faults.add(Fault("invalidPageToken", operation="playlistItems.list", times=3, after=20, echo_key=True))
    youtube.faults.add(Fault("hang", times=2, after=60))
    workers.start("one")
    workers.start("two")
    parent = triggers.trigger_sync(PERSON, None, full=True).job

    def progress() -> int:
        return Video.objects.count()

    wait_for(lambda: progress() > 600, 60, "the first videos")
    workers.kill("one")
    broker.flushall()
    workers.start("one", wait=False)
    wait_for(lambda: progress() > 1800, 60, "more videos")
    workers.kill("two")
    workers.start("two", wait=False)
    wait_for(lambda: SyncJob.objects.active().count() == 0, 200, lambda: f"all jobs to end: {_state(workers)}")

    children = SyncJob.objects.filter(parent=parent)
    assert set(children.values_list("status", "error_count")) == {(JobStatus.COMPLETED, 0)}
    assert {job.band_id: job.videos_found for job in children} == sizes
    # On a slow machine, the feeds are read meanwhile. What they notice first, no job adds.
    added_by_jobs = Video.objects.exclude(noticed_by=NoticedBy.FEED).count()
    assert children.aggregate(Sum("videos_added")) == {"videos_added__sum": added_by_jobs}
    assert set(Video.objects.values_list("youtube_id", flat=True)) == set(youtube.world.videos)
    parent.refresh_from_db()
    assert parent.status == JobStatus.COMPLETED
    assert Attempt.objects.filter(outcome=AttemptOutcome.LOST).exists()
    assert QuotaCall.objects.count() >= len(youtube.calls())
    key = settings.YOUTUBE_API_KEY
    assert key not in _everything_written()
    assert key not in workers.logs()
    assert all(key not in call["path"] for call in youtube.calls())


def test_a_frozen_worker_that_wakes_up_late_changes_nothing(workers: Workers, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 500)
    youtube.faults.latency = 0.2
    workers.start("frozen", concurrency=1)
    job = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).videos_found >= 100)
    workers.signal("frozen", signal.SIGSTOP)
    workers.start("awake", concurrency=1)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).attempts_made == 2, 30, "the job to be taken over")
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).videos_found >= 300, 30, "the new attempt's progress")
    workers.signal("frozen", signal.SIGCONT)
    # It loses its database session too if it was frozen in a transaction. Either way it says that it was superseded.
    wait_for(lambda: "superseded" in workers.log("frozen"), 30, lambda: f"the old attempt to notice: {_state(workers)}")
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 30)
    job.refresh_from_db()
    assert (job.status, job.videos_found, job.videos_added) == (JobStatus.COMPLETED, 500, 500)
    outcomes = list(job.attempts.order_by("number").values_list("worker", "outcome"))
    assert outcomes == [("frozen@test", AttemptOutcome.LOST), ("awake@test", AttemptOutcome.SUCCEEDED)]


def test_a_hung_job_is_killed_after_the_grace_period_and_its_worker_continues(
    workers: Workers, youtube: Simulator
) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    youtube.faults.add(Fault("hang", after=1))
    workers.start("hung", concurrency=1, YOUTUBE_TIMEOUT_SECONDS="120")
    job = queue_job(band=band)
    wait_for(lambda: len(youtube.calls()) >= 2, what="the job to hang")
    process = job.attempts.get().process_id
    jobs.cancel_job(PERSON, job.pk)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 20, "the job to be killed")
    job.refresh_from_db()
    assert (job.status, job.attempts.get().outcome) == (JobStatus.CANCELLED, AttemptOutcome.KILLED)
    assert job.cancel_requested_at < job.cancel_acknowledged_at <= job.completed_at
    youtube.faults.clear()
    again = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=again.pk).is_terminal, 30, "the next job")
    again.refresh_from_db()
    assert again.status == JobStatus.COMPLETED
    assert again.attempts.get().process_id != process


def test_a_pause_survives_a_restart_of_every_process(workers: Workers, youtube: Simulator, broker: redis.Redis) -> None:
    band, _ = band_with_videos(youtube.world, 60)
    workers.start("before")
    queues.pause_queue(PERSON, "video-sync", "maintenance window")
    workers.kill("before")
    broker.flushall()
    job = queue_job(band=band)
    workers.start("after")
    wait_for(lambda: broker.llen("video-sync") == 0, what="the wake-up to be consumed")
    other = triggers.trigger_maintenance(PERSON, "STATS_REFRESH").job  # type: ignore[arg-type]
    wait_for(lambda: SyncJob.objects.get(pk=other.pk).is_terminal, what="a job of another queue to run")
    assert SyncJob.objects.get(pk=job.pk).attempts_made == 0
    queues.resume_queue(PERSON, "video-sync")
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).status == JobStatus.COMPLETED, what="the queue to drain")


def test_a_stopping_worker_releases_its_job(workers: Workers, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 600)
    youtube.faults.latency = 0.15
    workers.start("leaving", concurrency=1)
    job = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).videos_found >= 100)
    workers.terminate("leaving")
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).status == JobStatus.QUEUED, 15, "the job to come back")
    assert job.attempts.get().outcome == AttemptOutcome.RELEASED
    workers.running["leaving"].wait(20)
    workers.start("next", concurrency=1)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 60)
    job.refresh_from_db()
    assert (job.status, job.videos_added, job.failures_in_a_row) == (JobStatus.COMPLETED, 600, 0)


def test_a_lost_wake_up_costs_no_job(workers: Workers, youtube: Simulator, broker: redis.Redis) -> None:
    workers.start("only")
    broker.flushall()
    band, _ = band_with_videos(youtube.world, 10)
    SyncJob.objects.bulk_create([SyncJob(job_type="FULL_SYNC", queue_id="video-sync", band=band) for _ in range(5)])
    wait_for(lambda: SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == 5, what="jobs without a wake-up")


def test_a_process_frozen_in_a_transaction_blocks_others_only_briefly(workers: Workers, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 10)
    queue_job(band=band)
    job = queue_job(band=band)
    holder = workers.python(
        "from django.db import transaction; from syncjobs.engine.claim import *\n"
        "with transaction.atomic():\n"
        "    claim_next('video-sync', WorkerIdentity('frozen', 1)); print('claimed', flush=True); input()"
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"claimed\n"
    workers.start("awake", concurrency=1)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 40, "the queue's lock to be released")
    assert SyncJob.objects.filter(status=JobStatus.COMPLETED).count() == 2


def test_a_traceback_stays_one_piece_in_the_log_of_a_worker(workers: Workers, youtube: Simulator) -> None:
    workers.start("one", concurrency=1)
    # Without a video's id, the job fails unexpectedly.
    job = queue_job(JobType.SINGLE_VIDEO)
    wait_for(lambda: "KeyError: 'video_id'" in workers.log("one"), 60, workers.logs)
    _, _, traceback = workers.log("one").partition(f"Job #{job.pk} attempt 1 failed unexpectedly\n")
    lines = traceback.partition("KeyError: 'video_id'\n")[0].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    # The lines of a traceback are indented, and nothing is put before them or between them.
    assert len(lines) > 4
    assert all(line.startswith("  ") for line in lines[1:]), traceback
