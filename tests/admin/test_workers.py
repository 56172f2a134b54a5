"""Workers in the admin: their state and their current jobs."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from syncjobs.choices import QueueName, Role
from syncjobs.exceptions import Conflict, NotFound
from syncjobs.models import AuditEntry, Worker
from syncjobs.models.workers import WORKER_SILENCE_SECONDS
from syncjobs.operations.workers import remove_worker
from tests.clients import DIALOG, Api, logged_in
from tests.factories import PERSON, claim, make_band, queue_job

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
    assert "No heartbeat for more than 20 s" in page
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


def test_a_dead_worker_can_be_removed_and_a_live_one_can_not() -> None:
    make("celery@dead.example", WORKER_SILENCE_SECONDS + 60)
    make("celery@live.example")
    remove_worker(PERSON, "celery@dead.example")
    with pytest.raises(Conflict, match="is alive"):
        remove_worker(PERSON, "celery@live.example")
    with pytest.raises(NotFound):
        remove_worker(PERSON, "celery@dead.example")
    assert [worker.pk for worker in Worker.objects.all()] == ["celery@live.example"]
    audited = AuditEntry.objects.filter(action="remove_worker").order_by("pk")
    assert list(audited.values_list("target_id", "result")) == [
        ("celery@dead.example", "ok"),
        ("celery@live.example", "conflict"),
        ("celery@dead.example", "not_found"),
    ]


def test_admins_remove_a_dead_worker_by_a_button() -> None:
    make("dead@b/c.example", WORKER_SILENCE_SECONDS + 60)
    make("live@a")
    client = logged_in(Role.ADMIN)
    assert "/delete/" not in logged_in(Role.MODERATOR).get(URL).content.decode()
    links = re.findall(r'href="([^"]+/delete/)"', client.get(URL).content.decode())
    assert len(links) == 1
    assert logged_in().post(links[0]).status_code == 403
    assert Client().post(links[0]).status_code == 302
    assert "Remove dead@b/c.example?" in client.get(links[0], headers=DIALOG).content.decode()
    done = client.post(links[0], headers=DIALOG)
    assert (done.status_code, json.loads(done["HX-Trigger"])["toast"]["level"]) == (204, "success")
    assert [worker.pk for worker in Worker.objects.all()] == ["live@a"]
    assert client.post(links[0]).status_code == 404
    for method in ("get", "post"):
        refused = getattr(client, method)(f"{URL}live_40a/delete/", headers=DIALOG)
        assert json.loads(refused["HX-Trigger"])["toast"] == {
            "level": "error",
            "text": "Worker live@a is alive. Stop its process; then it leaves the list by itself.",
        }


def test_a_dead_scheduler_can_be_removed_and_a_live_one_has_no_button() -> None:
    make("beat@old", WORKER_SILENCE_SECONDS + 60, is_scheduler=True, queues=[])
    make("beat@new", is_scheduler=True, queues=[])
    client = logged_in(Role.ADMIN)
    assert "/delete/" not in logged_in(Role.MODERATOR).get(URL).content.decode()
    (link,) = re.findall(r'href="([^"]+/delete/)"', client.get(URL).content.decode())
    question = client.get(link, headers=DIALOG).content.decode()
    assert "Remove the scheduler" in question
    assert "its jobs" not in question
    assert client.post(link, headers=DIALOG).status_code == 204
    assert [worker.pk for worker in Worker.objects.all()] == ["beat@new"]


def test_the_api_removes_a_dead_worker() -> None:
    make("celery@dead.example", WORKER_SILENCE_SECONDS + 60)
    make("celery@live.example")
    api = Api(Role.ADMIN)
    assert api.send("DELETE", "admin/workers/celery@dead.example").status_code == 204
    assert api.send("DELETE", "admin/workers/celery@dead.example").status_code == 404
    refused = api.send("DELETE", "admin/workers/celery%40live.example")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, "name")
    assert Worker.objects.get().pk == "celery@live.example"
