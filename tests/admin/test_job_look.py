"""The look of the list of jobs, which each person chooses."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from syncjobs.choices import JobStatus, Role
from syncjobs.models import SyncJob
from tests.clients import logged_in
from tests.factories import failed_job, make_band, queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/syncjobs/syncjob/"
LOOK = f"{URL}look/"


def _heads(client: Client, query: str = "") -> list[str]:
    page = client.get(f"{URL}{query}").content.decode()
    heads = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", page, re.S)
    return [text for head in heads if (text := re.sub(r"<[^>]+>", "", head).strip())]


def test_columns_without_a_value_are_left_out() -> None:
    client = logged_in(Role.MODERATOR)
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    assert _heads(client) == ["Status", "Job", "Created", "Actions"]
    # The list is sorted by it, so it is there.
    assert _heads(client, "?sort_by=started_at") == ["Status", "Job", "Created", "Started", "Actions"]
    failed_job(band=make_band())
    assert _heads(client) == ["Status", "Job", "Band", "Errors", "Created", "Duration", "Actions"]
    SyncJob.objects.filter(pk=job.pk).update(videos_added=3)
    assert "Added" in _heads(client)
    # A refresh keeps the columns of the page, so that nothing moves.
    rows = client.get(f"{URL}rows/?shown={job.pk}&columns=band,errors,created_at").content.decode()
    assert [name for name in ("Band", "Errors", "Added", "Duration") if f"{name}</th>" in re.sub(r"\s+<", "<", rows)]


def test_a_person_chooses_columns_density_and_page_size() -> None:
    client, other = logged_in(Role.MODERATOR), logged_in(Role.ADMIN)
    for _ in range(25):
        SyncJob.objects.create(job_type="PRUNE", queue_id="maintenance", status=JobStatus.COMPLETED, videos_found=1)
    page = client.get(f"{LOOK}?status=COMPLETED").content.decode()
    assert page.count("checked") == 7 + 1 + 1
    choice = {"columns": ["found", "started_at"], "density": "compact", "limit": "50"}
    answer = client.post(f"{LOOK}?status=COMPLETED&page=2&limit=20", choice, headers={"HX-Request": "true"})
    assert json.loads(answer.headers["HX-Trigger"]) == {"done": True, "relist": f"{URL}?status=COMPLETED"}
    assert _heads(client) == ["Status", "Job", "Found", "Created", "Actions"]
    page = client.get(URL).content.decode()
    assert "is-compact" in page
    assert page.count('id="row-') == 25
    assert client.get(f"{URL}?limit=20").content.decode().count('id="row-') == 20
    assert other.get(URL).content.decode().count('id="row-') == 20
    # The buttons of the page sizes keep the rest, and work without scripts.
    answer = client.post(f"{LOOK}?status=COMPLETED", {"limit": "20"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{URL}?status=COMPLETED")
    page = client.get(URL).content.decode()
    assert "is-compact" in page
    assert page.count('id="row-') == 20
    assert client.post(LOOK, choice | {"limit": "7"}, headers={"HX-Request": "true"}).status_code == 422
