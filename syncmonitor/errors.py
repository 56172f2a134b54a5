"""Error responses: JSON for clients of the API, pages for everybody else."""

from __future__ import annotations

import logging
import sys

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt

from syncjobs import exceptions
from syncjobs.api.core import exception_handler

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 400, as JSON for the API and as a page otherwise."""
    return exception_handler.bad_request(request) if is_api(request) else defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return 403, as JSON for the API and as a page otherwise."""
    return exception_handler.forbidden(request) if is_api(request) else defaults.permission_denied(request, exception)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 404, as JSON for the API and as a page otherwise. This is also the view for unknown URLs."""
    return (
        exception_handler.not_found(request)
        if is_api(request)
        else defaults.page_not_found(request, exception or Http404())
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 500, as JSON for the API and as a page otherwise; 503 if the database was away for a middleware."""
    if outage := exceptions.unavailable(sys.exception()):
        return unavailable(request, outage)
    return exception_handler.server_error(request) if is_api(request) else defaults.server_error(request)


def unavailable(request: HttpRequest, error: exceptions.Busy) -> HttpResponse:
    """Return 503 with Retry-After: JSON for the API, the sentence alone for scripts of a page, and a page otherwise."""
    if is_api(request):
        return exception_handler.unavailable(error)
    if request.headers.get("HX-Request"):
        response = HttpResponse(error.message, status=503, content_type="text/plain; charset=utf-8")
    else:
        context = {"message": error.message, "is_outage": isinstance(error, exceptions.Unavailable)}
        response = render(request, "503.html", context, status=503)
    response["Retry-After"] = str(error.retry_after)
    return response


def refuse(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    """Refuse a request before a view: JSON for the API, the sentence alone for scripts of a page, and a page otherwise."""
    if is_api(request):
        return exception_handler.plain(status, code, message)
    if request.headers.get("HX-Request"):
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    return render(request, "refused.html", {"status": status, "message": message}, status=status)


def is_api(request: HttpRequest) -> bool:
    """Return whether the request is one of the API, whose errors are JSON."""
    return request.path.startswith("/api/")


class ErrorMiddleware(MiddlewareMixin):
    """Answers what views raise, with DEBUG too: our 404 page instead of Django's, and 503 while the database is away."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return answer(request, exception)


def answer(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """Return the response to what a view raised, or None if it is an error of ours."""
    if isinstance(exception, Http404):
        return not_found(request, exception)
    error = exception if isinstance(exception, exceptions.Busy) else exceptions.unavailable(exception)
    if error is None:
        return None
    logger.warning("Answered 503 %s: %s (%s)", request.path, error, type(exception).__name__)
    return unavailable(request, error)
