"""All pages, and the roles that may open them."""

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
from django.urls import reverse

from syncjobs.choices import Role
from syncjobs.operations import people
from syncjobs.youtube.simulator import Simulator
from tests.factories import PERSON, band_with_videos, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = (
    "index",
    "quota",
    "syncjobs_syncjob_changelist",
    "syncjobs_errorgroup_changelist",
    "django_celery_beat_periodictask_changelist",
    "bands_band_changelist",
    "bands_video_changelist",
    "syncjobs_worker_changelist",
)


def log_in(role: Role) -> Client:
    people.save_user(PERSON, role.lower(), "correct horse battery", role)
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
        answer = client.get(reverse(f"admin:{page}"))
        assert answer.status_code == 200, page
        assert "Simulated YouTube" in answer.content.decode()
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
    assert client.get("/admin/syncjobs/auditentry/").status_code == (403 if role == Role.MODERATOR else 200)


def test_health_and_readiness_work_for_any_host_name(settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/admin/login/", headers={"host": "127.0.0.1"}, secure=True).status_code == 400
    assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().head("/healthz").status_code == 200
    assert Client().get("/readyz").json() == {"status": "ok", "database": True, "redis": True}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_refuses_other_methods(path: str) -> None:
    answer = Client().post(path)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["errors"][0]["code"] == "method_not_allowed"


def test_many_simultaneous_visitors_share_few_connections() -> None:
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
            assert set(visitors.map(visit, range(64))) == {200}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool-test'")
            assert 1 <= cursor.fetchone()[0] <= 3
    finally:
        server.terminate()
        server.wait(20)
