"""Delete what nobody will ask for again: old bulk actions, and expired tokens and sessions."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from ..audit.actors import Actor
from ..audit.record import audited
from ..models import BulkAction

TASK = "syncjobs.housekeep"
"""The Celery task. Stored in the schedules of existing databases, so it keeps its name."""
KEEP_BULK_ACTIONS = dt.timedelta(days=30)
"""How long the result of a bulk action is kept after its end."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """Number of deleted rows of each kind. A token and its entry on the blacklist count as one."""

    bulk_actions: int
    tokens: int
    sessions: int


def delete_expired(actor: Actor) -> Deleted:
    """Delete old bulk actions, expired tokens and expired sessions. May run in several places at once."""
    now = timezone.now()
    bulk_actions, _by_model = BulkAction.objects.filter(ended_at__lt=now - KEEP_BULK_ACTIONS).delete()
    # The commands don't report how many rows they delete.
    tokens = OutstandingToken.objects.filter(expires_at__lte=now).count()
    sessions = Session.objects.filter(expire_date__lt=now).count()
    call_command("flushexpiredtokens")
    call_command("clearsessions")
    deleted = Deleted(bulk_actions, tokens, sessions)
    # Stored in audit rows: the code stays as it is.
    with audited(actor, "housekeep") as span:
        span.data = asdict(deleted)
    return deleted
