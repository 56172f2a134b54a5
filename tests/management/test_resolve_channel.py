"""resolve_channel"""

from __future__ import annotations

import json

import pytest

from bands.models import Band
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
