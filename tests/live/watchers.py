"""Clients of the feed of changes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

from syncjobs.choices import Role
from syncjobs.operations import people as people_operations
from tests.factories import PERSON


class Watcher:
    """Listen in a separate thread and keep the events."""

    path = "/api/admin/events"

    def __init__(self, url: str, credential: Any, last: str | None = None) -> None:
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.health: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []
        self.heartbeats = 0
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
        """Return the headers that authenticate the viewer."""
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
                    self._keep(event, json.loads(data))
                    event = ""
        self.has_ended = True

    def _keep(self, event: str, data: dict[str, Any]) -> None:
        if event == "heartbeat":
            self.heartbeats += 1
        elif event == "health":
            self.health.append(data)
        elif event == "alerts":
            self.alerts.append(data)
        else:
            self.received.append((event, data))

    def problems(self) -> list[tuple[str, str]]:
        """Return the code and name of each problem that the stream told last."""
        return [(each["code"], each["name"]) for each in self.health[-1]["problems"]] if self.health else []

    def jobs(self) -> list[tuple[str, str]]:
        return [(data["id"], data["status"]) for event, data in self.received if event == "job"]

    def events(self) -> list[str]:
        return [event for event, _ in self.received]

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
    """Listen as a page of the admin does, with its session key."""

    path = "/admin/events"

    def log_in(self, session_key: Any) -> dict[str, str]:
        return {"Cookie": f"sessionid={session_key}"}


Watch = Callable[..., Watcher]


def access_token(role: Role = Role.MODERATOR) -> AccessToken:
    people_operations.save_user(PERSON, role, "correct horse battery", role)
    return AccessToken.for_user(get_user_model().objects.get(username=role))  # type: ignore[return-value]
