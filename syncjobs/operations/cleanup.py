"""Delete what nobody will ask for again: old bulk actions, dead workers, and expired tokens, sessions and cached values."""

from __future__ import annotations

import datetime as dt

from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from ..audit.actors import Actor
from ..audit.record import audited
from ..models import BulkAction, Worker

TASK = "syncjobs.housekeep"
"""The Celery task. Stored in the schedules of existing databases, so it keeps its name."""
KEEP_BULK_ACTIONS = dt.timedelta(days=30)
"""How long the result of a bulk action is kept after its end."""
KEEP_WORKERS = dt.timedelta(days=1)
"""How long a worker that was killed stays in the list."""


def delete_expired(actor: Actor) -> dict[str, int]:
    """Delete old bulk actions, dead workers, and expired tokens, sessions and cached values. May run in several places at once.

    Return the number of rows of each kind. Tokens and sessions are counted just before they are deleted, because Django's
    commands don't report a number. A token and its entry on the blacklist count as one.
    """
    now = timezone.now()
    deleted = {
        "workers": Worker.objects.silent(KEEP_WORKERS.total_seconds()).delete()[0],
        "cached": _delete_cached(),
        "bulk_actions": BulkAction.objects.filter(ended_at__lt=now - KEEP_BULK_ACTIONS).delete()[0],
        "tokens": OutstandingToken.objects.filter(expires_at__lte=now).count(),
        "sessions": Session.objects.filter(expire_date__lt=now).count(),
    }
    call_command("flushexpiredtokens")
    call_command("clearsessions")
    # Stored in audit rows: the code stays as it is.
    with audited(actor, "housekeep") as span:
        span.data = deleted
    return deleted


def _delete_cached() -> int:
    """Delete expired entries of Django's cache, which itself deletes only those that somebody asks for."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM syncmonitor_cache WHERE expires < now()")
        return int(cursor.rowcount)
