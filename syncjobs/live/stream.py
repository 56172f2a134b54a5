"""The change feed as Server-Sent Events: the response that API and admin share."""

from __future__ import annotations

import time
from typing import cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, StreamingHttpResponse

from . import changes, connections, hub

MAX_STREAM_SECONDS = 3600


def events(
    request: HttpRequest,
    user: AbstractBaseUser | AnonymousUser,
    *,
    seconds: float,
    is_staff_only: bool,
    session_key: str | None = None,
    family: str = "",
) -> StreamingHttpResponse:
    """Stream changes to a user for at most so many seconds; then the client reconnects by itself.

    The stream ends within seconds after the user loses the permission, or after the session or the log-in
    with tokens ends that it belongs to.

    It starts after the position in the `Last-Event-ID` header, which browsers send when they reconnect, or in the
    parameter `lastEventId`, which pages set to their `changes.position()`, or else now. Raises InvalidInput.
    """
    position = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or changes.position()
    viewer = hub.Viewer(
        user_id=cast(int, user.pk),
        position=changes.Position.parse(position),
        ends_at=time.monotonic() + min(seconds, MAX_STREAM_SECONDS),
        is_staff_only=is_staff_only,
        password_mark=cast(AbstractBaseUser, user).get_session_auth_hash(),
        session_key=session_key,
        family=family,
    )
    connections.release()
    return StreamingHttpResponse(
        hub.stream(viewer),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
