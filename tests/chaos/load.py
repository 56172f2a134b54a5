"""People who use the site through its API and commands, and channels that change. Each accepted action is remembered."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import threading
import time
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
EDITED_PEOPLE = ("eve", "fay", "gil")
_TIMEOUT_SECONDS = 6.0
_MOST_JOBS = 1000
"""A bulk action acts on no more jobs within its request."""


EXPECTED_STATUSES = ("200", "201", "202", "204", "401", "404", "409", "429", "503")
"""What people may be answered while things fail; 401 after a wrong password, 404 of what others deleted."""


def _has_sentence(answer: Any) -> bool:
    """Whether an error of the API says what is wrong."""
    return bool(isinstance(answer, dict) and answer.get("errors") and answer["errors"][0]["message"].endswith("."))


class Actions:
    """The number of audited actions by (action, target): those the site accepted, and those it may have carried out."""

    def __init__(self) -> None:
        self.accepted: Counter[tuple[str, str]] = Counter()
        self.unknown: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.wrong_answers: Counter[str] = Counter()
        self.slowest: tuple[float, str] = (0.0, "")
        self._lock = threading.Lock()

    def add(self, action: str, target: str, status: int | None, times: int = 1) -> None:
        """Record an action. Without a response or with an error of the server, it may or may not have happened.

        `times` is the number of entries it may have left in that case.
        """
        with self._lock:
            if status is None or status >= 500:
                self.unknown[action] += times
            elif status < 300:
                self.accepted[action, target] += 1

    def add_outcome(self, request: str, outcome: str, seconds: float, answer: Any = None) -> None:
        """Record the status of a response, or the name of a failure of the connection."""
        with self._lock:
            self.outcomes[outcome] += 1
            path = re.sub(r"[0-9a-f]{64}|\d+", "N", request.partition("?")[0])
            if outcome.isdigit():
                self.slowest = max(self.slowest, (seconds, f"{path} {outcome}"))
                if outcome not in EXPECTED_STATUSES or (outcome == "503" and not _has_sentence(answer)):
                    self.wrong_answers[f"{outcome} to {path}"] += 1


class People:
    """Carries out the steps of a plan."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.actions = Actions()
        self.tokens = [_token(name) for name in PEOPLE]
        # A connection of its own for each request: one that is kept may be of a server that was killed since.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, limits=limits)
        self._one_command = threading.Lock()
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
        answer, outcome, began = None, "", time.monotonic()
        headers = {"Authorization": f"Bearer {self.tokens[pick % len(self.tokens)]}"}
        try:
            response = self._client.request(
                method, f"{self._site.urls[pick % len(self._site.urls)]}/api/{path}", json=body, headers=headers
            )
            status = response.status_code
            answer = response.json() if response.headers.get("content-type") == "application/json" else None
        except (httpx.HTTPError, ValueError) as error:
            status, outcome = None, type(error).__name__
        self.actions.add_outcome(f"{method} {path}", outcome or str(status), time.monotonic() - began, answer)
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

    def _run_now(self, pick: int) -> object:
        job = self._job(pick, "QUEUED")
        return self.do("run_job", job, pick, "POST", f"admin/sync-jobs/{job}/run") if job else "no queued job"

    def _sync_video(self, pick: int) -> object:
        video = self._video(pick)
        return self._command("trigger_video", video, "sync_video", video)

    def _remove_worker(self, pick: int) -> object:
        status, page = self.send(pick, "GET", "admin/workers")
        if status != 200 or not page["data"]:
            return "no worker to remove"
        # Usually one that is alive, which the site refuses.
        name = page["data"][-1]["name"]
        return self.do("remove_worker", name, pick, "DELETE", f"admin/workers/{name}")

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

    # ---- Many at once

    def _retry_failed(self, pick: int) -> object:
        return self._bulk("retry", pick, "FAILED")

    def _cancel_matching(self, pick: int) -> object:
        return self._bulk("cancel", pick, "QUEUED,IN_PROGRESS" if pick % 3 == 0 else "QUEUED")

    def _bulk(self, action: str, pick: int, statuses: str) -> object:
        body = {"action": action, "filter": {"status": statuses}}
        status, outcome = self.send(pick, "POST", "admin/sync-jobs/bulk", body)
        self.actions.add(f"bulk_{action}", "", status)
        return f"{status} {self._add_outcomes(action, status, outcome)}"

    def _add_outcomes(self, action: str, status: int | None, outcome: Any) -> str:
        """Record the action of each job, which has an audit entry of its own."""
        done = [*outcome["retried"], *outcome["cancelled"]] if status == 200 else []
        for job in done:
            self.actions.add(f"{action}_job", job, status)
        if status is None or status >= 500:
            self.actions.add(f"{action}_job", "", status, times=_MOST_JOBS)
        return f"{len(done)} done" if done else ""

    def _group(self, pick: int) -> str | None:
        status, page = self.send(pick, "GET", "admin/sync/errors?window=24h&limit=20")
        return page["errors"][pick % len(page["errors"])]["fingerprint"] if status == 200 and page["errors"] else None

    def _retry_group(self, pick: int) -> object:
        if (group := self._group(pick)) is None:
            return "no error group"
        status, outcome = self.send(pick, "POST", f"admin/sync/errors/{group}/retry")
        self.actions.add("retry_group", group[:16], status)
        self.actions.add("bulk_retry", "", status)
        return f"{status} {self._add_outcomes('retry', status, outcome)}"

    def _acknowledge(self, pick: int) -> object:
        if (group := self._group(pick)) is None:
            return "no error group"
        path = f"admin/sync/errors/{group}/acknowledge"
        if pick % 3:
            return self.do("acknowledge_errors", group[:16], pick, "POST", path, {"note": f"seen {pick}"})
        return self.do("reopen_errors", group[:16], pick, "DELETE", path)

    def _export(self, pick: int) -> object:
        paths = ("admin/sync-jobs/export?format=csv&status=COMPLETED", "admin/sync-jobs/export?format=json&status=FAILED",
                 "admin/sync/errors/export?format=csv&window=24h", "admin/audit/export?format=csv")  # fmt: skip
        return self.send(pick, "GET", paths[pick % len(paths)])[0]

    # ---- Presets and schedules

    def _edit_preset(self, pick: int) -> object:
        return self._edit("preset", "admin/filter-presets", pick, {"filters": {"status": "FAILED"}, "shared": True})

    def _edit_schedule(self, pick: int) -> object:
        every = {"interval": {"every": 1 + pick % 5, "period": "minutes"}}
        return self._edit("schedule", "admin/schedules", pick, {"jobType": "INCREMENTAL_SYNC", **every})

    def _edit(self, kind: str, path: str, pick: int, values: dict[str, Any]) -> object:
        """Add one of our own, change it, or delete it. There are three at most."""
        status, page = self.send(pick, "GET", path)
        if status != 200:
            return status
        ours = sorted(each["id"] for each in page["data"] if each["name"].startswith("Chaos "))
        if not ours or (len(ours) < 3 and pick % 3 == 0):
            status, new = self.send(pick, "POST", path, {"name": f"Chaos {pick}", **values})
            self.actions.add(f"create_{kind}", new["id"] if status == 201 else "", status)
            return status
        one = ours[pick % len(ours)]
        if pick % 3 == 1:
            return self.do(f"change_{kind}", one, pick, "PATCH", f"{path}/{one}", {"name": f"Chaos {pick}"})
        return self.do(f"delete_{kind}", one, pick, "DELETE", f"{path}/{one}")

    def _look(self, pick: int) -> object:
        paths = ("admin/sync-jobs", "admin/queue/status", "admin/quota", "admin/workers", "admin/sync/errors",
                 "admin/jobs/metrics", "bands", "videos", "admin/schedules")  # fmt: skip
        return self.send(pick, "GET", paths[pick % len(paths)])[0]

    def _log_in(self, pick: int) -> object:
        return self.send(pick, "POST", "auth/token", {"username": PEOPLE[pick % len(PEOPLE)], "password": "wrong"})[0]

    def _import_bands(self, pick: int) -> object:
        path = Path(self._site.folder) / "import.json"
        path.write_text(json.dumps([{"slug": f"chaos-{pick % 8}", "city": f"Import {pick}"}]))
        return self._command("import_bands", "", "import_bands", str(path))

    def _edit_person(self, pick: int) -> object:
        name = EDITED_PEOPLE[pick % 3]
        role = ("MODERATOR", "ADMIN")[pick % 2]
        return self._command(
            "save_user", name, "create_user", name, "--role", role, "--password-stdin", stdin=f"Chaos-{pick}-password\n"
        )

    def _command(self, action: str, target: str, *arguments: str, stdin: str = "") -> str:
        """Run a command as an operator does. It must end with a sentence, whatever is away.

        One runs at a time: a dozen Python processes that start would slow down everything else.
        """
        if not self._one_command.acquire(blocking=False):
            return "another command is running"
        try:
            return self._run_command(action, target, *arguments, stdin=stdin)
        finally:
            self._one_command.release()

    def _run_command(self, action: str, target: str, *arguments: str, stdin: str) -> str:
        try:
            done = subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT, env=self._site.environment, input=stdin, capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            self.actions.add(action, target, None)
            return "timed out"
        self.actions.add(action, target, 200 if done.returncode == 0 else None)
        if "Traceback" in done.stderr:
            self.actions.wrong_answers[f"a traceback of {arguments[0]}: {done.stderr.strip().splitlines()[-1]}"] += 1
        return f"exit code {done.returncode} {done.stderr.strip()[:200] if done.returncode else ''}"

    # ---- What happens on YouTube

    def _upload(self, pick: int) -> object:
        channel = self._channels[pick % len(self._channels)]["id"]
        return self._change_world(action="upload", channel=channel, count=1 + pick % 60)

    def _remove_video(self, pick: int) -> object:
        return self._change_world(action="remove", video=self._video(pick))

    def _hide_video(self, pick: int) -> object:
        return self._change_world(action="privatize", video=self._video(pick))

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
