"""Audit entries: one for every action, whether it succeeded or was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import transaction

from ..exceptions import DomainError
from ..models import AuditEntry
from .actors import Actor

T = TypeVar("T")


class Span:
    """The parts of the audit entry that the action fills in while it runs."""

    def __init__(self, action: str, target_type: str, target_id: object) -> None:
        self.action = action
        self.target_type = target_type
        self.target_id = "" if target_id is None else str(target_id)
        self.message = ""
        self.data: dict[str, Any] = {}


@contextmanager
def audited(actor: Actor, action: str, target_type: str = "", target_id: object = None) -> Iterator[Span]:
    """Run an action in one transaction with its audit entry. A DomainError is rolled back, recorded and raised again."""
    span = Span(action, target_type, target_id)
    try:
        with transaction.atomic():
            yield span
            _record(actor, span, "ok")
    except DomainError as error:
        span.message = error.message
        _record(actor, span, error.code)
        raise


def record_each(
    actor: Actor,
    action: str,
    target_type: str,
    outcomes: Mapping[int, T | DomainError],
    data_of: Callable[[T], dict[str, Any]],
) -> None:
    """Record one action on several targets, in the caller's transaction: an entry for each target id.

    `outcomes` maps each target id to the result, whose data `data_of` returns, or to the error that refused it.
    """
    entries = []
    for target_id, outcome in outcomes.items():
        span = Span(action, target_type, target_id)
        if isinstance(outcome, DomainError):
            span.message = outcome.message
            entries.append(_entry(actor, span, outcome.code))
        else:
            span.data = data_of(outcome)
            entries.append(_entry(actor, span, "ok"))
    AuditEntry.objects.bulk_create(entries)


def _record(actor: Actor, span: Span, result: str) -> None:
    _entry(actor, span, result).save(force_insert=True)


def _entry(actor: Actor, span: Span, result: str) -> AuditEntry:
    return AuditEntry(
        action=span.action,
        actor_id=actor.user_id,
        actor_label=actor.label,
        origin=actor.origin,
        address=actor.address,
        target_type=span.target_type,
        target_id=span.target_id,
        result=result,
        message=span.message,
        data=span.data,
    )
