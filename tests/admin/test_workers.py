"""Workers in the admin: their state and their current jobs."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncjobs.choices import QueueName, Role
from syncjobs.models import Worker
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from tests.clients import logged_in
from tests.factories import claim, make_band, queue_job

pytestmark = pytest.mark.django_db
URL = "/admin/syncjobs/worker/"


def make(name: str, silent_for: float = 0, **fields: object) -> Worker:
    values = {"process_id": 1, "queues": list(QueueName.values), "concurrency": 4} | fields
    at = timezone.now() - dt.timedelta(seconds=silent_for)
    return Worker.objects.create(name=name, heartbeat_at=at, **values)


def test_without_workers_the_page_shows_how_to_start_one() -> None:
    page = logged_in(Role.MODERATOR).get(URL).content.decode()
    assert "No worker has reported in" in page
    assert "celery -A syncmonitor worker" in page


def test_each_worker_shows_its_state_and_current_job() -> None:
    make("alive@a")
    make("stopping@b", stopping_at=timezone.now())
    make("silent@c", WORKER_SILENCE_SECONDS + 60)
    job = queue_job(band=make_band("<b>herons</b>"))
    claim(name="alive@a")
    left = queue_job(dedupe_key="other")
    claim(name="gone@d")
    answer = logged_in(Role.MODERATOR).get(URL)
    states = {each.worker.name: (each.state, [a.job_id for a in each.running]) for each in answer.context["states"]}
    assert states == {"alive@a": ("alive", [job.pk]), "stopping@b": ("stopping", []), "silent@c": ("silent", [])}
    page = answer.content.decode()
    assert f'href="/admin/syncjobs/syncjob/{job.pk}/change/"' in page
    assert "1 of 4 processes" in page
    assert "No heartbeat for more than 30 s" in page
    assert "Idle, waiting for jobs." not in page
    assert "&lt;B&gt;Herons&lt;/B&gt;" in page
    orphans = page.split("Jobs of lost workers")[1]
    assert f'href="/admin/syncjobs/syncjob/{left.pk}/change/"' in orphans
    part = logged_in(Role.ADMIN).get(URL, headers={"HX-Request": "true"}).content.decode()
    assert "alive@a" in part
    assert "<html" not in part


def test_a_queue_that_nobody_consumes_is_named() -> None:
    make("a", queues=["video-sync"])
    make("b", WORKER_SILENCE_SECONDS + 60, queues=["maintenance"])
    answer = logged_in(Role.MODERATOR).get(URL)
    assert answer.context["unserved"] == [QueueName.VIDEO_PROCESSING.label, QueueName.MAINTENANCE.label]
    assert "No worker serves these queues:" in answer.content.decode()


def test_queries_do_not_grow_with_workers() -> None:
    client = logged_in(Role.MODERATOR)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    make("first")
    count()
    few = count()
    for number in range(5):
        make(f"w{number}")
        queue_job(dedupe_key=str(number))
        claim(name=f"w{number}")
    assert count() == few <= 12


def test_permissions() -> None:
    assert logged_in().get(URL).status_code == 403
    assert logged_in(Role.MODERATOR).get(URL).status_code == 200
    assert logged_in(Role.ADMIN).post(URL).status_code == 405
