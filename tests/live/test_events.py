"""The feed of changes, as browsers and other clients hear it from a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework_simplejwt.tokens import AccessToken

from syncjobs.choices import JobStatus, Role
from syncjobs.live import changes, hub
from syncjobs.live.stream import admin_events
from syncjobs.models import SyncJob
from syncjobs.operations import jobs as job_operations
from syncjobs.operations import people as people_operations
from syncjobs.operations import queues
from tests.factories import PERSON, claim, queue_job, wait_for
from tests.processes import pooled_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), pooled_server() as (url, _):
        yield url


class Watcher:
    """Listens in a thread of its own, and keeps what it hears."""

    path = "/api/admin/events"

    def __init__(self, url: str, credential: Any, last: str | None = None) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.id = ""
        self.has_ended = False
        headers = self.log_in(credential) | {"Accept": "text/event-stream"}
        self._client = httpx.Client(timeout=60)
        request = self._client.build_request(
            "GET", url + self.path, headers=headers | ({"Last-Event-ID": last} if last else {})
        )
        self.answer = self._client.send(request, stream=True)
        assert self.answer.status_code == 200, self.answer.read()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def log_in(self, token: Any) -> dict[str, str]:
        """The headers that say who it is."""
        return {"Authorization": f"Bearer {token}"}

    def _listen(self) -> None:
        event, data = "", ""
        with contextlib.suppress(httpx.TransportError, httpx.StreamClosed, OSError):
            for line in self.answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif name == "id":
                    self.id = value
                elif not line and event:
                    self.heard.append((event, json.loads(data)))
                    event = ""
        self.has_ended = True

    def jobs(self) -> list[tuple[str, str]]:
        return [(data["id"], data["status"]) for event, data in self.heard if event == "job"]

    def events(self) -> list[str]:
        return [event for event, _ in self.heard]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.answer.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._client.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class PageWatcher(Watcher):
    """As a page of the admin listens, by the key of its session."""

    path = "/admin/events"

    def log_in(self, session_key: Any) -> dict[str, str]:
        return {"Cookie": f"sessionid={session_key}"}


Watch = Callable[..., Watcher]


def _token(role: Role = Role.MODERATOR) -> AccessToken:
    people_operations.save_user(PERSON, role, "correct horse battery", role)
    return AccessToken.for_user(get_user_model().objects.get(username=role))  # type: ignore[return-value]


@pytest.fixture
def watch(site: str) -> Iterator[Watch]:
    """Start watching as a moderator, from the position `last` on."""
    watchers: list[Watcher] = []
    token = _token()

    def start(last: str | None = None, token: AccessToken = token) -> Watcher:
        watchers.append(Watcher(site, token, last))
        return watchers[-1]

    yield start
    for watcher in watchers:
        watcher.close()


def _readers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [hub.APPLICATION_NAME])
        return int(cursor.fetchone()[0])


def test_a_job_s_life_is_told_step_by_step(watch: Watch) -> None:
    watcher = watch()
    assert watcher.answer.headers["Content-Type"] == "text/event-stream"
    assert watcher.answer.headers["Cache-Control"] == "no-store"
    job = queue_job()
    attempt = claim()
    SyncJob.objects.filter(pk=job.pk).update(videos_found=50, progress_done=1, progress_total=3)
    SyncJob.objects.filter(pk=job.pk).update(checkpoint={"page": 2})
    SyncJob.objects.filter(pk=job.pk).update(videos_found=50)
    job_operations.cancel_job(PERSON, job.pk)
    wait_for(lambda: len(watcher.heard) >= 4, what="four changes")
    job_id = job.pk
    attempt.job.delete()
    wait_for(lambda: watcher.heard[-1][1]["deleted"], what="the deletion")
    assert watcher.jobs() == [
        (str(job_id), status) for status in ("QUEUED", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS")
    ]
    told = watcher.heard[2][1]
    assert told.pop("at").endswith("Z")
    assert told == {
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


def test_every_change_is_told_to_every_viewer_once(watch: Watch) -> None:
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
        wait_for(lambda watcher=watcher: len(watcher.heard) >= 8 * 40, what="all changes")  # type: ignore[misc]
        for job_id in jobs:
            assert [status for told, status in watcher.jobs() if told == str(job_id)] == statuses


def test_a_transaction_that_commits_late_is_told_and_only_once(watch: Watch) -> None:
    """Its row has the smaller id, and readers have gone past it."""
    early, late, last = (queue_job("PRUNE").pk for _ in range(3))  # type: ignore[arg-type]
    watcher = watch()
    with psycopg.connect(**_parameters()) as other:
        other.execute("UPDATE syncjobs_syncjob SET status = 'FAILED' WHERE id = %s", [early])
        SyncJob.objects.filter(pk=late).update(status="FAILED")
        wait_for(lambda: watcher.jobs() == [(str(late), "FAILED")], what="the change that committed first")
        between = watcher.id
        other.commit()
    wait_for(lambda: len(watcher.heard) == 2, what="the change that committed last")
    assert watcher.jobs()[1] == (str(early), "FAILED")
    resumed = watch(between)
    SyncJob.objects.filter(pk=last).update(status="FAILED")
    wait_for(lambda: (str(last), "FAILED") in resumed.jobs(), what="what happened after resuming")
    assert resumed.jobs() == [(str(early), "FAILED"), (str(last), "FAILED")]


def _parameters() -> dict[str, Any]:
    database = connection.settings_dict
    return {"host": database["HOST"], "dbname": database["NAME"], "user": "postgres"}


def test_who_was_away_is_told_what_it_missed(watch: Watch) -> None:
    first = watch()
    job = queue_job("PRUNE")  # type: ignore[arg-type]
    wait_for(first.jobs, what="the first change")
    first.close()
    SyncJob.objects.filter(pk=job.pk).update(status="FAILED")
    SyncJob.objects.filter(pk=job.pk).update(status="CANCELLED")
    second = watch(first.id)
    wait_for(lambda: len(second.heard) >= 2, what="what was missed")
    assert second.jobs() == [(str(job.pk), "FAILED"), (str(job.pk), "CANCELLED")]


def test_who_was_away_too_long_is_told_to_reload(watch: Watch) -> None:
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
        wait_for(lambda watcher=watcher: watcher.heard, what="the answer")  # type: ignore[misc]
        assert watcher.events() == expected
    SyncJob.objects.filter(pk=job.pk).update(status="CANCELLED")
    wait_for(lambda: watcher.jobs() == [(str(job.pk), "CANCELLED")], what="a change after the reset")


def test_what_a_running_transaction_may_still_show_is_not_purged() -> None:
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


def test_a_statement_on_many_jobs_is_one_change(watch: Watch) -> None:
    rows = [SyncJob(job_type="PRUNE", queue_id="maintenance") for _ in range(1001)]
    watcher = watch()
    SyncJob.objects.bulk_create(rows)
    SyncJob.objects.all().update(status="FAILED")
    SyncJob.objects.filter(pk__in=SyncJob.objects.values("pk")[:1000]).update(status="CANCELLED")
    wait_for(lambda: len(watcher.heard) >= 1002, what="all of it")
    assert watcher.events()[:2] == ["many", "many"]
    assert watcher.events().count("job") == 1000


def test_more_than_is_told_one_by_one_is_told_as_many(watch: Watch) -> None:
    position = changes.position()
    for _ in range(3):
        SyncJob.objects.bulk_create(SyncJob(job_type="PRUNE", queue_id="maintenance") for _ in range(700))
    watcher = watch(position)
    wait_for(lambda: watcher.heard, what="an answer")
    assert watcher.events() == ["many"]


def test_a_pause_is_told(watch: Watch) -> None:
    watcher = watch()
    queues.pause_queue(PERSON, "video-sync", "why")
    queues.resume_queue(PERSON, "video-sync")
    wait_for(lambda: len(watcher.heard) >= 2, what="pause and resume")
    assert [(event, data["name"], data["paused"]) for event, data in watcher.heard] == [
        ("queue", "video-sync", True),
        ("queue", "video-sync", False),
    ]


def test_who_may_not_watch_is_told_so(site: str) -> None:
    def ask(token: Any = None, **headers: str) -> httpx.Response:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{site}/api/admin/events", headers=given | {"Accept": "text/event-stream"} | headers)

    assert ask().status_code == 401
    plain = get_user_model().objects.create_user("plain")
    refused = ask(AccessToken.for_user(plain))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "permission_denied")
    for nonsense in ("x", "1:2", "1:2:3,", "1:٣:", "1" * 30 + ":2:"):
        answer = ask(_token(), **{"Last-Event-ID": nonsense.encode()})  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")
    assert (
        httpx.get(f"{site}/api/admin/events?since=1", headers={"Authorization": f"Bearer {_token()}"}).status_code
        == 400
    )


def test_any_number_of_viewers_take_one_reader_and_none_takes_none(watch: Watch, site: str) -> None:
    watchers = [watch() for _ in range(6)]
    wait_for(lambda: _readers() == 1, what="the reader")
    # More viewers than pooled connections: none of them keeps one.
    assert httpx.get(f"{site}/readyz").json()["database"] is True
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


def test_a_lost_database_connection_is_made_good_and_viewers_reload(watch: Watch) -> None:
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


@pytest.mark.parametrize("lost", ["account", "role"])
def test_the_stream_ends_with_the_right_to_watch(watch: Watch, lost: str) -> None:
    watcher, other = watch(), watch(token=_token(Role.ADMIN))
    person = get_user_model().objects.get(username=Role.MODERATOR)
    if lost == "role":
        person.groups.clear()
    else:
        person.is_active = False
        person.save()
    wait_for(lambda: watcher.has_ended, what="the end")
    assert not other.has_ended


def test_the_stream_ends_with_the_token(watch: Watch) -> None:
    token = _token()
    token.set_exp(lifetime=timedelta(seconds=2))
    watcher = watch(token=token)
    wait_for(lambda: watcher.has_ended, what="the end")


@pytest.mark.parametrize("ends_by", ["logging out", "expiring", "a new password"])
def test_a_page_s_stream_ends_with_its_session(site: str, ends_by: str) -> None:
    _token()
    person = get_user_model().objects.get(username=Role.MODERATOR)
    tab, elsewhere = Client(), Client()
    for browser in (tab, elsewhere):
        browser.force_login(person)
    key = tab.session.session_key
    with PageWatcher(site, str(key)) as watcher, PageWatcher(site, str(elsewhere.session.session_key)) as other:
        if ends_by == "logging out":
            tab.post("/admin/logout/")
        elif ends_by == "expiring":
            Session.objects.filter(pk=key).update(expire_date=timezone.now())
        else:
            person.set_password("another correct horse")
            person.save()
        wait_for(lambda: watcher.has_ended, what="the end")
        assert httpx.get(f"{site}/admin/events", headers={"Cookie": f"sessionid={key}"}).status_code == 403
        if ends_by == "a new password":
            wait_for(lambda: other.has_ended, what="the end of the other too")
        else:
            assert not other.has_ended


def test_the_stream_ends_with_the_password_of_its_token(watch: Watch) -> None:
    watcher, other = watch(), watch(token=_token(Role.ADMIN))
    person = get_user_model().objects.get(username=Role.MODERATOR)
    person.set_password("another correct horse")
    person.save()
    wait_for(lambda: watcher.has_ended, what="the end")
    assert not other.has_ended


def test_who_may_watch_still_is_one_query_for_all_viewers() -> None:
    for role in Role:
        _token(role)
    people = list(get_user_model().objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as queries:
        rights = hub._rights(people, {"some", "keys"})
    assert (len(queries), set(rights.people), rights.sessions) == (1, set(people), set())


def test_one_who_does_not_listen_loses_what_is_pending_and_keeps_nobody_waiting() -> None:
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


def test_the_admin_s_pages_watch_under_their_session() -> None:
    client = Client()

    def status() -> int:
        return admin_events(client.get("/admin/login/").wsgi_request).status_code

    assert status() == 403
    _token()
    person = get_user_model().objects.get(username=Role.MODERATOR)
    client.force_login(person)
    assert status() == 200
    person.groups.clear()
    assert status() == 403
    person.groups.set(Group.objects.filter(name=Role.MODERATOR))
    assert status() == 200
    get_user_model().objects.update(is_staff=False)
    assert status() == 403


def test_a_server_that_stops_does_not_wait_for_those_who_listen() -> None:
    with pooled_server() as (url, process):
        watcher = Watcher(url, _token())
        process.terminate()
        process.wait(30)
        wait_for(lambda: watcher.has_ended, what="the end")
        watcher.close()
