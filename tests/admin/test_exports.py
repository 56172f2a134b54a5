"""The export of the jobs that a filter matches."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.utils import timezone

from syncjobs.choices import JobType, Role
from tests.clients import logged_in
from tests.factories import HOSTILE, failed_job, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> Client:
    return logged_in(Role.MODERATOR)


def exported(client: Client, query: str) -> tuple[Any, bytes]:
    """Request the export over ASGI, as in production."""

    async def fetch() -> tuple[Any, bytes]:
        browser = AsyncClient()
        browser.cookies = client.cookies
        answer = await browser.get(f"/admin/syncjobs/syncjob/export/?{query}")
        if not answer.streaming:
            return answer, answer.content
        return answer, b"".join([part async for part in answer.streaming_content])

    return asyncio.run(fetch())


@pytest.mark.django_db(transaction=True)
def test_filtered_jobs_can_be_exported(moderator: Client) -> None:
    broken = failed_job(HOSTILE)
    queue_job(JobType.ENRICH)
    answer, content = exported(moderator, "format=csv&status=FAILED&page=1&limit=20")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="sync-jobs-{timezone.localdate()}.csv"'
    (row,) = csv.DictReader(io.StringIO(content.decode()))
    assert (row["id"], row["errors"]) == (str(broken.pk), HOSTILE)
    _, content = exported(moderator, "format=json")
    assert [json.loads(line)["status"] for line in content.splitlines()] == ["QUEUED", "FAILED"]


@pytest.mark.django_db(transaction=True)
def test_a_refused_export_shows_the_reason(moderator: Client) -> None:
    for query, message in (("format=xml", "format: "), ("status=DONE", "Status: ")):
        answer, content = exported(moderator, query)
        assert answer.status_code == 400
        assert content.decode().startswith(message)
    answer, _ = exported(logged_in(), "format=csv")
    assert answer.status_code == 403
