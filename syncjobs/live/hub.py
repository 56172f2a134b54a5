"""Tells any number of viewers what changes, at the cost of one: a task per web process reads the feed for all of them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
import weakref
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from django.contrib.auth import get_user_model
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now

from . import changes, connections
from .changes import Position

APPLICATION_NAME = "syncmonitor feed"
PERMISSION = "syncjobs.view_syncjob"
POLL_SECONDS = 0.2
HEARTBEAT_SECONDS = 15
RIGHTS_SECONDS = 5
MAX_PENDING_BYTES = 1024 * 1024
_ANSWER_SECONDS = 10
_RETRY = b"retry: 2000\n"
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Viewer:
    """Someone who watches, until `ends_at` (of time.monotonic()), or the loss of the right or of the log-in to."""

    user_id: int
    position: Position | None
    """None: unknown; it is told to reload."""
    ends_at: float
    is_staff_only: bool
    password_mark: str = field(repr=False)
    """What the person's password was when they came, as sessions and tokens keep it: a new one ends what is of the old."""
    session_key: str | None = field(default=None, repr=False)
    """The session they watch under, if it is one."""
    _pending: list[bytes] = field(default_factory=list)
    _size: int = 0
    _is_closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def push(self, part: bytes) -> None:
        """Hand over what is to be sent. One who doesn't take it in time loses all of it, and is told to reload."""
        if not part:
            return
        if self._size + len(part) > MAX_PENDING_BYTES:
            self._pending.clear()
            self._size, self.position = 0, None
            return
        self._pending.append(part)
        self._size += len(part)
        self._news.set()

    def close(self) -> None:
        """End the stream once what is pending has been sent."""
        self._is_closed = True
        self._news.set()

    async def parts(self) -> AsyncIterator[bytes]:
        """What is pushed, until the viewer is closed."""
        while self._pending or not self._is_closed:
            await self._news.wait()
            self._news.clear()
            part = b"".join(self._pending)
            self._pending.clear()
            self._size = 0
            if part:
                yield part


class Hub:
    """The viewers of one event loop. It reads only while there are any."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._beat_at = self._checked_at = 0.0
        self._mark = b":\n\n"

    def join(self, viewer: Viewer) -> None:
        """Let the viewer hear what happens after its position."""
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            # A context of its own: the hub outlives the request of its first viewer.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())

    def leave(self, viewer: Viewer) -> None:
        """The viewer has gone. The last one's leaving ends the reading."""
        self._viewers.discard(viewer)

    async def _run(self) -> None:
        while self._viewers:
            try:
                await self._watch()
            except Exception as error:  # whatever it is, it must not leave the viewers waiting for nobody
                _log.warning("The feed of changes lost the database (%s); trying again.", type(error).__name__)
                for viewer in self._viewers:
                    viewer.position = None
                self._beat()
                await asyncio.sleep(5 * POLL_SECONDS)

    async def _watch(self) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            database = await connections.connect(application_name=APPLICATION_NAME)
        async with database:
            while self._viewers:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    reading = await changes.read(database, self._positions())
                    self._tell(reading)
                    await self._check_rights()
                self._beat()
                await asyncio.sleep(POLL_SECONDS)

    def _positions(self) -> set[Position]:
        return {viewer.position for viewer in self._viewers if viewer.position is not None}

    def _tell(self, reading: changes.Reading) -> None:
        self._mark = b":\n" + reading.mark
        parts: dict[Position | None, bytes] = {}
        for viewer in self._viewers:
            behind = viewer.position
            if behind not in parts:
                parts[behind] = reading.since(behind)
            viewer.position = reading.now
            viewer.push(parts[behind])

    def _beat(self) -> None:
        """A line now and then, by which each side notices that the other has gone; and the end of those whose time is up."""
        now = time.monotonic()
        is_due = now >= self._beat_at + HEARTBEAT_SECONDS
        if is_due:
            self._beat_at = now
        for viewer in self._viewers:
            if is_due:
                viewer.push(self._mark)
            if now >= viewer.ends_at:
                viewer.close()

    async def _check_rights(self) -> None:
        """All viewers' in one query."""
        if time.monotonic() < self._checked_at + RIGHTS_SECONDS:
            return
        viewers = list(self._viewers)
        sessions = {viewer.session_key for viewer in viewers if viewer.session_key}
        rights = await asyncio.to_thread(_rights, {viewer.user_id for viewer in viewers}, sessions)
        self._checked_at = time.monotonic()
        for viewer in viewers:
            if not rights.holds(viewer):
                viewer.close()


_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = weakref.WeakKeyDictionary()


async def stream(viewer: Viewer) -> AsyncIterator[bytes]:
    """What the viewer is to be sent, as long as it listens."""
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
    """Who may watch still."""

    people: dict[int, tuple[bool, str]]
    """Those who may, with whether they are staff, and the mark of their password."""
    sessions: set[str]
    """Those that are not over."""

    def holds(self, viewer: Viewer) -> bool:
        is_staff, mark = self.people.get(viewer.user_id, (False, ""))
        return (
            mark == viewer.password_mark
            and (is_staff or not viewer.is_staff_only)
            and (viewer.session_key is None or viewer.session_key in self.sessions)
        )


def _rights(user_ids: Iterable[int], session_keys: Iterable[str]) -> _Rights:
    try:
        model = get_user_model()
        alive = Session.objects.filter(session_key__in=session_keys, expire_date__gt=Now()).values("session_key")
        holders = model._default_manager.with_perm(PERMISSION).filter(pk__in=user_ids)
        rows = list(holders.values_list("pk", "is_staff", "password", ArraySubquery(alive)))
        people = {
            pk: (is_staff, model(password=password).get_session_auth_hash()) for pk, is_staff, password, _ in rows
        }
        return _Rights(people, set(rows[0][3] or ()) if rows else set())
    finally:
        connection.close()
