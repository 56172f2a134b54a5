"""Idempotency keys: a client that got no answer repeats its request, and the work is done once."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from ...exceptions import DomainError, InvalidInput
from ...models import IdempotencyKey
from ...models.idempotency import KEEP_HOURS
from ...sql import query

HEADER = "Idempotency-Key"
CLAIM_MINUTES = 10
"""A process that took a key and has not answered for this long is dead."""
PATTERN = r"[ -~]{1,255}"
_Action = Callable[..., Response]
KEY_REUSED = "This key was sent with another request. Use a new key for each request."


class KeyReused(APIException):
    """The key belongs to another request."""

    status_code = 422
    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__({HEADER: [KEY_REUSED]})


class InProgress(APIException):
    """The first request with the key has not been answered yet."""

    status_code = 409
    default_code = "in_progress"
    wait = 5
    """Django REST framework makes the Retry-After header of it, in seconds."""

    def __init__(self) -> None:
        super().__init__("The first request with this key is still being worked on. Try again in a few seconds.")


def idempotent(action: _Action) -> _Action:
    """Let an action answer a repeated request as it answered the first one, if both have the same Idempotency-Key.

    Keys are each person's own and are kept for KEEP_HOURS. A refused request is not kept, so that it can succeed later.
    The action runs in one transaction with its key, so it must be quick.
    """
    return _honoring(_at_once, action)


def idempotent_in_steps(action: _Action) -> _Action:
    """Do the same for an action with transactions of its own: a repetition is refused until the first request has ended.

    If its process dies, the key is free again after CLAIM_MINUTES.
    """
    return _honoring(_in_steps, action)


def _honoring(act_once: Callable[[Request, str, Callable[[], Response]], Response], action: _Action) -> _Action:
    @functools.wraps(action)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return action(view, request, *args, **kwargs)
        if not re.fullmatch(PATTERN, key):
            raise InvalidInput("Must be 1 to 255 letters, digits or signs of ASCII.", field=HEADER)
        return act_once(request, key, lambda: action(view, request, *args, **kwargs))

    wrapped.is_idempotent = True  # type: ignore[attr-defined]
    return wrapped


def _at_once(request: Request, key: str, act: Callable[[], Response]) -> Response:
    """Act and keep the answer in one transaction, or return the answer that is kept. Raises KeyReused."""
    refusal: Exception | None = None
    with transaction.atomic():
        claimed = _claim(request, key)
        if claimed is None:
            return _repeated(request, key)
        try:
            response = act()
        except (DomainError, APIException) as error:
            # The audit entry of the refusal stays, so this transaction is not rolled back.
            claimed.delete()
            refusal = error
        else:
            _keep(claimed, response)
    if refusal:
        raise refusal
    return response


def _in_steps(request: Request, key: str, act: Callable[[], Response]) -> Response:
    """Take the key, act, then keep the answer, or return the answer that is kept. Raises KeyReused, InProgress."""
    claimed = _claim(request, key)
    if claimed is None:
        return _repeated(request, key)
    try:
        response = act()
    except BaseException:
        claimed.delete()
        raise
    _keep(claimed, response)
    return response


def _keep(claimed: QuerySet[IdempotencyKey], response: Response) -> None:
    location = response.get("Location", "")
    claimed.update(status=response.status_code, answer=json.dumps(response.data), location=location)


def _claim(request: Request, key: str) -> QuerySet[IdempotencyKey] | None:
    """Return a queryset of the new row, or None if the key is taken."""
    values = {"user": request.user.pk, "key": key, "request_hash": _hash(request)}
    values |= {"hours": KEEP_HOURS, "minutes": CLAIM_MINUTES}
    with connection.cursor() as cursor:
        cursor.execute(query("claim_idempotency_key"), values)
        row = cursor.fetchone()
    return IdempotencyKey.objects.filter(pk=row[0]) if row else None


def _repeated(request: Request, key: str) -> Response:
    first = IdempotencyKey.objects.filter(user=request.user.pk, key=key).first()
    if first is None:  # The first request has just failed, which frees its key.
        raise InProgress
    if first.request_hash != _hash(request):
        raise KeyReused
    if first.status is None:
        raise InProgress
    headers = {"Idempotency-Replayed": "true"} | ({"Location": first.location} if first.location else {})
    return Response(json.loads(first.answer), first.status, headers=headers)


def _hash(request: Request) -> str:
    """Return what two equal requests have in common: method, path and the content of the body."""
    body = json.dumps(request.data, sort_keys=True)
    return hashlib.sha256(f"{request.method} {request.path} {body}".encode()).hexdigest()
