"""Errors as responses, all in one shape: {"type", "message", "errors": [{"code", "field", "message"}]}."""

from __future__ import annotations

import logging
from typing import Any, cast

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from bands.text import camel_case

from ... import exceptions

logger = logging.getLogger(__name__)

_STATUSES: tuple[tuple[type[exceptions.DomainError], int], ...] = (
    (exceptions.InvalidInput, status.HTTP_400_BAD_REQUEST),
    (exceptions.NotFound, status.HTTP_404_NOT_FOUND),
    (exceptions.NotPermitted, status.HTTP_403_FORBIDDEN),
    (exceptions.Outdated, status.HTTP_412_PRECONDITION_FAILED),
    (exceptions.Conflict, status.HTTP_409_CONFLICT),
    (exceptions.QuotaExhausted, status.HTTP_409_CONFLICT),
    (exceptions.TooMany, status.HTTP_429_TOO_MANY_REQUESTS),
    (exceptions.Busy, status.HTTP_503_SERVICE_UNAVAILABLE),
)

MOST_ERRORS = 20
"""A response reports the first errors only: a body may have thousands."""
SERVER_ERROR = "Something went wrong here. It has been logged."


class Refused(APIException):
    """A domain error on its way to the client."""

    def __init__(self, error: exceptions.DomainError, problems: dict[str, list[str]]) -> None:
        super().__init__(problems, error.code)
        self.message = error.message
        self.status_code = next(
            (code for kind, code in _STATUSES if isinstance(error, kind)), status.HTTP_400_BAD_REQUEST
        )
        self.details = error.details
        # Django REST framework makes the Retry-After header of it, in seconds.
        self.wait = getattr(error, "retry_after", None)

    def __str__(self) -> str:
        """Return what the log says."""
        return self.message


class Handler(ExceptionHandler):
    """Translate domain errors to HTTP, and hide the details of faults."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if outage := exceptions.unavailable(exc):
            return Refused(outage, {api_settings.NON_FIELD_ERRORS_KEY: [outage.message]})
        if not isinstance(exc, exceptions.DomainError):
            return super().convert_known_exceptions(exc)
        problems: dict[str, list[str]] = {}
        for field, message in exc.problems:
            problems.setdefault(self._field(exc, field), []).append(message)
        return Refused(exc, problems)

    def convert_unhandled_exceptions(self, exc: Exception) -> APIException:
        return exc if isinstance(exc, APIException) else APIException(SERVER_ERROR)

    def report_exception(self, exc: APIException, response: Response) -> None:
        """Log an error of the server with its traceback, but a refusal such as "busy" in one line."""
        if not isinstance(exc, Refused):
            super().report_exception(exc, response)
        elif exc.status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
            path = cast(Request, self.context["request"]).path
            logger.warning("Answered %s %s: %s (%s)", exc.status_code, path, exc, type(self.exc).__name__)

    def _field(self, exc: exceptions.DomainError, field: str) -> str:
        """Return the field's name in the request; NON_FIELD_ERRORS_KEY if the request doesn't have it.

        Invalid input keeps its field in any case, because the problem may be that the field is missing.
        """
        key: str = cast(Any, self.context["view"]).key_of(field)
        is_of_request = isinstance(exc, exceptions.InvalidInput) or key.partition(".")[0] in self._sent()
        return (key if is_of_request else "") or api_settings.NON_FIELD_ERRORS_KEY

    def _sent(self) -> set[str]:
        """Return the names of the request's query parameters, body keys and path parameters; ids in paths are "id"."""
        request = cast(Request, self.context["request"])
        try:
            body = request.data if isinstance(request.data, dict) else {}
        except APIException:
            body = {}
        in_path = {"id" if name.endswith("_id") else name for name in self.context["kwargs"]}
        return {*request.query_params, *body, *in_path}


class Formatter(ExceptionFormatter):
    """Format an error in the shape of all errors."""

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        errors = [
            {"code": e.code, "field": _without_non_field(e.attr), "message": e.detail}
            for e in error_response.errors[:MOST_ERRORS]
        ]
        body = _body(self.exc.status_code, errors)
        if isinstance(self.exc, Refused) and self.exc.details:
            body["details"] = {camel_case(name): value for name, value in self.exc.details.items()}
        return body


def _body(code: int, errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the shape of all errors. `message` is the first error's, for clients that show one sentence."""
    return {"type": _kind(code), "message": errors[0]["message"], "errors": errors}


def _kind(code: int) -> str:
    if code == status.HTTP_400_BAD_REQUEST:
        return "validation_error"
    return "server_error" if code >= status.HTTP_500_INTERNAL_SERVER_ERROR else "client_error"


def _without_non_field(path: str | None) -> str | None:
    """Return the path of the object that an error of several fields is about; None for the body itself."""
    return (path or "").removesuffix(api_settings.NON_FIELD_ERRORS_KEY).removesuffix(".") or None


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer 404 for paths that don't exist."""
    return plain(404, "not_found", "There is nothing at this address.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer 400 for requests that are refused before they reach a view."""
    return plain(400, "invalid", "The request can't be read, or its Host header is not a host of this site.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer 403 for requests that are refused before they reach a view."""
    return plain(403, "permission_denied", "You don't have permission to do this.")


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer 500 without any detail."""
    return plain(500, "error", SERVER_ERROR)


def unavailable(error: exceptions.Busy) -> JsonResponse:
    """Answer 503 outside of the API's views."""
    answer = plain(503, error.code, error.message)
    answer["Retry-After"] = str(error.retry_after)
    return answer


def read_only(request: HttpRequest) -> JsonResponse:
    """Answer 405 at a read-only address."""
    response = plain(405, "method_not_allowed", f"Method “{request.method}” not allowed.")
    response["Allow"] = "GET, HEAD"
    return response


def plain(code: int, name: str, message: str) -> JsonResponse:
    """Return an error from outside the API's views, in the shape of all errors."""
    return JsonResponse(_body(code, [{"code": name, "field": None, "message": message}]), status=code)
