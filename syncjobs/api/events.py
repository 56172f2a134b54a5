"""What changes, as it changes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from ..listing.parameters import Parameters, Text
from ..live import hub, stream
from .core.views import View


class WhateverIsAsked(BaseContentNegotiation):
    """The answer is what the address is for, whatever the Accept header says; a refusal is JSON."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class EventParameters(Parameters):
    """The query parameters of the stream of events."""

    lastEventId = Text(help_text="Like the header, for clients that can't set it.")


class Events(View):
    needs: ClassVar[dict[str, str]] = {"*": hub.PERMISSION}
    takes = {"GET": EventParameters}
    content_negotiation_class = WhateverIsAsked

    @extend_schema(
        operation_id="watch",
        parameters=[
            OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Go on after this event."),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Server-Sent Events: `job`, `queue`, `many` (more changed than is told one by one) and `reset` (some may be missed).

        After `many` and `reset`, reload what you show. The stream ends when the token does; connect again with a new one
        and `Last-Event-ID`, and nothing is missed.
        """
        token: Any = request.auth
        seconds = token["exp"] - time.time() if token else stream.MAX_STREAM_SECONDS
        return stream.events(request._request, request.user, seconds=seconds, is_staff_only=False)
