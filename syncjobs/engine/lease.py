"""The lease of a running attempt: renew it, save progress only while it is live, and check whether to stop."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db.models import Exists
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from ..exceptions import CancelRequested, Fenced, ReleaseRequested
from ..models import Attempt, SyncJob


def lease_end() -> CombinedExpression:
    """Return when a lease that starts or is renewed now expires."""
    return Now() + dt.timedelta(seconds=settings.SYNC_LEASE_SECONDS)


def renew_lease(attempt: Attempt) -> bool:
    """Extend the lease. Return False if it has expired or the attempt has ended; neither can be undone."""
    return bool(
        Attempt.objects.running().filter(pk=attempt.pk, lease_expires_at__gt=Now()).update(lease_expires_at=lease_end())
    )


def write_fenced(attempt: Attempt, **changes: Any) -> None:
    """Update the attempt's job and keep its row locked for the rest of the transaction.

    Raises Fenced unless the attempt is the job's newest, is still running and has a live lease.
    """
    # The same as `job` in sql/queries/reserve_call.sql, together with check_interrupts.
    live = Attempt.objects.running().filter(pk=attempt.pk, lease_expires_at__gt=Now())
    job = SyncJob.objects.in_progress().filter(Exists(live), pk=attempt.job_id, attempts_made=attempt.number)
    if not job.update(**changes):
        raise Fenced


def save_progress(attempt: Attempt, *, checkpoint: dict[str, Any], **changes: Any) -> None:
    """Save the checkpoint and counts in the caller's transaction, and reset the count of failures in a row.

    Raises Fenced.
    """
    write_fenced(attempt, checkpoint=checkpoint, failures_in_a_row=0, **changes)


def check_interrupts(job_id: int) -> None:
    """Raise CancelRequested or ReleaseRequested if the job should stop, Fenced if it was deleted."""
    requests = SyncJob.objects.filter(pk=job_id).values_list("cancel_requested_at", "release_requested_at").first()
    if requests is None:
        raise Fenced
    cancel_requested_at, release_requested_at = requests
    if cancel_requested_at:
        raise CancelRequested
    if release_requested_at:
        raise ReleaseRequested
