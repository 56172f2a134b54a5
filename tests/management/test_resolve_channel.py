"""resolve_channel"""

from __future__ import annotations

import datetime as dt
import json

import pytest

from bands.models import Band
from syncjobs.engine import clock, quota
from syncjobs.youtube.costs import QUOTA_TIMEZONE, Bucket
from syncjobs.youtube.simulator import Simulator
from syncjobs.youtube.simulator.faults import Fault
from tests.clients import command_error, run_command

pytestmark = pytest.mark.django_db


def test_resolve_channel_saves_the_channel_with_the_band(youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@brassline", "Brass Line")
    Band.objects.create(name="A", slug="a")
    assert (
        json.loads(run_command("resolve_channel", "youtube.com/@brassline", "--band", "a", "--json"))["id"]
        == channel.id
    )
    band = Band.objects.get()
    assert (band.channel_id, band.channel_title, youtube.units()) == (channel.id, "Brass Line", 1)
    assert "Channel not found: @nobodyhere" in command_error("resolve_channel", "@nobodyhere")
    youtube.faults.add(Fault("apiKeyInvalid"))
    assert command_error("resolve_channel", "@brassline").startswith("YouTube: API key not valid")


def test_a_look_up_that_youtube_refuses_for_the_quota_stops_the_jobs_too(
    youtube: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = dt.datetime.combine(dt.datetime.now(dt.UTC).astimezone(QUOTA_TIMEZONE), dt.time(12), QUOTA_TIMEZONE)
    monkeypatch.setattr(clock, "now", lambda: noon.astimezone(dt.UTC))
    youtube.faults.add(Fault("quotaExceeded"))
    assert command_error("resolve_channel", "@brassline").startswith("YouTube: The request cannot be completed")
    state = next(state for state in quota.today() if state.bucket is Bucket.MAIN)
    assert (state.closed_reason, state.left_for_manual_syncs) == ("quotaExceeded", 0)
    assert "is used up" in command_error("resolve_channel", "@brassline")
    assert len(youtube.calls()) == 1
