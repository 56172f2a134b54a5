"""Deletes what nobody will ask for again: bulk actions long ended, and tokens and sessions that have expired."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from ..audit.actors import Actor
from ..audit.record import audited
from ..models import BulkAction

TASK = "syncjobs.housekeep"
KEEP_BULK_ACTIONS = dt.timedelta(days=30)
"""How long after its end it can still be asked what came of a bulk action."""
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows of each kind; a token counts once, with its place on the blacklist."""

    bulk_actions: int
    tokens: int
    sessions: int


def delete_expired(actor: Actor) -> Deleted:
    """Delete it all, a batch at a time. May run at any time, in several places at once."""
    now = timezone.now()
    deleted = Deleted(
        bulk_actions=_delete(BulkAction.objects.filter(ended_at__lt=now - KEEP_BULK_ACTIONS)),
        tokens=_delete(OutstandingToken.objects.filter(expires_at__lte=now)),
        sessions=_delete(Session.objects.filter(expire_date__lt=now)),
    )
    with audited(actor, "housekeep") as span:
        span.data = asdict(deleted)
    return deleted


def _delete(rows: QuerySet[Model]) -> int:
    """A batch is one short transaction, so that nobody waits long for a row, and a stop leaves only what is left to do."""
    total = 0
    while batch := list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH]):
        # Counted by kind: with a token goes its row on the blacklist. The condition is asked again: a row may have changed.
        _all, by_kind = rows.filter(pk__in=batch).delete()
        total += by_kind.get(rows.model._meta.label, 0)
    return total
