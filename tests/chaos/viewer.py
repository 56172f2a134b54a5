"""An open page: it loads the jobs once, follows the change feed, and reloads only if the feed says so."""

from __future__ import annotations

import contextlib
import json
import threading
from typing import Any

import httpx

_SILENCE_SECONDS = 35.0
"""Heartbeats come every 15 seconds. A page that hears nothing for this long reconnects."""

State = tuple[str, int]
"""The status of a job, and the number of videos it found."""


class Viewer(threading.Thread):
    """Keeps `jobs`, the state of every job by id, as a page would show it."""

    def __init__(self, name: str, url: str, token: str) -> None:
        super().__init__(name=name, daemon=True)
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._position = ""
        self._ended = threading.Event()
        self.jobs: dict[str, State] = {}
        self.connections = self.reloads = self.events = 0

    def stop(self) -> None:
        self._ended.set()

    def run(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                self._watch()
            self._ended.wait(0.5)

    def _watch(self) -> None:
        headers = self._headers | ({"Last-Event-ID": self._position} if self._position else {})
        timeout = httpx.Timeout(5, read=_SILENCE_SECONDS)
        with httpx.stream("GET", f"{self._url}/api/admin/events", headers=headers, timeout=timeout) as response:
            if response.status_code != 200:
                return
            self.connections += 1
            block: dict[str, str] = {}
            for line in response.iter_lines():
                if self._ended.is_set():
                    return
                name, _, value = line.partition(":")
                if name:
                    block[name] = value.removeprefix(" ")
                elif block:
                    self._receive(block)
                    block = {}

    def _receive(self, block: dict[str, str]) -> None:
        """Apply a message. Its position counts only after what it says has been applied."""
        kind = block.get("event", "")
        if kind in ("many", "reset") or ("id" in block and not self._position):
            self._reload()
        elif kind == "job":
            self.events += 1
            job: dict[str, Any] = json.loads(block["data"])
            if job["deleted"]:
                self.jobs.pop(job["id"], None)
            else:
                self.jobs[job["id"]] = (job["status"], job["videosFound"])
        self._position = block.get("id", self._position)

    def _reload(self) -> None:
        self.reloads += 1
        url = f"{self._url}/api/admin/sync-jobs/export?format=json"
        response = httpx.get(url, headers=self._headers, timeout=20)
        response.raise_for_status()
        jobs = [json.loads(line) for line in response.text.splitlines() if line]
        self.jobs = {job["id"]: (job["status"], job["videosFound"]) for job in jobs}
