"""The change feed for the admin's pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from ..exceptions import InvalidInput
from ..live import hub, stream


@require_GET
def events(request: HttpRequest) -> HttpResponseBase:
    """Stream changes to the admin's pages. After 403 (no permission) and 400, browsers don't reconnect."""
    user = request.user
    if not (user.is_active and user.is_staff and user.has_perm(hub.PERMISSION)):
        return HttpResponse(status=403)
    try:
        key = request.session.session_key
        return stream.events(request, user, seconds=stream.MAX_STREAM_SECONDS, is_staff_only=True, session_key=key)
    except InvalidInput as error:
        return HttpResponse(error.message, status=400, content_type="text/plain; charset=utf-8")
