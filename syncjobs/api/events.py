"""Changes as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework_simplejwt.settings import api_settings

from ..engine import clock
from ..listing.base_filters import Parameters, Text
from ..live import hub, stream
from .core.files import IgnoreAccept
from .core.permissions import requires
from .core.tokens import FAMILY
from .core.viewsets import ViewSet


class EventList(Parameters):
    """The query parameters of the stream of events."""

    last_event_id = Text(help_text="Like the header, for clients that can't set it.")


class EventViewSet(ViewSet):
    permission_classes = (requires(hub.PERMISSION),)
    filterset_class = EventList
    content_negotiation_class = IgnoreAccept

    @property
    def field_names(self) -> Mapping[str, str]:  # type: ignore[override]
        return {} if "Last-Event-ID" in self.request.headers else {"Last-Event-ID": "lastEventId"}

    @extend_schema(
        operation_id="watch",
        parameters=[
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Continue after this event.")
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def list(self, request: Request) -> StreamingHttpResponse:
        """Stream changes as Server-Sent Events: `job`, `queue`, `health`, `alerts`, `heartbeat`, `many` and `reset`.

        `health` lists the problems (a silent worker, a queue with work but no worker, no scheduler, a silent YouTube) and
        the state of each worker; it is sent at the start and when one changes. `alerts` has the number of alerts that need
        attention and of the critical ones among them; it is sent at the start and when an alert changes. A `heartbeat`
        comes every 10 seconds: after two missing ones, show what you have as stale and connect again.

        `many` stands for more changes than are sent one by one, and after `reset` some may be missing: reload what you
        show. The stream ends when the token or its log-in does; connect again with a new one and `Last-Event-ID` to miss nothing.
        """
        token: Any = request.auth
        # As long as the token is accepted: a client that connects again at once would be refused at once.
        left = token["exp"] + api_settings.LEEWAY.total_seconds() - clock.approximate().timestamp() if token else None
        seconds = stream.MAX_STREAM_SECONDS if left is None else max(0.0, left)
        family = token.get(FAMILY, "") if token else ""
        return stream.events(request._request, request.user, seconds=seconds, is_staff_only=False, family=family)
