"""The conditions of reserve_call.sql are the same as those in Python, which say why nothing was reserved."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import models, transaction

from syncjobs.engine import clock, lease, quota
from syncjobs.exceptions import CancelRequested, Fenced, QuotaExhausted, ReleaseRequested
from syncjobs.models import Attempt, QuotaDay, SyncJob
from syncjobs.youtube.costs import Operation, quota_day
from tests.factories import claim, queue_job

pytestmark = pytest.mark.django_db
PAST = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
STATES: dict[str, tuple[type[models.Model], dict[str, object]]] = {
    "nothing": (SyncJob, {}),
    "cancel requested": (SyncJob, {"cancel_requested_at": PAST}),
    "release requested": (SyncJob, {"release_requested_at": PAST}),
    "not in progress": (SyncJob, {"status": "QUEUED"}),
    "superseded": (SyncJob, {"attempts_made": 2}),
    "lease expired": (Attempt, {"lease_expires_at": PAST}),
    "ended": (Attempt, {"outcome": "LOST"}),
    "bucket used up": (QuotaDay, {"used": 10_000}),
}


@pytest.mark.parametrize("state", STATES)
def test_both_reserve_a_call_under_the_same_conditions(state: str) -> None:
    queue_job()
    attempt = claim()
    operation, day = Operation.VIDEOS_LIST, quota_day(clock.now())
    spender = quota.Spender(is_personal=True, job_id=attempt.job_id, job_type=attempt.job.job_type)
    quota.reserve(operation, spender)
    model, changes = STATES[state]
    if changes:
        model._default_manager.update(**changes)
    at_once = quota.reserve_at_once(operation, spender, attempt, day, [])
    try:
        with transaction.atomic():
            lease.write_fenced(attempt, quota_used=1)
            lease.check_interrupts(attempt.job_id)
            quota.reserve(operation, spender)
        is_reserved = True
    except (Fenced, CancelRequested, ReleaseRequested, QuotaExhausted):
        is_reserved = False
    assert (at_once is not None) == is_reserved == (state == "nothing")
