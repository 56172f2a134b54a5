"""A real worker while Redis refuses commands: it goes on by itself as soon as Redis takes them."""

from __future__ import annotations

import signal

import pytest
import redis

from syncjobs.engine import broker as brokers
from syncjobs.models import SyncJob
from syncjobs.youtube.simulator import Simulator
from tests.factories import band_with_videos, queue_job, wait_for
from tests.processes import Workers
from tests.syncmonitor.test_amqp import REFUSALS

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(200)]


@pytest.mark.parametrize("refusal", ["full", "read-only"])
def test_a_worker_survives_a_redis_that_refuses_commands(
    workers: Workers, youtube: Simulator, broker: redis.Redis, refusal: str
) -> None:
    begin, end = REFUSALS[refusal]
    band, _ = band_with_videos(youtube.world, 10)
    workers.start("one", concurrency=1)
    # A message arrives, and then Redis refuses what the worker must write about it.
    workers.signal("one", signal.SIGSTOP)
    brokers.notify("video-sync")
    begin(broker)
    try:
        workers.signal("one", signal.SIGCONT)
        wait_for(lambda: "Trying again in" in workers.log("one"), 60, workers.logs)
    finally:
        end(broker)
    job = queue_job(band=band)
    wait_for(lambda: SyncJob.objects.get(pk=job.pk).is_terminal, 60, workers.logs)
    assert workers.running["one"].poll() is None
    assert "Traceback" not in workers.log("one"), workers.log("one")
