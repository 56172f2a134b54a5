"""The feed of changes as Server-Sent Events: the one response that API and admin give, and the admin's view of it."""

from __future__ import annotations

import time
from typing import cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from ..exceptions import InvalidInput
from . import changes, connections, hub

MAX_STREAM_SECONDS = 3600


def events(
    request: HttpRequest,
    user: AbstractBaseUser | AnonymousUser,
    *,
    seconds: float,
    is_staff_only: bool,
    session_key: str | None = None,
) -> StreamingHttpResponse:
    """What changes, to someone who may see it, for at most so many seconds; then the client connects again by itself.

    It ends within seconds of the person's right to it, or of the session's end where it is under one.

    From the `Last-Event-ID` header on, which browsers send when they reconnect, or the parameter `lastEventId`, for
    pages that know their position (`feed.position()`), or else from now on. Raises InvalidInput.
    """
    asked = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or changes.position()
    viewer = hub.Viewer(
        user_id=cast(int, user.pk),
        position=changes.Position.parse(asked),
        ends_at=time.monotonic() + min(seconds, MAX_STREAM_SECONDS),
        is_staff_only=is_staff_only,
        password_mark=cast(AbstractBaseUser, user).get_session_auth_hash(),
        session_key=session_key,
    )
    connections.give_back()
    return StreamingHttpResponse(
        hub.stream(viewer),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@require_GET
def admin_events(request: HttpRequest) -> HttpResponseBase:
    """For the admin's pages, under their session. After 403 (who may not watch) and 400 a browser stops asking."""
    user = request.user
    if not (user.is_active and user.is_staff and user.has_perm(hub.PERMISSION)):
        return HttpResponse(status=403)
    try:
        key = request.session.session_key
        return events(request, user, seconds=MAX_STREAM_SECONDS, is_staff_only=True, session_key=key)
    except InvalidInput as error:
        return HttpResponse(error.message, status=400, content_type="text/plain; charset=utf-8")
