"""Delete what nobody will ask for again: old bulk actions, alerts, idempotency keys, error groups and quota days, dead workers,
what has expired, and, if the settings say so, old audit entries.
"""

from __future__ import annotations

import datetime as dt
from typing import cast

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from ..audit.actors import Actor
from ..audit.record import audited
from ..engine import clock
from ..models import (
    Alert,
    AlertDelivery,
    AlertNotice,
    BandImport,
    BulkAction,
    EndedLogIn,
    IdempotencyKey,
    QuotaDay,
    Worker,
)
from ..models.idempotency import KEEP_HOURS

TASK = "syncjobs.housekeep"
"""The Celery task. Stored in the schedules of existing databases, so it keeps its name."""
KEEP_BULK_ACTIONS = dt.timedelta(days=30)
"""How long the result of a bulk action or import is kept after its end."""
KEEP_DELIVERIES = dt.timedelta(days=30)
"""How long a delivery of an alert is kept after its end: longer than a channel may wait with the next one."""
KEEP_QUOTA_DAYS = dt.timedelta(days=400)
"""How long a day's use of the quota is kept: longer than anybody can look back."""
KEEP_ALERTS = dt.timedelta(days=90)
"""How long an alert is kept after it is over."""
KEEP_KEYS = dt.timedelta(hours=KEEP_HOURS)
_AUDIT_BATCH = 5000
KEEP_WORKERS = dt.timedelta(days=1)
"""How long a worker that was killed stays in the list."""


def delete_expired(actor: Actor) -> dict[str, int]:
    """Delete old bulk actions, alerts, error groups, quota days and audit entries, dead workers, and what has expired.

    May run in several places at once.

    Return the number of rows of each kind. A token and its entry on the blacklist count as one.
    """
    now = clock.now()
    deleted = {
        "workers": Worker.objects.silent(KEEP_WORKERS.total_seconds()).delete()[0],
        "cached": _delete_cached(),
        "bulk_actions": BulkAction.objects.filter(ended_at__lt=now - KEEP_BULK_ACTIONS).delete()[0],
        "idempotency_keys": IdempotencyKey.objects.filter(created_at__lte=now - KEEP_KEYS).delete()[0],
        "imports": BandImport.objects.filter(ended_at__lt=now - KEEP_BULK_ACTIONS).delete()[0],
        "tokens": _delete_tokens(now),
        "sessions": Session.objects.filter(expire_date__lt=now).delete()[0],
        "log_ins": EndedLogIn.objects.filter(expires_at__lte=now).delete()[0],
        "alerts": Alert.objects.filter(resolved_at__lt=now - KEEP_ALERTS).delete()[1].get(Alert._meta.label, 0),
        "error_groups": _delete_error_groups(),
        "deliveries": _delete_deliveries(now),
        "quota_days": QuotaDay.objects.filter(day__lt=(now - KEEP_QUOTA_DAYS).date()).delete()[0],
        "audit_entries": _delete_audit_entries(),
    }
    # Stored in audit rows: the code stays as it is.
    with audited(actor, "housekeep") as span:
        span.data = deleted
    return deleted


def _delete_tokens(now: dt.datetime) -> int:
    """Delete tokens that no web server accepts any more. Without its row, a revoked one would be accepted again."""
    expired = OutstandingToken.objects.filter(expires_at__lt=now - cast(dt.timedelta, api_settings.LEEWAY))
    return expired.delete()[1].get(OutstandingToken._meta.label, 0)


def _delete_deliveries(now: dt.datetime) -> int:
    """Delete ended deliveries, but not while an alert that they told of lasts: its end is yet to be told."""
    lasting = AlertNotice.objects.filter(delivery=OuterRef("pk"), alert__resolved_at=None)
    ended = AlertDelivery.objects.filter(~Exists(lasting), ended_at__lt=now - KEEP_DELIVERIES)
    return ended.delete()[1].get(AlertDelivery._meta.label, 0)


def _delete_cached() -> int:
    """Delete expired entries of Django's cache, which itself deletes only those that somebody asks for."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM syncmonitor_cache WHERE expires < now()")
        return int(cursor.rowcount)


def _delete_error_groups() -> int:
    """Delete groups, and their threads, whose errors were deleted with their jobs, once they are as old as such a job.

    One statement: a group whose next error is recorded at the same time has a new time, and stays.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (DELETE FROM syncjobs_errorgroup AS g WHERE last_seen_at < now() - make_interval(days => %s)"
            "   AND NOT EXISTS (SELECT FROM syncjobs_joberror AS e WHERE e.group_id = g.fingerprint) RETURNING fingerprint),"
            " notes AS (DELETE FROM syncjobs_errornote WHERE group_id IN (SELECT fingerprint FROM gone))"
            " SELECT count(*) FROM gone",
            [settings.SYNC_KEEP_JOBS_DAYS],
        )
        return int(cursor.fetchone()[0])


def _delete_audit_entries() -> int:
    """Delete audit entries older than AUDIT_KEEP_DAYS, unless that is 0, in batches."""
    days, deleted = settings.AUDIT_KEEP_DAYS, 0
    while days:
        with transaction.atomic(), connection.cursor() as cursor:
            # The trigger in sql/audit.sql lets nobody delete an entry who does not say this.
            cursor.execute("SELECT set_config('syncmonitor.audit_keep_days', %s, true)", [str(days)])
            cursor.execute(
                "DELETE FROM syncjobs_auditentry WHERE id IN (SELECT id FROM syncjobs_auditentry"
                " WHERE at < now() - make_interval(days => %s) ORDER BY id LIMIT %s)",
                [days, _AUDIT_BATCH],
            )
            deleted += cursor.rowcount
            if cursor.rowcount < _AUDIT_BATCH:
                break
    return deleted
