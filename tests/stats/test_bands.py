"""The syncs of a band by day."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from syncjobs.choices import JobStatus, JobType
from syncjobs.models import SyncJob
from syncjobs.stats import bands
from tests.factories import make_band

pytestmark = pytest.mark.django_db


def test_syncs_are_summed_by_day(monkeypatch: pytest.MonkeyPatch) -> None:
    band, other = make_band("herons"), make_band("owls")
    now = timezone.now().replace(hour=12)

    def add(days_ago: int, band_id: int = band.pk, job_type: str = JobType.FULL_SYNC, **fields: object) -> None:
        created = now - dt.timedelta(days=days_ago)
        values = {"queue_id": "video-sync", "status": JobStatus.COMPLETED} | fields
        SyncJob.objects.create(band_id=band_id, job_type=job_type, created_at=created, **values)

    add(0, videos_found=50, videos_added=2)
    add(0, job_type=JobType.INCREMENTAL_SYNC, videos_found=7, videos_added=1, error_count=1)
    add(3, status=JobStatus.FAILED, error_count=1)
    add(29, videos_found=3_000_000_000 // 2)
    add(29, videos_found=3_000_000_000 // 2)
    for left_out in (
        {"days_ago": 30},
        {"days_ago": 1, "band_id": other.pk},
        {"days_ago": 1, "job_type": "SINGLE_VIDEO"},
    ):
        add(**left_out)  # type: ignore[arg-type]
    syncs = bands.syncs(band.pk, now)
    today = now.date()
    assert [day.day for day in syncs.days] == [today - dt.timedelta(days=n) for n in range(29, -1, -1)]
    assert syncs.days[-1] == bands.Day(today, syncs=2, found=57, added=3, errors=1)
    assert syncs.days[-4] == bands.Day(today - dt.timedelta(days=3), syncs=1, failed=1, errors=1)
    assert (syncs.days[0].found, syncs.total) == (3_000_000_000, 5)
    # With too many jobs, a day whose jobs were not all read is left out.
    monkeypatch.setattr(bands, "_MOST", 3)
    few = bands.syncs(band.pk, now)
    assert (few.days[0].day, few.total) == (today - dt.timedelta(days=2), 2)
    monkeypatch.setattr(bands, "_MOST", 2)
    assert [day.syncs for day in bands.syncs(band.pk, now).days] == [*[0] * 29, 2]
    assert bands.syncs(make_band("new").pk, now).total == 0
