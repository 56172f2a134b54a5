"""The feed of changes, read from a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connection, connections

from syncjobs.choices import JobStatus
from syncjobs.live import changes, hub
from syncjobs.live import connections as live_connections
from syncjobs.models import SyncJob
from syncjobs.operations import jobs as job_operations
from syncjobs.operations import queues
from tests.factories import PERSON, claim, queue_job, wait_for
from tests.live.watchers import Watch, Watcher, access_token
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)


def _readers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [hub.APPLICATION_NAME])
        return int(cursor.fetchone()[0])


def test_each_change_of_a_job_is_an_event(watch: Watch) -> None:
    watcher = watch()
    assert watcher.answer.headers["Content-Type"] == "text/event-stream"
    assert watcher.answer.headers["Cache-Control"] == "no-store"
    job = queue_job()
    attempt = claim()
    SyncJob.objects.filter(pk=job.pk).update(videos_found=50, progress_done=1, progress_total=3)
    SyncJob.objects.filter(pk=job.pk).update(checkpoint={"page": 2})
    SyncJob.objects.filter(pk=job.pk).update(videos_found=50)
    job_operations.cancel_job(PERSON, job.pk)
    wait_for(lambda: len(watcher.received) >= 4, what="four changes")
    job_id = job.pk
    attempt.job.delete()
    wait_for(lambda: watcher.received[-1][1]["deleted"], what="the deletion")
    assert watcher.jobs() == [
        (str(job_id), status) for status in ("QUEUED", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS")
    ]
    result = watcher.received[2][1]
    assert result.pop("at").endswith("Z")
    assert result == {
        "id": str(job_id),
        "status": "IN_PROGRESS",
        "jobType": "FULL_SYNC",
        "queue": "video-sync",
        "bandId": None,
        "parentId": None,
        "progress": {"done": 1, "total": 3},
        "videosFound": 50,
        "videosAdded": 0,
        "videosUpdated": 0,
        "deleted": False,
    }


def test_an_all_bands_job_reports_its_children(watch: Watch) -> None:
    parent = queue_job(fans_out=True)
    for found in (20, 30):
        SyncJob.objects.filter(pk=queue_job(parent=parent, dedupe_key=str(found)).pk).update(videos_found=found)
    watcher = watch()
    SyncJob.objects.filter(pk=parent.pk).update(progress_done=2, progress_total=2)
    wait_for(lambda: watcher.received, what="a change")
    assert [data["videosFound"] for _event, data in watcher.received] == [50]


def test_every_viewer_receives_every_change_once(watch: Watch) -> None:
    jobs = [queue_job("PRUNE").pk for _ in range(8)]  # type: ignore[arg-type]
    watchers = [watch() for _ in range(5)]
    statuses = [JobStatus.values[n % 5] for n in range(1, 41)]

    def change(job_id: int) -> None:
        try:
            for status in statuses:
                SyncJob.objects.filter(pk=job_id).update(status=status)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, jobs))
    for watcher in watchers:
        wait_for(lambda watcher=watcher: len(watcher.received) >= 8 * 40, what="all changes")  # type: ignore[misc]
        for job_id in jobs:
            assert [status for changed_id, status in watcher.jobs() if changed_id == str(job_id)] == statuses


def test_a_transaction_that_commits_late_is_sent_exactly_once(watch: Watch) -> None:
    """Its row has the smaller id, and readers are already past it."""
    early, late, last = (queue_job("PRUNE").pk for _ in range(3))  # type: ignore[arg-type]
    watcher = watch()
    with psycopg.connect(**_parameters()) as other:
        other.execute("UPDATE syncjobs_syncjob SET status = 'FAILED' WHERE id = %s", [early])
        SyncJob.objects.filter(pk=late).update(status="FAILED")
        wait_for(lambda: watcher.jobs() == [(str(late), "FAILED")], what="the change that committed first")
        between = watcher.id
        other.commit()
    wait_for(lambda: len(watcher.received) == 2, what="the change that committed last")
    assert watcher.jobs()[1] == (str(early), "FAILED")
    resumed = watch(between)
    SyncJob.objects.filter(pk=last).update(status="FAILED")
    wait_for(lambda: (str(last), "FAILED") in resumed.jobs(), what="what happened after resuming")
    assert resumed.jobs() == [(str(early), "FAILED"), (str(last), "FAILED")]


def _parameters() -> dict[str, Any]:
    database = connection.settings_dict
    return {"host": database["HOST"], "dbname": database["NAME"], "user": "postgres"}


def test_a_reconnecting_viewer_receives_the_changes_it_missed(watch: Watch) -> None:
    first = watch()
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    wait_for(first.jobs, what="the first change")
    first.close()
    SyncJob.objects.filter(pk=job.pk).update(status="FAILED")
    SyncJob.objects.filter(pk=job.pk).update(status="CANCELLED")
    second = watch(first.id)
    wait_for(lambda: len(second.received) >= 2, what="what was missed")
    assert second.jobs() == [(str(job.pk), "FAILED"), (str(job.pk), "CANCELLED")]


def test_a_viewer_that_was_away_too_long_must_reload(watch: Watch) -> None:
    old = changes.position()
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncjobs_jobchange SET at = at - interval '1 hour'")
    recent = changes.position()
    while changes.purge():
        pass
    SyncJob.objects.filter(pk=job.pk).update(status="FAILED")
    for last, expected in ((old, ["reset"]), (recent, ["job"]), (f"1:{10**17}:", ["reset"])):
        watcher = watch(last)
        wait_for(lambda watcher=watcher: watcher.received, what="the answer")  # type: ignore[misc]
        assert watcher.events() == expected
    SyncJob.objects.filter(pk=job.pk).update(status="CANCELLED")
    wait_for(lambda: watcher.jobs() == [(str(job.pk), "CANCELLED")], what="a change after the reset")


def test_purge_keeps_changes_newer_than_a_running_transaction() -> None:
    queue_job("PRUNE")  # type: ignore[arg-type]
    while changes.purge():
        pass
    with psycopg.connect(**_parameters()) as other:
        other.execute("UPDATE syncjobs_syncjob SET status = 'FAILED'")
        queue_job("ENRICH")  # type: ignore[arg-type]
        with connection.cursor() as cursor:
            cursor.execute("UPDATE syncjobs_jobchange SET at = at - interval '1 hour'")
        while changes.purge():
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM syncjobs_jobchange WHERE job_id IS NOT NULL")
            assert cursor.fetchone()[0] == 1


def test_a_statement_on_many_jobs_is_one_event(watch: Watch) -> None:
    rows = [SyncJob(job_type="PRUNE", queue_id="maintenance") for _ in range(1001)]
    watcher = watch()
    SyncJob.objects.bulk_create(rows)
    SyncJob.objects.all().update(status="FAILED")
    SyncJob.objects.filter(pk__in=SyncJob.objects.values("pk")[:1000]).update(status="CANCELLED")
    wait_for(lambda: len(watcher.received) >= 1002, what="all of it")
    assert watcher.events()[:2] == ["many", "many"]
    assert watcher.events().count("job") == 1000


def test_too_many_missed_changes_are_sent_as_one_event(watch: Watch) -> None:
    position = changes.position()
    for _ in range(3):
        SyncJob.objects.bulk_create(SyncJob(job_type="PRUNE", queue_id="maintenance") for _ in range(700))
    watcher = watch(position)
    wait_for(lambda: watcher.received, what="an answer")
    assert watcher.events() == ["many"]


def test_one_old_position_makes_nobody_else_reload(watch: Watch) -> None:
    """Whoever sends an old `Last-Event-ID`, or one that lists many transactions, is alone with the consequences."""
    old = changes.position()
    for _ in range(3):
        SyncJob.objects.bulk_create(SyncJob(job_type="PRUNE", queue_id="maintenance") for _ in range(700))
    recent = changes.position()
    watchers = [watch(), watch()]
    job = queue_job()
    low, high = old.split(":")[:2]
    odd = f"{low}:{int(high) + 10_000}:{','.join(str(int(low) + n) for n in range(2000))}"
    latecomers = [watch(recent), watch(old), watch(odd)]
    cancelled = job_operations.cancel_job(PERSON, job.pk)
    wait_for(lambda: all(watcher.received for watcher in latecomers), what="the latecomers' events")
    wait_for(lambda: all(len(watcher.received) > 1 for watcher in [*watchers, latecomers[0]]), what="both changes")
    assert cancelled.pk == job.pk
    assert [set(watcher.events()) for watcher in [*watchers, latecomers[0]]] == [{"job"}] * 3
    assert latecomers[1].events()[0] == "many"


async def _since(*positions: changes.Position) -> list[bytes]:
    async with await live_connections.connect() as database:
        reading = await changes.read(database, positions)
        return [reading.since(position) for position in positions]


def test_each_position_is_decided_by_its_own_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_AT_ONCE", 20)
    positions = [changes.Position.parse(changes.position())]
    for count in (15, 8, 3):
        for _ in range(count):
            queue_job("PRUNE", dedupe_key=None)  # type: ignore[arg-type]
        positions.append(changes.Position.parse(changes.position()))
    old, middle, recent, now = asyncio.run(_since(*positions))
    assert (old.count(b"event: many"), old.count(b"event: job")) == (1, 0)
    assert [events.count(b"event: job") for events in (middle, recent, now)] == [11, 3, 0]
    assert b"many" not in middle + recent + now


def test_pausing_and_resuming_a_queue_are_events(watch: Watch) -> None:
    watcher = watch()
    queues.pause_queue(PERSON, "video-sync", "why")
    queues.resume_queue(PERSON, "video-sync")
    wait_for(lambda: len(watcher.received) >= 2, what="pause and resume")
    assert [(event, data["name"], data["paused"]) for event, data in watcher.received] == [
        ("queue", "video-sync", True),
        ("queue", "video-sync", False),
    ]


def test_all_viewers_share_one_reader_which_stops_with_the_last(watch: Watch, site: str) -> None:
    watchers = [watch() for _ in range(6)]
    wait_for(lambda: _readers() == 1, what="the reader")
    # There are more viewers than pooled connections, so no viewer keeps one.
    assert httpx.get(f"{site}/readyz", timeout=30).json()["database"] is True
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    for watcher in watchers:
        wait_for(lambda watcher=watcher: watcher.jobs() == [(str(job.pk), "QUEUED")], what="the change")  # type: ignore[misc]
    assert _readers() == 1
    for watcher in watchers:
        watcher.close()
    wait_for(lambda: _readers() == 0, what="the reader to stop")
    again = watch(watchers[0].id)
    SyncJob.objects.filter(pk=job.pk).update(status="FAILED")
    wait_for(lambda: again.jobs() == [(str(job.pk), "FAILED")], what="the reader to start again")


def test_the_reader_reconnects_to_the_database_and_viewers_reload(watch: Watch) -> None:
    watcher = watch()
    wait_for(lambda: _readers() == 1, what="the reader")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [hub.APPLICATION_NAME],
        )
    wait_for(lambda: watcher.events() == ["reset"], what="the reset")
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    wait_for(lambda: watcher.jobs() == [(str(job.pk), "QUEUED")], what="the change after it")


def test_a_slow_viewer_loses_its_pending_events_and_delays_nobody() -> None:
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    position = changes.Position.parse(changes.position())
    person = get_user_model().objects.create_superuser("root")
    mark = person.get_session_auth_hash()
    slow, quick = (
        hub.Viewer(person.pk, position, float("inf"), is_staff_only=True, password_mark=mark) for _ in range(2)
    )

    async def first(stream: AsyncIterator[bytes], wanted: bytes) -> None:
        async for part in stream:
            if wanted in part:
                return

    async def scenario() -> None:
        slow_stream, quick_stream = hub.stream(slow), hub.stream(quick)
        assert b"retry" in await anext(slow_stream)
        slow.push(b"x" * hub.MAX_PENDING_BYTES)
        await sync_to_async(SyncJob.objects.filter(pk=job.pk).update)(status="FAILED")
        await asyncio.wait_for(first(quick_stream, b"FAILED"), 30)
        await asyncio.wait_for(first(slow_stream, b"event: reset"), 30)
        await slow_stream.aclose()  # type: ignore[attr-defined]
        await quick_stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(scenario())


def test_a_stopping_server_does_not_wait_for_viewers() -> None:
    with pooled_server() as (url, process):
        watcher = Watcher(url, access_token())
        process.terminate()
        process.wait(30)
        wait_for(lambda: watcher.has_ended, what="the end")
        watcher.close()
