"""The feed of changes as Server-Sent Events: the one response that API and admin give, and the admin's view of it."""

from __future__ import annotations

import time
from typing import cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from . import async_database, feed, feed_hub
from .exceptions import InvalidInput

MAX_STREAM_SECONDS = 3600


def events(
    request: HttpRequest, user: AbstractBaseUser | AnonymousUser, *, seconds: float, is_staff_only: bool
) -> StreamingHttpResponse:
    """What changes, to someone who may see it, for at most so many seconds; then the client connects again by itself.

    From the `Last-Event-ID` header on, which browsers send when they reconnect, or the parameter `lastEventId`, for
    pages that know their position (`feed.position()`), or else from now on. Raises InvalidInput.
    """
    asked = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId") or feed.position()
    viewer = feed_hub.Viewer(
        user_id=cast(int, user.pk),
        position=feed.Position.parse(asked),
        ends_at=time.monotonic() + min(seconds, MAX_STREAM_SECONDS),
        is_staff_only=is_staff_only,
    )
    async_database.give_back()
    return StreamingHttpResponse(
        feed_hub.stream(viewer),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@require_GET
def admin_events(request: HttpRequest) -> HttpResponseBase:
    """For the admin's pages, under their session. After 403 (who may not watch) and 400 a browser stops asking."""
    user = request.user
    if not (user.is_active and user.is_staff and user.has_perm(feed_hub.PERMISSION)):
        return HttpResponse(status=403)
    try:
        return events(request, user, seconds=MAX_STREAM_SECONDS, is_staff_only=True)
    except InvalidInput as error:
        return HttpResponse(error.message, status=400, content_type="text/plain; charset=utf-8")
