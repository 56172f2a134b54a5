"""What the site survives, as figures. Each takes seconds; SURVIVAL_MINUTES=10 measures it for so long and prints it (-s)."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from django.db.models import Max

from bands.models import Band
from syncjobs.choices import AttemptOutcome, JobStatus, Role
from syncjobs.engine import clock
from syncjobs.models import Attempt, SyncJob
from syncjobs.operations import people
from syncjobs.youtube.simulator import Simulator
from syncmonitor import embedded
from tests.clients import PASSWORD
from tests.factories import PERSON, band_with_videos, failed_job, queue_job, wait_for
from tests.processes import Workers, environment, restart_postgres, stop_redis, web_server

LONG = "SURVIVAL_MINUTES" in os.environ
SECONDS = 60 * float(os.environ.get("SURVIVAL_MINUTES", "0.1"))
pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True), pytest.mark.timeout(int(SECONDS) + 500)]


def _print(**figures: Any) -> None:
    sys.stdout.write(f"\n{json.dumps(figures, default=str)}\n")


class Person:
    """Somebody who does everything that people do, over and over, and notes the status of each answer."""

    def __init__(self, url: str, bands: list[Band]) -> None:
        people.save_user(PERSON, "mo", PASSWORD, Role.SUPER_ADMIN)
        self._bands = itertools.cycle(bands)
        self._site = httpx.Client(base_url=url, timeout=60)
        self._admin = httpx.Client(base_url=url, timeout=60)
        self._headers: dict[str, str] = {}
        self._refresh = ""
        self.answers: Counter[int] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0

    def _note(self, name: str, answer: httpx.Response) -> httpx.Response:
        self.answers[answer.status_code] += 1
        self.slowest = max(self.slowest, answer.elapsed.total_seconds())
        # Limits on requests are part of normal use.
        if answer.status_code >= 400 and answer.status_code != 429:
            self.failures.append(f"{name}: {answer.status_code} {answer.text[:300]}")
        return answer

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._note(f"{method} {path}", self._site.request(method, path, json=body, headers=self._headers))
        return answer.json() if answer.headers["Content-Type"] == "application/json" and answer.is_success else {}

    def log_in(self) -> None:
        tokens = self._call("POST", "/api/auth/token", {"username": "mo", "password": PASSWORD})
        if tokens:
            self._headers = {"Authorization": f"Bearer {tokens['access']}"}
            self._refresh = tokens["refresh"]
        if self._refresh:
            tokens = self._call("POST", "/api/auth/token/refresh", {"refresh": self._refresh})
            self._refresh = tokens.get("refresh", "")
        form = self._note("log-in page", self._admin.get("/admin/login/"))
        body = {"username": "mo", "password": PASSWORD, "csrfmiddlewaretoken": self._token(form.text)}
        self._note("log-in", self._admin.post("/admin/login/", data=body))

    @staticmethod
    def _token(html: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', html)
        return found.group(1) if found else ""

    def act(self) -> None:
        """Trigger, cancel, retry, pause, resume, edit, import and look."""
        band, failed = next(self._bands), failed_job()
        trigger = {"syncType": "FULL", "bandId": str(band.pk), "forceSync": True}
        self._call("POST", "/api/admin/sync-jobs/trigger", trigger)
        self._call("POST", f"/api/admin/sync-jobs/{failed.pk}/retry")
        job = SyncJob.objects.filter(retry_of=failed).first()
        if job is not None:
            self._call("POST", f"/api/admin/sync-jobs/{job.pk}/cancel")
        self._call("POST", "/api/admin/queue/pause", {"queue": "maintenance"})
        self._call("POST", "/api/admin/queue/resume", {"queue": "maintenance"})
        self._call("PATCH", f"/api/bands/{band.pk}", {"city": f"Ashby {time.monotonic()}"})
        for path in ("/api/admin/sync-jobs", "/api/admin/sync-jobs/export?format=csv", "/api/bands", "/readyz"):
            self._call("GET", path)

    def use_the_admin(self) -> None:
        for path in ("", "syncjobs/syncjob/", "quota/", "syncjobs/worker/", "bands/band/"):
            self._note(path, self._admin.get(f"/admin/{path}"))
        page = self._note("import page", self._admin.get("/admin/import/"))
        token = {"csrfmiddlewaretoken": self._token(page.text)}
        file = {"file": ("bands.csv", b"slug,name\nherons,Herons\n", "text/csv")}
        preview = self._note("preview", self._admin.post("/admin/import/", data=token, files=file))
        found = re.search(r'name="token" value="([^"]+)"', preview.text)
        body = token | {"token": found.group(1) if found else ""}
        self._note("import", self._admin.post("/admin/import/", data=body))
        self._note("log-out", self._admin.post("/admin/logout/", data=token))


@pytest.fixture
def bands(youtube: Simulator) -> list[Band]:
    youtube.limits = dict.fromkeys(youtube.limits, 10**6)
    return [band_with_videos(youtube.world, 120, f"band{number}")[0] for number in range(12)]


@pytest.fixture
def site(youtube: Simulator, tmp_path: Path) -> Iterator[str]:
    with web_server(environment(youtube.url) | {"YOUTUBE_QUOTA_MAIN": "1000000"}, tmp_path / "web.log") as url:
        yield url
        assert "Traceback" not in (tmp_path / "web.log").read_text()


def test_people_do_everything_while_redis_is_stopped(
    workers: Workers, broker: redis.Redis, site: str, bands: list[Band]
) -> None:
    workers.start("one")
    workers.start_beat()
    person = Person(site, bands)
    stop_redis(broker)
    began, cycles = time.monotonic(), 0
    try:
        while cycles < 2 or time.monotonic() < began + SECONDS:
            person.log_in()
            person.act()
            person.use_the_admin()
            cycles += 1
            time.sleep(min(5.0, SECONDS / 20))
        queued_at = clock.now()
        waiting = SyncJob.objects.filter(status=JobStatus.QUEUED).count()
    finally:
        embedded._start_redis()
    back_at = clock.now()
    started = Attempt.objects.filter(started_at__gt=queued_at)
    wait_for(started.exists, 60, workers.logs)
    resumed = (started.order_by("started_at")[0].started_at - back_at).total_seconds()
    wait_for(lambda: not SyncJob.objects.active().exists(), 240, workers.logs)
    statuses = dict(person.answers)
    _print(test="redis", minutes=SECONDS / 60, cycles=cycles, answers=statuses, slowest=person.slowest, resumed=resumed)
    assert person.failures == []
    assert waiting
    assert Band.objects.filter(slug="herons").exists()
    assert SyncJob.objects.filter(status=JobStatus.FAILED, retry_of=None).exclude(job_type="PRUNE").count() == 0
    assert resumed < (5 if LONG else 30)
    assert "Traceback" not in workers.logs()


def _gaps(restarts: list[datetime]) -> list[float]:
    """Return how long after each restart the interrupted jobs went on, in seconds."""
    gaps = []
    for attempt in Attempt.objects.exclude(outcome=AttemptOutcome.SUCCEEDED).exclude(ended_at=None):
        again = Attempt.objects.filter(job_id=attempt.job_id, number=attempt.number + 1).first()
        stopped = max((at for at in restarts if at <= attempt.ended_at), default=None)
        if again is not None and stopped is not None:
            gaps.append((again.started_at - stopped).total_seconds())
    return gaps


def test_jobs_survive_a_postgresql_that_restarts_every_minute(
    workers: Workers, youtube: Simulator, bands: list[Band]
) -> None:
    youtube.faults.latency = 0.2
    for name in ("one", "two"):
        workers.start(name, YOUTUBE_QUOTA_MAIN="1000000")
    quick, _ = band_with_videos(youtube.world, 1, "quick")
    every = 60.0 if LONG else SECONDS / 3
    stopped_at, first = [], []
    for _ in range(max(2, int(SECONDS / every))):
        next_at = time.monotonic() + every
        for band in bands:
            if not SyncJob.objects.active().filter(band=band).exists():
                queue_job(band=band, dedupe_key=f"FULL_SYNC:band:{band.pk}")
        while time.monotonic() < next_at:
            if SyncJob.objects.active().count() < 4:
                for band in bands[:4]:
                    queue_job(band=band)
            time.sleep(0.2)
        stopped_at.append(clock.now())
        restart_postgres()
        back_at = clock.now()
        job = queue_job(band=quick, priority=90)
        wait_for(lambda job=job: SyncJob.objects.get(pk=job.pk).attempts_made, 60, workers.logs)  # type: ignore[misc]
        first.append((job.attempts.get(number=1).started_at - back_at).total_seconds())
    wait_for(lambda: not SyncJob.objects.active().exists(), 240, workers.logs)
    gaps, jobs = _gaps(stopped_at), SyncJob.objects.count()
    outcomes = Counter(Attempt.objects.values_list("outcome", flat=True))
    attempts = SyncJob.objects.aggregate(most=Max("attempts_made"))["most"]
    _print(
        test="postgresql", restarts=len(stopped_at), jobs=jobs, outcomes=dict(outcomes), most_attempts=attempts,
        first_job=max(first), interrupted=len(gaps), longest_gap=max(gaps, default=0),
    )  # fmt: skip
    assert SyncJob.objects.filter(status=JobStatus.COMPLETED, error_count=0).count() == jobs
    assert set(outcomes) <= {AttemptOutcome.SUCCEEDED, AttemptOutcome.RELEASED, AttemptOutcome.LOST}
    assert max(first) < (2 if LONG else 30)
    assert max(gaps, default=0) < (5 if LONG else 60)
    for pattern in (r" ERROR ", r"Traceback", r"raised unexpected"):
        assert not re.search(pattern, workers.logs()), workers.logs()
