"""Send changes to any number of viewers at the cost of one: a task per web process reads the feed for all of them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
import weakref
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now

from ..models import EndedLogIn
from . import changes, connections, health
from .changes import Position

APPLICATION_NAME = "syncmonitor feed"
PERMISSION = "syncjobs.view_syncjob"
POLL_SECONDS = 0.2
HEARTBEAT_SECONDS = 10
"""The time between two `heartbeat` events. Pages believe a stream dead that is silent for more than twice as long."""
HEALTH_SECONDS = 2
RIGHTS_SECONDS = 5
MAX_PENDING_BYTES = 1024 * 1024
_ANSWER_SECONDS = 10
_RETRY = b"retry: 2000\n"
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Viewer:
    """An open stream. It ends at `ends_at` (of time.monotonic()), or when the user's permission or login ends."""

    user_id: int
    position: Position | None
    """None if unknown; then the page must reload."""
    ends_at: float
    is_staff_only: bool
    password_mark: str = field(repr=False)
    """A hash of the user's password when the stream began, as sessions keep it: changing the password ends the stream."""
    session_key: str | None = field(default=None, repr=False)
    """The session the stream belongs to, if any."""
    family: str = field(default="", repr=False)
    """The log-in with tokens that the stream belongs to, if any."""
    health_version: str = ""
    """The version of the health that the viewer was told last."""
    alerts_version: str = ""
    """The version of the alerts that the viewer was told last."""
    _pending: list[bytes] = field(default_factory=list)
    _size: int = 0
    _is_closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, part: bytes) -> None:
        """Queue bytes to send. A viewer that reads too slowly loses all of them and has to reload."""
        if not part:
            return
        if self._size + len(part) > MAX_PENDING_BYTES:
            self._pending.clear()
            self._size, self.position, self.health_version, self.alerts_version = 0, None, "", ""
            return
        self._pending.append(part)
        self._size += len(part)
        self._news.set()

    def close(self) -> None:
        """End the stream after the pending bytes have been sent."""
        self._is_closed = True
        self._news.set()

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield what is pushed, until the viewer is closed."""
        while self._pending or not self._is_closed:
            await self._news.wait()
            self._news.clear()
            part = b"".join(self._pending)
            self._pending.clear()
            self._size = 0
            if part:
                yield part


class Hub:
    """The viewers of one event loop. It reads the feed only while there are viewers."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._beat_at = self._checked_at = self._examined_at = 0.0
        self._mark = b"\n"
        self._health: health.Health | None = None

    def join(self, viewer: Viewer) -> None:
        """Send the viewer what changes after its position."""
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            # In a new context, because the hub outlives the request of its first viewer.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    def leave(self, viewer: Viewer) -> None:
        """Remove the viewer. Reading stops when the last one leaves."""
        self._viewers.discard(viewer)

    def close_all(self) -> None:
        """End all streams. The viewers reconnect."""
        for viewer in self._viewers:
            viewer.close()

    async def _run(self) -> None:
        while self._viewers:
            try:
                await self._watch()
            except Exception as error:  # noqa: BLE001 - whatever it is, the viewers must not wait forever
                _log.warning("The change feed failed (%s); retrying", type(error).__name__)
                for viewer in self._viewers:
                    viewer.position = None
                # Without heartbeats, because the viewers are told nothing while the database is away.
                self._close_overdue()
                await asyncio.sleep(5 * POLL_SECONDS)

    async def _watch(self) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            database = await connections.connect(application_name=APPLICATION_NAME)
        async with database:
            while self._viewers:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    reading = await changes.read(database, self._positions())
                    self._send(reading)
                    await self._examine(database)
                    await self._check_rights()
                self._beat()
                self._close_overdue()
                await asyncio.sleep(POLL_SECONDS)

    def _positions(self) -> set[Position]:
        return {viewer.position for viewer in self._viewers if viewer.position is not None}

    def _send(self, reading: changes.Reading) -> None:
        self._mark = reading.mark
        parts: dict[Position | None, bytes] = {}
        for viewer in self._viewers:
            position = viewer.position
            if position not in parts:
                parts[position] = reading.since(position)
            viewer.position = reading.now
            viewer.push(parts[position])

    async def _examine(self, database: psycopg.AsyncConnection[Any]) -> None:
        """Tell each viewer the health of the site and the number of alerts when it joins and when they change."""
        if self._health is None or time.monotonic() >= self._examined_at + HEALTH_SECONDS:
            self._health = await health.read(database)
            self._examined_at = time.monotonic()
        version, alerts = self._health.version, self._health.alerts
        for viewer in self._viewers:
            if viewer.health_version != version:
                viewer.health_version = version
                viewer.push(changes.health_event(self._health))
            if viewer.alerts_version != alerts.version:
                viewer.alerts_version = alerts.version
                viewer.push(changes.alerts_event(alerts))

    def _beat(self) -> None:
        """Send heartbeats, so that either side notices when the other is gone."""
        now = time.monotonic()
        if now < self._beat_at + HEARTBEAT_SECONDS:
            return
        self._beat_at = now
        for viewer in self._viewers:
            viewer.push(changes.HEARTBEAT + self._mark)

    def _close_overdue(self) -> None:
        """Close the streams whose time is up."""
        now = time.monotonic()
        for viewer in self._viewers:
            if now >= viewer.ends_at:
                viewer.close()

    async def _check_rights(self) -> None:
        """Close the streams of users who may no longer watch, with one query for all."""
        if time.monotonic() < self._checked_at + RIGHTS_SECONDS:
            return
        viewers = list(self._viewers)
        sessions = {viewer.session_key for viewer in viewers if viewer.session_key}
        families = {viewer.family for viewer in viewers if viewer.family}
        rights = await asyncio.to_thread(_rights, {viewer.user_id for viewer in viewers}, sessions, families)
        self._checked_at = time.monotonic()
        for viewer in viewers:
            if not rights.allow(viewer):
                viewer.close()


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


def close_all() -> None:
    """End all streams of the running event loop, because its process ends."""
    if hub := _hubs.get(asyncio.get_running_loop()):
        hub.close_all()


async def stream(viewer: Viewer) -> AsyncIterator[bytes]:
    """Yield the events for a viewer until the stream ends."""
    hub = _hubs.setdefault(asyncio.get_running_loop(), Hub())
    hub.join(viewer)
    try:
        yield _RETRY + (b"id: %s\n\n" % str(viewer.position).encode())
        async for part in viewer.parts():
            yield part
    finally:
        hub.leave(viewer)


@dataclass(frozen=True, slots=True)
class _Rights:
    """Who may still watch."""

    people: dict[int, tuple[bool, str]]
    """By user id: whether they are staff, and the hash of their password."""
    sessions: set[str]
    """Keys of sessions that have not expired."""
    ended: set[str]
    """Log-ins with tokens that have ended."""

    def allow(self, viewer: Viewer) -> bool:
        is_staff, mark = self.people.get(viewer.user_id, (False, ""))
        return (
            mark == viewer.password_mark
            and (is_staff or not viewer.is_staff_only)
            and (viewer.session_key is None or viewer.session_key in self.sessions)
            and viewer.family not in self.ended
        )


def _rights(user_ids: Iterable[int], session_keys: Iterable[str], families: Iterable[str]) -> _Rights:
    try:
        model = get_user_model()
        alive = Session.objects.filter(session_key__in=session_keys, expire_date__gt=Now()).values("session_key")
        holders = model._default_manager.with_perm(PERMISSION).filter(pk__in=user_ids)
        ended = EndedLogIn.objects.filter(family__in=families).values("family")
        rows = list(holders.values_list("pk", "is_staff", "password", ArraySubquery(alive), ArraySubquery(ended)))
        people = {
            pk: (is_staff, model(password=password).get_session_auth_hash()) for pk, is_staff, password, *_ in rows
        }
        sessions, ended_families = rows[0][3:] if rows else ((), ())
        return _Rights(people, set(sessions or ()), set(ended_families or ()))
    finally:
        connection.close()
