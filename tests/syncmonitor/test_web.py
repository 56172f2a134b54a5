"""The pages there are, and who gets to see them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from syncjobs import roles
from syncjobs.choices import JobStatus, Role
from syncjobs.models import Queue, SyncJob
from syncjobs.youtube.simulator import Simulator
from tests.helpers import PERSON, band_with_videos, queue_job, run_all, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = (
    "",
    "bands/band/",
    "bands/video/",
    "syncjobs/syncjob/",
    "syncjobs/queue/",
    "syncjobs/errorgroup/",
    "syncjobs/quotaday/",
    "syncjobs/worker/",
    "django_celery_beat/periodictask/",
)


def log_in(role: Role) -> Client:
    roles.save_user(PERSON, role.lower(), "correct horse battery", role)
    client = Client()
    client.force_login(get_user_model().objects.get(username=role.lower()))
    return client


@pytest.mark.parametrize("role", Role)
def test_every_page_opens_for_every_role_under_the_policy(
    role: Role, settings: LazySettings, youtube: Simulator
) -> None:
    settings.YOUTUBE_SIMULATED = True
    band_with_videos(youtube.world, 3)
    client = log_in(role)
    for page in PAGES:
        answer = client.get(f"/admin/{page}")
        assert answer.status_code == 200, page
        assert "Simulated YouTube" in answer.content.decode()
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
    assert client.get("/admin/syncjobs/auditentry/").status_code == (403 if role == Role.MODERATOR else 200)


def test_a_job_goes_from_queued_to_completed_in_the_list(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 3)
    client = log_in(Role.MODERATOR)
    queue_job(band=band)

    def state() -> str:
        page = client.get("/admin/syncjobs/syncjob/").content.decode()
        return next(status for status in JobStatus.values if f"job-state-{status.lower()}" in page)

    assert state() == "QUEUED"
    seen = []
    youtube.before_answer = lambda *_: seen.append(SyncJob.objects.get().status)
    run_all()
    assert set(seen) == {"IN_PROGRESS"}
    assert state() == "COMPLETED"


def test_a_moderator_cancels_and_may_not_pause(youtube: Simulator) -> None:
    client = log_in(Role.MODERATOR)
    job = queue_job()
    client.post("/admin/syncjobs/syncjob/", {"action": "cancel", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert (job.status, job.cancel_requested_by) == (JobStatus.CANCELLED, "moderator")
    for client_, paused in ((client, False), (log_in(Role.ADMIN), True)):
        client_.post("/admin/syncjobs/queue/", {"action": "pause", "_selected_action": ["video-sync"]})
        assert (Queue.objects.get(pk="video-sync").paused_at is not None) is paused


def test_markup_in_titles_stays_text(youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 1)
    next(iter(youtube.world.videos.values())).title = "<script>alert(1)</script>"
    queue_job(band=band)
    run_all()
    page = log_in(Role.MODERATOR).get("/admin/bands/video/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_health_and_readiness_whatever_the_host_is_called(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/admin/login/", headers={"host": "127.0.0.1"}, secure=True).status_code == 400
    assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().get("/readyz").json() == {"status": "ok", "database": True, "redis": True}


def test_many_visitors_at_once_share_few_connections() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/readyz"
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "syncmonitor.asgi:application", "--port", str(port), "--log-level", "error"],
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ | {"PGAPPNAME": "pool-test", "DATABASE_POOL_SIZE": "3"},
    )

    def visit(_: int = 0) -> int:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.URLError:
            return 0

    try:
        wait_for(visit, what="the server to answer")
        with ThreadPoolExecutor(16) as visitors:
            assert set(visitors.map(visit, range(160))) == {200}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool-test'")
            assert 1 <= cursor.fetchone()[0] <= 3
    finally:
        server.terminate()
        server.wait(20)
