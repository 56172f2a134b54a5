"""People who use the site through its API and commands, and channels that change. Each accepted action is remembered."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework_simplejwt.tokens import AccessToken

from ..processes import ROOT
from .plan import Step
from .site import Site

PEOPLE = ("ann", "bob", "cy", "dee")
_TIMEOUT_SECONDS = 6.0


class Actions:
    """The number of audited actions by (action, target): those the site accepted, and those it may have carried out."""

    def __init__(self) -> None:
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.server_errors: list[str] = []
        self._lock = threading.Lock()

    def add(self, action: str, target: str, status: int | None) -> None:
        """Record an action. Without a response or with an error of the server, it may or may not have happened."""
        with self._lock:
            if status is None or status >= 500:
                self.unknown[action] += 1
            elif status < 300:
                self.accepted[action, target] += 1

    def add_outcome(self, request: str, outcome: str) -> None:
        """Record a status or the name of a failure of the connection."""
        with self._lock:
            self.outcomes[outcome] += 1
            if outcome == "500":
                self.server_errors.append(request)


class People:
    """Carries out the steps of a plan."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.actions = Actions()
        self.tokens = [_token(name) for name in PEOPLE]
        self._bands: list[str] = []
        self._schedules: list[tuple[str, str]] = []
        self._channels: list[dict[str, Any]] = []

    def prepare(self) -> None:
        """Learn what there is to act on. The site must be healthy."""
        self._bands = [band["id"] for band in self._get("bands", {"limit": "100"})["data"]]
        self._schedules = [(each["id"], each["jobType"]) for each in self._get("admin/schedules")["data"]]
        self._channels = self._site.control("GET", "world")

    def act(self, step: Step) -> str:
        """Carry out a step; return what came of it, in a few words."""
        return str(getattr(self, f"_{step.name}")(step.pick))

    # ---- Requests

    def send(self, pick: int, method: str, path: str, body: Any = None) -> tuple[int | None, Any]:
        """Send a request as one of the people; return status and body. The status is None without a whole response."""
        status: int | None = None
        answer, outcome = None, ""
        try:
            response = httpx.request(
                method,
                f"{self._site.url}/api/{path}",
                json=body,
                headers={"Authorization": f"Bearer {self.tokens[pick % len(self.tokens)]}"},
                timeout=_TIMEOUT_SECONDS,
            )
            status = response.status_code
            answer = response.json() if "json" in response.headers.get("content-type", "") else None
        except (httpx.HTTPError, ValueError) as error:
            status, outcome = None, type(error).__name__
        self.actions.add_outcome(f"{method} {path}", outcome or str(status))
        return status, answer

    def _get(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        query = f"?{httpx.QueryParams(parameters)}" if parameters else ""
        status, answer = self.send(0, "GET", path + query)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status}")
        return answer

    def do(self, action: str, target: str, pick: int, method: str, path: str, body: Any = None) -> int | None:
        """Carry out an audited action; return the status of the response."""
        status, _ = self.send(pick, method, path, body)
        self.actions.add(action, target, status)
        return status

    def _job(self, pick: int, statuses: str) -> str | None:
        status, page = self.send(pick, "GET", f"admin/sync-jobs?status={statuses}&limit=50")
        return page["data"][pick % len(page["data"])]["id"] if status == 200 and page["data"] else None

    # ---- What people do

    def _trigger_band(self, pick: int) -> object:
        band = self._bands[pick % len(self._bands)]
        body = {"syncType": ("FULL", "INCREMENTAL")[pick % 2], "bandId": band, "forceSync": pick % 3 > 0}
        return self.do("trigger_sync", band, pick, "POST", "admin/sync-jobs/trigger", body)

    def _trigger_all(self, pick: int) -> object:
        body = {"syncType": ("FULL", "INCREMENTAL")[pick % 2], "forceSync": True}
        return self.do("trigger_sync", "all", pick, "POST", "admin/sync-jobs/trigger", body)

    def _retry(self, pick: int) -> object:
        job = self._job(pick, "FAILED,CANCELLED")
        return self.do("retry_job", job, pick, "POST", f"admin/sync-jobs/{job}/retry") if job else "no job to retry"

    def _cancel(self, pick: int) -> object:
        job = self._job(pick, "QUEUED,IN_PROGRESS")
        return self.do("cancel_job", job, pick, "POST", f"admin/sync-jobs/{job}/cancel") if job else "no active job"

    def _edit_band(self, pick: int) -> object:
        band = self._bands[pick % len(self._bands)]
        body = {"city": f"City {pick}"} if pick % 4 else {"isActive": pick % 8 == 0}
        return self.do("change_band", band, pick, "PATCH", f"bands/{band}", body)

    def _run_schedule(self, pick: int) -> object:
        schedule, job_type = self._schedules[pick % len(self._schedules)]
        status = self.do("run_schedule", schedule, pick, "POST", f"admin/schedules/{schedule}/run")
        # Within the same transaction, the job's trigger leaves an entry of its own.
        if job_type in ("FULL_SYNC", "INCREMENTAL_SYNC"):
            self.actions.add("trigger_sync", "all", status)
        else:
            self.actions.add("trigger_upkeep", job_type, status)
        return status

    def _add_band(self, pick: int) -> object:
        status, band = self.send(pick, "POST", "bands", {"name": f"New {pick}", "slug": f"new-{pick}"})
        self.actions.add("create_band", band["id"] if status == 201 else "", status)
        return status

    def _delete_band(self, pick: int) -> object:
        status, page = self.send(pick, "GET", "bands?search=New&limit=100")
        if status != 200 or not page["data"]:
            return "no band to delete"
        band = page["data"][pick % len(page["data"])]["id"]
        return self.do("delete_band", band, pick, "DELETE", f"bands/{band}")

    def _pause(self, pick: int) -> object:
        return self._queue("pause", pick, {"reason": "chaos"})

    def _resume(self, pick: int) -> object:
        return self._queue("resume", pick, {})

    def _queue(self, verb: str, pick: int, body: dict[str, str]) -> int | None:
        queue = ("video-sync", "video-processing", "maintenance")[pick % 3]
        return self.do(f"{verb}_queue", queue, pick, "POST", f"admin/queue/{verb}", {"queue": queue, **body})

    def _reopen_quota(self, pick: int) -> object:
        return self.reopen_quota(("main", "stats")[pick % 2], pick)

    def reopen_quota(self, bucket: str, pick: int) -> int | None:
        """Ask YouTube again for a bucket that it may have closed."""
        return self.do("reopen_bucket", bucket, pick, "POST", "admin/quota/reopen", {"bucket": bucket})

    def _clear_failed(self, pick: int) -> object:
        return self.do("clear_failed", "all", pick, "POST", "admin/queue/clear-failed", {"queue": "all"})

    def _look(self, pick: int) -> object:
        paths = ("admin/sync-jobs", "admin/queue/status", "admin/quota", "admin/workers", "admin/sync/errors",
                 "admin/jobs/metrics", "bands", "videos", "admin/schedules")  # fmt: skip
        return self.send(pick, "GET", paths[pick % len(paths)])[0]

    def _log_in(self, pick: int) -> object:
        return self.send(pick, "POST", "auth/token", {"username": PEOPLE[pick % len(PEOPLE)], "password": "wrong"})[0]

    def _import_bands(self, pick: int) -> object:
        path = Path(self._site.folder) / "import.json"
        path.write_text(json.dumps([{"slug": f"chaos-{pick % 8}", "city": f"Import {pick}"}]))
        command = [sys.executable, "manage.py", "import_bands", str(path)]
        done = subprocess.run(
            command, cwd=ROOT, env=self._site.environment, capture_output=True, text=True, timeout=60, check=False
        )
        self.actions.add("import_bands", "", 200 if done.returncode == 0 else None)
        return f"exit code {done.returncode}"

    # ---- What happens on YouTube

    def _upload(self, pick: int) -> object:
        channel = self._channels[pick % len(self._channels)]["id"]
        return self._change_world(action="upload", channel=channel, count=1 + pick % 60)

    def _remove_video(self, pick: int) -> object:
        return self._change_world(action="remove", video=self._video(pick))

    def _hide_video(self, pick: int) -> object:
        return self._change_world(action="privatise", video=self._video(pick))

    def _video(self, pick: int) -> str:
        # Each channel keeps its first ten, so that none becomes empty.
        videos = self._channels[pick % len(self._channels)]["videos"]
        return str(videos[pick % (len(videos) - 10)])

    def _change_world(self, **change: Any) -> str:
        try:
            self._site.control("POST", "world", change, timeout=3)
        except (OSError, ValueError) as error:
            return type(error).__name__
        return "done"


def _token(name: str) -> str:
    """Create a person and return a token for them that lasts as long as the run."""
    user, _ = get_user_model().objects.get_or_create(username=name, defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name="ADMIN")])
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=dt.timedelta(hours=12))
    return str(token)
