"""Error responses: JSON for clients of the API, pages for everybody else."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from syncjobs.api.core import exception_handler


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 400, as JSON for the API and as a page otherwise."""
    return exception_handler.bad_request(request) if _is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403, as JSON for the API and as a page otherwise."""
    return exception_handler.forbidden(request) if _is_api(request) else defaults.permission_denied(request, exception)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 404, as JSON for the API and as a page otherwise. This is also the view for unknown URLs."""
    return (
        exception_handler.not_found(request)
        if _is_api(request)
        else defaults.page_not_found(request, exception or Http404())
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500, as JSON for the API and as a page otherwise."""
    return exception_handler.server_error(request) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


class NotFoundMiddleware(MiddlewareMixin):
    """Shows our 404 page with DEBUG too, instead of Django's page with a list of URLs."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return not_found(request, exception) if isinstance(exception, Http404) else None
