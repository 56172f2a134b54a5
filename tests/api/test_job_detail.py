"""One job: its children and its timeline."""

from __future__ import annotations

import pytest

from syncjobs.choices import EventKind
from syncjobs.engine import timeline as engine_timeline
from syncjobs.models import SyncJob
from tests.clients import Api
from tests.factories import queue_job

pytestmark = pytest.mark.django_db


def test_a_parent_sums_up_its_children(moderator: Api) -> None:
    parent = queue_job(fans_out=True)
    for status in ("COMPLETED", "COMPLETED", "FAILED"):
        child = queue_job(parent=parent)
        SyncJob.objects.filter(pk=child.pk).update(status=status, videos_found=5, quota_used=2, error_count=1)
    result = moderator.get(f"admin/sync-jobs/{parent.pk}").json()
    assert result["children"] == {"COMPLETED": 2, "FAILED": 1}
    assert (result["videosFound"], result["quotaUsed"]) == (15, 6)
    assert result["childrenTotals"] == {
        "videosFound": 15,
        "videosAdded": 0,
        "videosUpdated": 0,
        "quotaUsed": 6,
        "errors": 3,
    }


def test_a_long_timeline_is_cut_at_the_start(moderator: Api) -> None:
    job = queue_job()
    for number in range(505):
        engine_timeline.note(job.pk, EventKind.NOTE, str(number))
    timeline = moderator.get(f"admin/sync-jobs/{job.pk}").json()["timeline"]
    assert [line["message"] for line in timeline] == [str(number) for number in range(5, 505)]
