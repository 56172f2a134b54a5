"""Concurrent exports: a process streams a few at a time, refuses the next one, and frees a slot when one ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.db import connection
from django.urls import reverse

from syncjobs.choices import Role
from syncjobs.listing import export
from syncjobs.models import ErrorGroup, SyncJob
from tests.clients import Api, logged_in
from tests.factories import queue_job, wait_for
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/admin/sync/errors/export?window=all"


@pytest.fixture
def site() -> Iterator[str]:
    """Start a server with more errors than all buffers between it and the client can hold."""
    queue_job("PRUNE")  # type: ignore[arg-type]
    group = ErrorGroup.objects.create(fingerprint="f", reason="x", message="x", sample="x", is_permanent=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO syncjobs_joberror (job_id, attempt_number, group_id, reason, message, item_id, will_retry, created_at)"
            " SELECT %s, 1, %s, 'x', repeat('x', 500), '', false, now() FROM generate_series(1, 100000)",
            [SyncJob.objects.get().pk, group.pk],
        )
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
    headers = Api(Role.ADMIN).headers
    cookie = logged_in(Role.SUPER_ADMIN).cookies["sessionid"].value
    client = httpx.Client(timeout=60)
    reading: list[Iterator[bytes]] = []

    def begin() -> Any:
        return client.send(client.build_request("GET", site + PATH, headers=headers), stream=True)

    def has_begun(answer: Any) -> bool:
        # Keep the iterator: dropping it would disconnect.
        reading.append(answer.iter_bytes())
        return answer.status_code == 200 and bool(next(reading[-1]))

    with ExitStack() as at_the_end:
        at_the_end.callback(client.close)
        streams = [begin() for _ in range(export.MOST_AT_ONCE)]
        for stream in streams:
            at_the_end.callback(stream.close)
            assert has_begun(stream)
        assert _copies() == export.MOST_AT_ONCE
        for path in (PATH, "/api/admin/sync-jobs/export?format=json", "/api/admin/audit/export"):
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
        again = wait_for(lambda: next((a for a in [begin()] if has_begun(a)), None), what="its place to be free")
        at_the_end.callback(again.close)
        assert client.get(site + PATH, headers=headers).status_code == 503


def test_an_export_that_nobody_reads_occupies_no_slot() -> None:
    api = Api(Role.ADMIN)
    unread = [api.get("admin/sync/errors/export", window="all") for _ in range(export.MOST_AT_ONCE + 1)]
    assert [answer.status_code for answer in unread] == [200] * (export.MOST_AT_ONCE + 1)
