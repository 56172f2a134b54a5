"""The lease of a running attempt."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import transaction
from django.utils import timezone

from syncjobs.engine import lease
from syncjobs.exceptions import Fenced
from syncjobs.models import Attempt
from tests.factories import claim, queue_job

pytestmark = pytest.mark.django_db


def _expire(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))


def test_an_expired_lease_stops_writes_before_reconcile_notices() -> None:
    queue_job()
    attempt = claim()
    _expire(attempt)
    assert not lease.renew_lease(attempt)
    with pytest.raises(Fenced), transaction.atomic():
        lease.save_progress(attempt, checkpoint={})
