"""The hand-written JSON of a listed job equals that of its serializer."""

from __future__ import annotations

import datetime as dt
from typing import Any

import orjson
import pytest
from django.utils import timezone

from bands.models import Band
from syncjobs.api.core.renderers import OrjsonRenderer
from syncjobs.api.serializers.jobs import JobSerializer, job_as_json
from syncjobs.choices import JobStatus
from syncjobs.engine import errors
from syncjobs.listing import rows
from syncjobs.listing.pages import Order
from syncjobs.models import Attempt, JobError, SyncJob

pytestmark = pytest.mark.django_db


def _json(data: Any) -> Any:
    return orjson.loads(OrjsonRenderer().render(data))


def test_each_field_of_a_listed_job_is_what_the_serializer_says() -> None:
    now = timezone.now()
    band = Band.objects.create(name="Heron “Marching”", slug="herons")
    parent = SyncJob.objects.create(job_type="FULL_SYNC", queue_id="video-sync", fans_out=True)
    SyncJob.objects.create(
        job_type="FULL_SYNC",
        queue_id="video-sync",
        status=JobStatus.COMPLETED,
        band=band,
        band_name=band.name,
        parent=parent,
        retry_of=parent,
        priority=40,
        started_at=now - dt.timedelta(seconds=9, microseconds=123456),
        completed_at=now,
        cancel_requested_at=now.replace(microsecond=0),
        progress_done=3,
        progress_total=7,
        quota_used=18,
        requested_by_label="schedule: Nightly",
    )
    failed = SyncJob.objects.create(
        job_type="PRUNE", queue_id="maintenance", status=JobStatus.IN_PROGRESS, started_at=now
    )
    attempt = Attempt.objects.create(job=failed, number=1, worker="w", lease_expires_at=now)
    errors.record(attempt, [errors.ErrorReport("odd", "It broke.", False)])
    assert JobError.objects.exists()
    listed = rows.read(SyncJob.objects.filter(pk__gte=parent.pk), Order())
    assert len(listed) == 3
    for job in listed:
        by_hand, serialized = _json(job_as_json(job)), _json(JobSerializer(job).data)
        assert list(by_hand) == list(serialized)
        for name, value in serialized.items():
            assert (name, by_hand[name]) == (name, value)
