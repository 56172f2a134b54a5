"""sync_bands"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from syncjobs.choices import QueueName
from syncjobs.engine.claim import claim_next
from syncjobs.models import SyncJob
from syncjobs.sync.run import run_attempt
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.clients import command_error, run_command
from tests.factories import band_with_videos, break_videos, make_band, worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def background_worker() -> Iterator[None]:
    """Execute jobs in this process, like a worker, until the test ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            for queue in QueueName.values:
                if (attempt := claim_next(queue, worker())) is not None:
                    run_attempt(attempt)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join(30)


@pytest.mark.django_db(transaction=True)
def test_sync_bands_waits_and_prints_every_result(youtube: Simulator, background_worker: None) -> None:
    for number in range(3):
        band_with_videos(youtube.world, 70, f"band{number}")
    result = json.loads(run_command("sync_bands", "--all", "--full", "--wait", "--timeout", "60", "--json"))
    assert (result["videosFound"], result["videosAdded"], result["videosUpdated"]) == (210, 210, 0)
    assert result["units"] == {"main": 12, "search": 0, "stats": 0} | {"main": youtube.units()}
    assert {job["status"] for job in result["jobs"]} == {"COMPLETED"}
    assert len(result["jobs"]) == 4
    text = run_command("sync_bands", "--band", "band0", "--band", "band1", "--force", "--wait", "--timeout", "60")
    assert "0 added" in text


@pytest.mark.django_db(transaction=True)
def test_sync_bands_exits_with_1_after_a_failure(youtube: Simulator, background_worker: None) -> None:
    band_with_videos(youtube.world, 70)
    break_videos(youtube.world, 0.1)
    assert "1 of 1 jobs" in command_error(
        "sync_bands", "--band", "herons", "--full", "--wait", "--timeout", "60", "--json"
    )
    youtube.faults.add(Fault("unavailable"))
    assert "have not ended" in command_error("sync_bands", "--band", "herons", "--force", "--wait", "--timeout", "0.5")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_sync_bands_reports_the_jobs_of_other_bands_if_one_is_refused(options: list[str]) -> None:
    make_band("a", "@a")
    make_band("b")
    make_band("c", "@c")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match=r"\ARefused: 1 of 3 bands\.\Z"):
        call_command("sync_bands", "--band", "a", "--band", "b", "--band", "c", *options, stdout=out, stderr=err)
    assert list(SyncJob.objects.order_by("pk").values_list("band__slug", flat=True)) == ["a", "c"]
    for pk in SyncJob.objects.values_list("pk", flat=True):
        assert str(pk) in out.getvalue()
    assert err.getvalue().startswith("b: ")
    assert "has no YouTube channel" in err.getvalue()


@pytest.mark.django_db(transaction=True)
def test_an_all_bands_job_has_the_sums_and_errors_of_its_children(youtube: Simulator, background_worker: None) -> None:
    band_with_videos(youtube.world, 70)
    break_videos(youtube.world, 0.1)
    out = io.StringIO()
    arguments = ["sync_bands", "--all", "--full", "--wait", "--timeout", "60"]
    with pytest.raises(CommandError):
        call_command(*arguments, "--json", stdout=out)
    result = json.loads(out.getvalue())
    parent, child = result["jobs"]
    assert parent["videosFound"] == child["videosFound"] == result["videosFound"] > 0
    assert parent["errors"] == [f"Herons: {error}" for error in child["errors"]] != []
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command(*arguments, "--force", stdout=out)
    assert "all bands  Completed with errors" in out.getvalue()
