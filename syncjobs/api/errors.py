"""One shape for every error, made here: {"type", "errors": [{"code", "field", "message"}]}."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError

from .. import exceptions

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

    def __init__(self, error: exceptions.DomainError) -> None:
        several = {field: [said] for field, said in error.problems} if len(error.problems) > 1 else None
        super().__init__(detail=several or error.message, code=error.code)
        self.status_code = next(
            (code for kind, code in _STATUSES if isinstance(error, kind)), status.HTTP_400_BAD_REQUEST
        )
        self.field = error.field
        self.details = error.details
        # What REST framework makes Retry-After of, in seconds.
        self.wait = error.retry_after if isinstance(error, exceptions.Busy) else None


class Handler(ExceptionHandler):
    """Turns domain errors into HTTP, and faults into a sentence that tells nothing of them."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, exceptions.InvalidFields):
            said: dict[str, list[str]] = {}
            for field, message in exc.problems:
                said.setdefault(field, []).append(message)
            return ValidationError(said)
        if isinstance(exc, exceptions.DomainError):
            return Refused(exc)
        return super().convert_known_exceptions(exc)

    def convert_unhandled_exceptions(self, exc: Exception) -> APIException:
        return exc if isinstance(exc, APIException) else APIException(SERVER_ERROR)


class Formatter(ExceptionFormatter):
    """Our names for the parts of an error."""

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        field = self.exc.field if isinstance(self.exc, Refused) else None
        errors = [{"code": e.code, "field": e.attr or field, "message": e.detail} for e in error_response.errors]
        body: dict[str, Any] = {"type": str(error_response.type), "errors": errors}
        if isinstance(self.exc, Refused) and self.exc.details:
            body["details"] = {_camel(name): value for name, value in self.exc.details.items()}
        return body


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
    kind = "server_error" if code >= 500 else "client_error"
    return JsonResponse({"type": kind, "errors": [{"code": name, "field": None, "message": message}]}, status=code)
