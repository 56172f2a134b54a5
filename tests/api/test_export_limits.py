"""Concurrent exports: a process streams a few at a time, refuses the next one, and frees a slot when one ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.db import connection
from django.urls import reverse

from syncjobs.choices import Role
from syncjobs.listing import export
from syncjobs.models import ErrorGroup, JobError, SyncJob
from tests.clients import Api, logged_in
from tests.factories import queue_job, wait_for
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/admin/sync/errors/export?window=all"


@pytest.fixture
def errors() -> None:
    """Create more errors than all buffers between a server and its client can hold."""
    queue_job("PRUNE")  # type: ignore[arg-type]
    group = ErrorGroup.objects.create(fingerprint="f", reason="x", message="x", sample="x", is_permanent=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO syncjobs_joberror (job_id, attempt_number, group_id, reason, message, item_id, will_retry, created_at)"
            " SELECT %s, 1, %s, 'x', repeat('x', 500), '', false, now() FROM generate_series(1, 100000)",
            [SyncJob.objects.get().pk, group.pk],
        )


@pytest.fixture
def site(errors: None) -> Iterator[str]:
    with pooled_server() as (url, _):
        yield url


def _copies() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'active' AND query LIKE 'COPY%' AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def test_a_process_streams_a_few_at_a_time(site: str) -> None:
    people = [Api(role).headers for role in (Role.ADMIN, Role.SUPER_ADMIN)]
    headers = Api(Role.MODERATOR).headers
    cookie = logged_in(Role.SUPER_ADMIN).cookies["sessionid"].value
    client = httpx.Client(timeout=60)
    reading: list[Iterator[bytes]] = []

    def begin(headers: dict[str, str]) -> Any:
        return client.send(client.build_request("GET", site + PATH, headers=headers), stream=True)

    def has_begun(answer: Any) -> bool:
        # Keep the iterator: dropping it would disconnect.
        reading.append(answer.iter_bytes())
        return answer.status_code == 200 and bool(next(reading[-1]))

    with ExitStack() as at_the_end:
        at_the_end.callback(client.close)
        streams = [begin(person) for person in people for _ in range(export.MOST_OF_ONE_PERSON)]
        for stream in streams:
            at_the_end.callback(stream.close)
            assert has_begun(stream)
        assert _copies() == export.MOST_AT_ONCE
        assert "You have 2 exports running" in client.get(site + PATH, headers=people[0]).text
        for path in (PATH, "/api/admin/sync-jobs/export?format=json"):
            refused = client.get(site + path, headers=headers)
            assert (refused.status_code, int(refused.headers["Retry-After"])) == (503, export.RETRY_AFTER_SECONDS)
            (error,) = refused.json()["errors"]
            assert (error["code"], error["field"]) == ("busy", None)
            assert "4 exports are running" in error["message"]
        for model in ("errorgroup", "syncjob", "auditentry"):
            page = client.get(
                site + reverse(f"admin:syncjobs_{model}_export"), headers={"Cookie": f"sessionid={cookie}"}
            )
            assert (page.status_code, int(page.headers["Retry-After"])) == (503, export.RETRY_AFTER_SECONDS)
            assert "4 exports are running" in page.text
        assert client.get(f"{site}/api/bands", headers=headers).status_code == 200
        streams[0].close()
        wait_for(lambda: _copies() < export.MOST_AT_ONCE, what="the query of the client that went away to end")
        again = wait_for(lambda: next((a for a in [begin(headers)] if has_begun(a)), None), what="its place to be free")
        at_the_end.callback(again.close)
        assert client.get(site + PATH, headers=headers).status_code == 503


def test_one_person_leaves_places_to_others(site: str) -> None:
    mine, theirs = Api(Role.ADMIN).headers, Api(Role.MODERATOR).headers
    with httpx.Client(timeout=60) as client, ExitStack() as at_the_end:
        for _ in range(export.MOST_OF_ONE_PERSON):
            answer = at_the_end.enter_context(client.stream("GET", site + PATH, headers=mine))
            assert next(answer.iter_raw(1))
        refused = client.get(site + PATH, headers=mine)
        assert (refused.status_code, int(refused.headers["Retry-After"])) == (503, export.RETRY_AFTER_SECONDS)
        assert "You have 2 exports running" in refused.json()["errors"][0]["message"]
        with client.stream("GET", site + PATH, headers=theirs) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_raw(1))


def test_a_stalled_reader_loses_its_place_and_sees_that_the_file_is_incomplete(
    errors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "STALL_SECONDS", 0.2)

    async def stall() -> tuple[int, int, bool]:
        stream = export.errors(JobError.objects.all(), "csv", person=1)
        assert await anext(stream)  # type: ignore[arg-type]
        begun = _slots_taken()
        deadline = time.monotonic() + 60
        while _slots_taken() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        after = _slots_taken()
        with pytest.raises(asyncio.CancelledError):
            async for _part in stream:
                pass
        return begun, after, True

    assert asyncio.run(stall()) == (1, 0, True)
    wait_for(lambda: _copies() == 0, what="the query to end")


def test_a_slow_reader_that_takes_something_keeps_its_place(errors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> int:
        stream = export.errors(JobError.objects.all(), "csv", person=1)
        return sum([part.count(b"\n") async for part in stream])

    assert asyncio.run(read()) == 100_001


def _slots_taken() -> int:
    return export._slots._taken.total()


def test_an_export_that_nobody_reads_occupies_no_slot() -> None:
    api = Api(Role.ADMIN)
    unread = [api.get("admin/sync/errors/export", window="all") for _ in range(export.MOST_AT_ONCE + 1)]
    assert [answer.status_code for answer in unread] == [200] * (export.MOST_AT_ONCE + 1)
