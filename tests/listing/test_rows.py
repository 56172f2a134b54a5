"""Reading jobs as rows."""

from __future__ import annotations

import pytest

from syncjobs.listing import rows
from syncjobs.listing.pages import Order
from syncjobs.models import SyncJob
from tests.factories import various_jobs

pytestmark = pytest.mark.django_db


def test_a_queryset_that_filters_nothing_or_everything_can_be_read() -> None:
    ids = [job.pk for job in various_jobs()]
    assert {row.pk for row in rows.read(SyncJob.objects.all(), Order())} == set(ids)
    assert [row.pk for row in rows.read(SyncJob.objects.filter(pk__in=ids[:1]), Order())] == ids[:1]
    assert rows.read(SyncJob.objects.none(), Order()) == []
