"""One shape for every error, made here: {"type", "errors": [{"code", "field", "message"}]}."""

from __future__ import annotations

import re
from typing import Any, cast

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings

from ... import exceptions

_STATUSES: tuple[tuple[type[exceptions.DomainError], int], ...] = (
    (exceptions.InvalidInput, status.HTTP_400_BAD_REQUEST),
    (exceptions.NotFound, status.HTTP_404_NOT_FOUND),
    (exceptions.NotPermitted, status.HTTP_403_FORBIDDEN),
    (exceptions.Conflict, status.HTTP_409_CONFLICT),
    (exceptions.QuotaExhausted, status.HTTP_409_CONFLICT),
    (exceptions.Busy, status.HTTP_503_SERVICE_UNAVAILABLE),
)

SERVER_ERROR = "Something went wrong here. It has been logged."


class Refused(APIException):
    """A domain error on its way to the client."""

    def __init__(self, error: exceptions.DomainError, field: str | None, several: dict[str, list[str]]) -> None:
        super().__init__(detail=several if len(several) > 1 else error.message, code=error.code)
        self.status_code = next(
            (code for kind, code in _STATUSES if isinstance(error, kind)), status.HTTP_400_BAD_REQUEST
        )
        self.field = field
        self.details = error.details
        # What REST framework makes Retry-After of, in seconds.
        self.wait = error.retry_after if isinstance(error, exceptions.Busy) else None


class Handler(ExceptionHandler):
    """Turns domain errors into HTTP, and faults into a sentence that tells nothing of them."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if not isinstance(exc, exceptions.DomainError):
            return super().convert_known_exceptions(exc)
        said: dict[str, list[str]] = {}
        for field, message in exc.problems:
            said.setdefault(self._sent_as(field) or field, []).append(message)
        if isinstance(exc, exceptions.InvalidFields):
            return ValidationError(said)
        sent_as = self._sent_as(exc.field) if exc.field else None
        # Of what can't be right it is told also where something is missing; no other error is of what wasn't sent.
        return Refused(exc, sent_as or (exc.field if isinstance(exc, exceptions.InvalidInput) else None), said)

    def convert_unhandled_exceptions(self, exc: Exception) -> APIException:
        return exc if isinstance(exc, APIException) else APIException(SERVER_ERROR)

    def _sent_as(self, field: str) -> str | None:
        """What the request calls what the domain calls so, in its query, its body or its address; None if it has no such."""
        request, in_path = cast(Request, self.context["request"]), self.context["kwargs"]
        try:
            body = request.data if isinstance(request.data, dict) else {}
        except APIException:
            body = {}
        keys = {_plain(key): key for key in (*request.query_params, *body)}
        name, dot, rest = field.partition(".")
        for each in (name, f"{name}Id"):
            if key := keys.get(_plain(each)):
                return f"{key}{dot}{rest}"
        if f"{name}_id" in in_path or (name == "id" and any(key.endswith("_id") for key in in_path)):
            return "id"
        return name if name in in_path or name in request.headers else None


class Formatter(ExceptionFormatter):
    """Our names for the parts of an error."""

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        field = self.exc.field if isinstance(self.exc, Refused) else None
        errors = [
            {"code": e.code, "field": _whole(e.attr) or field, "message": e.detail} for e in error_response.errors
        ]
        body: dict[str, Any] = {"type": _kind(self.exc.status_code), "errors": errors}
        if isinstance(self.exc, Refused) and self.exc.details:
            body["details"] = {_camel(name): value for name, value in self.exc.details.items()}
        return body


def _kind(code: int) -> str:
    if code == status.HTTP_400_BAD_REQUEST:
        return "validation_error"
    return "server_error" if code >= status.HTTP_500_INTERNAL_SERVER_ERROR else "client_error"


def _whole(path: str | None) -> str | None:
    """What several fields together were wrong of: the object that holds them, None for the body itself."""
    whole = "" if path is None else path.removesuffix(api_settings.NON_FIELD_ERRORS_KEY).removesuffix(".")
    return whole or None


def _plain(key: object) -> str:
    return re.sub("[^a-z0-9]", "", str(key).lower())


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """404 for paths that don't exist."""
    return plain(404, "not_found", "There is nothing at this address.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """400 for what is refused before any view sees it."""
    return plain(400, "invalid", "The request can't be read, or its Host header names no host of this site.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """403 for what is refused before any view sees it."""
    return plain(403, "permission_denied", "You may not do this.")


def server_error(request: HttpRequest) -> JsonResponse:
    """500, which tells nothing of how it came about."""
    return plain(500, "error", SERVER_ERROR)


def read_only(request: HttpRequest) -> JsonResponse:
    """405 where there is nothing to do but read."""
    answer = plain(405, "method_not_allowed", f"Method “{request.method}” not allowed.")
    answer["Allow"] = "GET, HEAD"
    return answer


def plain(code: int, name: str, message: str) -> JsonResponse:
    """An error outside any view, in the shape of all others."""
    return JsonResponse(
        {"type": _kind(code), "errors": [{"code": name, "field": None, "message": message}]}, status=code
    )
