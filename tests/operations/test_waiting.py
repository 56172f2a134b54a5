"""What keeps jobs from starting although they are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import pytest

from syncjobs.choices import JobStatus, JobType
from syncjobs.models import SyncJob
from syncjobs.operations import band_pauses, bulk, queues
from syncjobs.operations.waiting import pauses, pauses_of_retries
from tests.factories import PERSON, make_band, queue_job

pytestmark = pytest.mark.django_db
QUEUE_WAITS = "The queue Video sync is paused, so its jobs wait."


def test_queued_jobs_and_children_wait_and_a_retry_will() -> None:
    band = make_band("herons")
    parent = queue_job(JobType.STATS_REFRESH)
    child = queue_job(band=band, parent=parent)
    queues.pause_queue(PERSON, "video-sync")
    band_pauses.pause_band(PERSON, band.pk)
    assert pauses([parent.pk]) == f"{QUEUE_WAITS} 1 of them waits, because its band is paused."
    assert pauses([child.pk]) == f"{QUEUE_WAITS} It waits, because its band is paused."
    SyncJob.objects.update(status=JobStatus.FAILED)
    assert pauses([parent.pk]) == pauses([child.pk]) == pauses_of_retries([parent.pk]) == ""
    assert pauses_of_retries([child.pk]) == f"{QUEUE_WAITS} It waits, because its band is paused."


@pytest.mark.parametrize("ask", [pauses, pauses_of_retries])
def test_the_answer_about_all_jobs_of_a_bulk_action_does_not_take_long(ask: Callable[[Collection[int]], str]) -> None:
    began = time.monotonic()
    assert ask(range(1, bulk.MAX_JOBS)) == ""
    assert time.monotonic() - began < 5
