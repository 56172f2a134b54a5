"""The OpenAPI document, and the page that shows it. Their assets come from this site."""

from __future__ import annotations

import functools
import threading
from typing import Any

from django.http import HttpResponse
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.base_filters import Choice, Parameters
from .core.viewsets import StrictView

# Two concurrent first requests would find drf-spectacular's extensions half loaded.
_one_at_a_time = threading.Lock()


class _Open(StrictView):
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(response, Response) and response.status_code >= 400:
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)


@functools.cache
def _document(language: str) -> bytes:
    """Return the document. It takes a third of a second of a processor, and anybody may ask for it as often as they like."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return bytes(OpenApiJsonRenderer2().render(document, renderer_context={}))


class Document(_Open):
    """The OpenAPI 3.1 document, as JSON."""

    renderer_classes = (OpenApiJsonRenderer2,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        with _one_at_a_time:
            content = _document(get_language())
        headers = {"Content-Disposition": f'inline; filename="{spectacular_settings.TITLE}.json"'}
        return HttpResponse(content, content_type=OpenApiJsonRenderer2.media_type, headers=headers)


class PageParameters(Parameters):
    """The query parameters of the page."""

    script = Choice(choices=[""])


class Page(_Open, SpectacularSwaggerSplitView):
    """Swagger UI. Its script is a request of its own, because the CSP allows no inline scripts."""

    filterset_class = PageParameters
