"""Audit entries: one for every action, whether it succeeded or was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import transaction

from bands.text import camel_case, escape_controls, respell_keys

from ..exceptions import DomainError, NotFound
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

    def entry(self, actor: Actor, result: str) -> AuditEntry:
        """Build the unsaved entry. `result` is "ok" or the code of an error."""
        return AuditEntry(
            action=self.action,
            actor_id=actor.user_id,
            actor_label=actor.label,
            origin=actor.origin,
            address=actor.address,
            target_type=self.target_type,
            target_id=escape_controls(self.target_id)[:120],
            result=result,
            message="\n".join(map(escape_controls, self.message.splitlines())),
            data=self.data,
        )


def details(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for `Span.data`, with their names in camelCase, because all earlier entries have them so."""
    return dict(respell_keys(dict(values), camel_case))


def record(
    actor: Actor, action: str, target_type: str, target_id: object, *, result: str = "ok", message: str = ""
) -> None:
    """Record an action that is no operation, such as a log-in."""
    span = Span(action, target_type, target_id)
    span.message = message
    span.entry(actor, result).save(force_insert=True)


@contextmanager
def audited(actor: Actor, action: str, target_type: str = "", target_id: object = None) -> Iterator[Span]:
    """Run an action in one transaction with its audit entry. On a DomainError, roll back, record the refusal, and re-raise."""
    span = Span(action, target_type, target_id)
    try:
        with transaction.atomic():
            yield span
            span.entry(actor, "ok").save(force_insert=True)
    except DomainError as error:
        span.message = error.message
        span.entry(actor, error.code).save(force_insert=True)
        raise


def record_each(
    actor: Actor,
    action: str,
    target_type: str,
    outcomes: Mapping[int, T | DomainError],
    data_of: Callable[[T], dict[str, Any]],
) -> None:
    """Record one action on several targets, in the caller's transaction: an entry for each target that exists.

    `outcomes` maps each target id to the result, whose data `data_of` returns, or to the error that refused it.
    """
    entries = []
    for target_id, outcome in outcomes.items():
        span = Span(action, target_type, target_id)
        if isinstance(outcome, NotFound):
            continue
        if isinstance(outcome, DomainError):
            span.message = outcome.message
            entries.append(span.entry(actor, outcome.code))
        else:
            span.data = data_of(outcome)
            entries.append(span.entry(actor, "ok"))
    AuditEntry.objects.bulk_create(entries)
