"""The estimated cost of a sync."""

from __future__ import annotations

import pytest

from bands.models import Band
from syncjobs.models import SyncJob
from syncjobs.youtube.simulator import Simulator
from tests.clients import Api
from tests.factories import band_with_videos, run_all

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_estimate_equals_the_cost_of_the_sync(moderator: Api, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 120)
    Band.objects.filter(pk=band.pk).update(channel_video_count=120)
    body = {"bandId": str(band.pk), "syncType": "FULL"}
    result = moderator.post("admin/sync-jobs/estimate", body).json()
    assert (result["units"], result["bands"], result["fitsQuota"], result["secondsP50"]) == ({"main": 6}, 1, True, None)
    job_id = moderator.post("admin/sync-jobs/trigger", body).json()["jobId"]
    run_all()
    assert SyncJob.objects.get(pk=job_id).quota_used == 6
    result = moderator.post("admin/sync-jobs/estimate", body).json()
    assert (result["bands"], result["skippedAsJustSynced"], result["units"]) == (0, 1, {"main": 0})
    result = moderator.post("admin/sync-jobs/estimate", body | {"forceSync": True}).json()
    assert result["secondsP50"] > 0
