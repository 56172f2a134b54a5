"""ETags for responses that clients poll: a client that has the current one gets 304."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ...exceptions import Outdated
from .renderers import OrjsonRenderer
from .viewsets import ViewSet

_CLOCKS = {"asOf", "oldestRunnableAge"}
"""Keys that change with the clock: a response that differs in nothing else has not changed."""


def with_etag(action: Callable[..., Response]) -> Callable[..., Response]:
    """Give the response of an action a weak ETag, and honor `If-None-Match`."""

    @functools.wraps(action)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = action(view, request, *args, **kwargs)
        tag = f'W/"{_digest(response.data)}"'
        if _matches(tag, request.headers.get("If-None-Match", "")):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        response["ETag"] = tag
        response["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Authorization"])
        return response

    wrapped.has_etag = True  # type: ignore[attr-defined]
    return wrapped


def _matches(tag: str, condition: str) -> bool:
    """Compare weakly, as RFC 9110 (13.1.2) asks for If-None-Match: `*` matches everything, and `W/` doesn't count."""
    wanted = parse_etags(condition)
    return wanted == ["*"] or tag.removeprefix("W/") in {each.removeprefix("W/") for each in wanted}


class Versioned(ViewSet):
    """A ViewSet whose objects people edit: GET and PATCH have an ETag, PATCH and DELETE honor `If-Match`.

    An ETag has two parts: the version of what people can change, which `If-Match` compares, so that a sync that changes
    other values is no conflict; and the version of the whole.
    """

    is_versioned = True

    def versioned(self, row: Any, data: Any) -> Response:
        """Return the response for an object, with its ETag; 304 if a GET has that one."""
        tag = f'"{self._version_of(row)}-{_digest(data)[:16]}"'
        response = Response(data)
        if self.request.method == "GET" and _matches(tag, self.request.headers.get("If-None-Match", "")):
            response = Response(status=status.HTTP_304_NOT_MODIFIED)
        response["ETag"] = tag
        patch_vary_headers(response, ["Authorization"])
        return response

    def check(self, row: Any) -> None:
        """Compare the object, whose row is locked, with `If-Match`. Raises Outdated.

        The comparison is strong (RFC 9110, 13.1.1): a weak tag matches nothing.
        """
        condition = self.request.headers.get("If-Match")
        wanted = parse_etags(condition or "")
        if condition is None or wanted == ["*"]:
            return
        if self._version_of(row) not in {tag.strip('"').partition("-")[0] for tag in wanted if tag.startswith('"')}:
            message = _("It was changed since you read it. Read it again, then send your change with the new ETag.")
            raise Outdated([("", message)])

    def _version_of(self, row: Any) -> str:
        serializer: Any = self.serializer_class(row)  # type: ignore[misc]
        values = {}
        for name in self.body_classes["partial_update"]().fields:
            field = serializer.fields[name]
            value = field.get_attribute(row)
            values[name] = None if value is None else field.to_representation(value)
        return _digest(values)[:16]


def _digest(data: Any) -> str:
    rows = data if isinstance(data, list) else [data]
    lasting = [{name: value for name, value in row.items() if name not in _CLOCKS} for row in rows]
    return hashlib.sha256(OrjsonRenderer().render(lasting)).hexdigest()[:32]
