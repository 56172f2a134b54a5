from __future__ import annotations

import datetime as dt
import itertools
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction
from django.utils import timezone

from syncjobs import tasks
from syncjobs.choices import JobStatus, JobType, Priority, QueueName
from syncjobs.engine.claim import claim_next
from syncjobs.engine.enqueue import create_jobs, new_job
from syncjobs.models import Attempt, Queue, SyncJob, Worker
from syncjobs.operations import jobs, queues
from tests.concurrency import someone_waits_for_a_lock
from tests.factories import PERSON, claim, make_band, queue_job, wait_for, worker

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "video-sync"


def _claim_until_empty(name: str) -> int:
    claimed = 0
    try:
        while claim_next(QUEUE, worker(name)) is not None:
            claimed += 1
    finally:
        connections.close_all()
    return claimed


def test_four_workers_claim_200_jobs_in_their_queue_order() -> None:
    rng = random.Random(4)
    create_jobs([new_job(PERSON, JobType.FULL_SYNC, priority=rng.choice(Priority.values)) for _ in range(200)])
    positions = dict(SyncJob.objects.with_queue_position().values_list("pk", "queue_position"))
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(_claim_until_empty, [f"w{number}" for number in range(4)]))
    assert sum(counts) == 200
    seen = list(Attempt.objects.order_by("started_at", "pk").values_list("job_id", flat=True))
    by_rule = list(SyncJob.objects.order_by("-priority", "pk").values_list("pk", flat=True))
    assert seen == by_rule
    assert [positions[job_id] for job_id in seen] == list(range(1, 201))


def test_no_claim_commits_after_a_pause() -> None:
    """A claim that began before the pause makes it wait; the pause then blocks every later claim."""
    queue_job()
    queue_job()
    claiming, paused = threading.Event(), threading.Event()
    order: list[str] = []

    def slow_claim() -> None:
        with transaction.atomic():
            assert claim_next(QUEUE, worker("slow")) is not None
            claiming.set()
            wait_for(someone_waits_for_a_lock, what="the pause to wait for the claim")
            order.append("claim commits")
        connections.close_all()

    def pause() -> None:
        claiming.wait(10)
        queues.pause_queue(PERSON, QUEUE, "test")
        order.append("pause committed")
        paused.set()
        connections.close_all()

    threads = [threading.Thread(target=slow_claim), threading.Thread(target=pause)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert order == ["claim commits", "pause committed"]
    assert claim_next(QUEUE, worker()) is None


def test_a_claim_that_waits_for_a_pause_returns_nothing() -> None:
    queue_job()
    found: list[object] = []

    def late_claim() -> None:
        found.append(claim_next(QUEUE, worker("late")))
        connections.close_all()

    thread = threading.Thread(target=late_claim)
    with transaction.atomic():
        queues.pause_queue(PERSON, QUEUE)
        thread.start()
        wait_for(someone_waits_for_a_lock, what="the claim to wait for the pause")
    thread.join(20)
    assert found == [None]


def test_a_claim_skips_a_job_that_is_being_cancelled() -> None:
    cancelled, other = queue_job(priority=Priority.HIGH), queue_job()

    def claim_in_thread() -> Attempt:
        try:
            return claim()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        jobs.cancel_job(PERSON, cancelled.pk)
        attempt = pool.submit(claim_in_thread).result(timeout=10)
    assert attempt.job_id == other.pk
    assert claim_next(QUEUE, worker()) is None
    cancelled.refresh_from_db()
    assert (cancelled.status, cancelled.attempts_made) == (JobStatus.CANCELLED, 0)


def test_a_pause_under_load_stops_claims_and_a_resume_drains_the_queue() -> None:
    create_jobs([new_job(PERSON, JobType.FULL_SYNC) for _ in range(120)])
    paused, stop = threading.Event(), threading.Event()
    claims_after_pause: list[int] = []

    def load(name: str) -> None:
        # On a busy machine, the pause may come late. Then jobs must be left for the resume.
        for _ in range(20):
            claim_next(QUEUE, worker(name))
        paused.wait(30)
        while not stop.is_set():
            claim_next(QUEUE, worker(name))
        connections.close_all()

    threads = [threading.Thread(target=load, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: Attempt.objects.count() > 5)
    queues.pause_queue(PERSON, QUEUE)
    paused.set()
    at_pause = Attempt.objects.count()
    for _ in range(40):
        assert claim_next(QUEUE, worker("after")) is None
        claims_after_pause.append(Attempt.objects.count() - at_pause)
    assert set(claims_after_pause) == {0}
    assert 5 < at_pause <= 80
    queues.resume_queue(PERSON, QUEUE)
    wait_for(lambda: Attempt.objects.count() == 120, what="all jobs claimed after the resume")
    stop.set()
    for thread in threads:
        thread.join(10)


def test_a_claim_ignores_delayed_jobs_and_other_queues() -> None:
    delayed = queue_job()
    SyncJob.objects.filter(pk=delayed.pk).update(run_at="2100-01-01T00:00Z")
    queue_job(JobType.STATS_REFRESH)
    assert claim_next(QUEUE, worker()) is None


def test_a_claim_counts_the_attempt_and_adds_to_the_timeline() -> None:
    job = queue_job()
    attempt = claim()
    job.refresh_from_db()
    assert (job.status, job.attempts_made, attempt.number) == (JobStatus.IN_PROGRESS, 1, 1)
    assert job.started_at is not None
    assert list(job.events.values_list("kind", flat=True)) == ["QUEUED", "STARTED"]


def test_queues_survive_a_flush() -> None:
    assert Queue.objects.count() == 3


def test_a_stopping_worker_leaves_waiting_jobs_to_others() -> None:
    job, name = queue_job(), socket.gethostname()
    Worker.objects.create(name=name, process_id=1, queues=["video-sync"], concurrency=1, stopping_at=timezone.now())
    tasks.drain.apply(args=[QueueName.VIDEO_SYNC])
    job.refresh_from_db()
    assert (job.status, job.attempts_made) == (JobStatus.QUEUED, 0)
    Worker.objects.update(stopping_at=None)
    tasks.drain.apply(args=[QueueName.VIDEO_SYNC])
    job.refresh_from_db()
    assert job.attempts_made == 1


def test_a_claim_takes_what_lists_show_as_runnable_in_their_order() -> None:
    """The conditions exist twice: in claim_job.sql and in the querysets."""
    now = timezone.now()
    paused, other = make_band("paused", "UC" + "p" * 22), make_band("other", "UC" + "o" * 22)
    type(paused).objects.filter(pk=paused.pk).update(paused_at=now)
    bands = itertools.cycle((paused, other, None))
    for status, minutes, priority in itertools.product(JobStatus.values, (-1, -60, -30, 60), (10, 50, 90, 90)):
        changes = {"status": status, "run_at": now + dt.timedelta(minutes=minutes), "priority": priority}
        changes["band"] = next(bands)
        SyncJob.objects.filter(pk=queue_job(JobType.STATS_REFRESH).pk).update(**changes)
    shown = list(SyncJob.objects.runnable().in_claim_order().values_list("pk", flat=True))
    assert len(shown) == 3 * 4 * 2 // 3
    claimed = []
    while (attempt := claim_next(QueueName.MAINTENANCE, worker())) is not None:
        claimed.append(attempt.job_id)
    assert claimed == shown
