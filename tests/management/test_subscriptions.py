"""subscriptions"""

from __future__ import annotations

import json

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from syncjobs.freshness import feeds, subscriptions
from syncjobs.models import AuditEntry, Subscription
from tests.clients import command_error, run_command
from tests.factories import make_band

pytestmark = pytest.mark.django_db


def test_states_are_shown_and_checked_and_subscriptions_renewed(settings: LazySettings) -> None:
    band, other = (make_band(slug, channel_id=f"UC{slug:a>22}") for slug in ("herons", "owls"))
    feeds.match_bands()
    assert "push: off, PUBLIC_URL is not set" in run_command("subscriptions")
    assert "PUBLIC_URL is not set" in command_error("subscriptions", "--renew")
    settings.PUBLIC_URL = "https://sync.example.org"
    subscriptions.reconcile()
    Subscription.objects.filter(band=band).update(problem="The hub answered 503.\x1b[2J", next_request_at=Now())
    text = run_command("subscriptions")
    assert "push: 0 of 2 bands; probed once a day only: 0" in text
    assert "unknown" in text
    assert "The hub answered 503." in text
    assert "\x1b" not in text
    assert "owls" in text
    only = json.loads(run_command("subscriptions", "--json", "owls"))
    assert [row["slug"] for row in only["bands"]] == ["owls"]
    assert (only["bands"][0]["push"], only["bands"][0]["leaseEndsAt"]) == ("pending", None)
    assert command_error("subscriptions", "--check") == "Push or the feed of 1 of 2 bands does not work."
    assert run_command("subscriptions", "--check", str(other.pk)) == ""
    everything = json.loads(run_command("subscriptions", "--json"))
    assert everything["freshness"]["push"]["refused"] == 1
    assert everything["freshness"]["total"] == {"videos": 0, "p50Seconds": None, "p95Seconds": None}
    assert run_command("subscriptions", "--renew", "owls") == "Subscriptions to be renewed: 1.\n"
    assert AuditEntry.objects.filter(action="renew_subscriptions", result="ok").exists()
    assert "There is no band" in command_error("subscriptions", "nowhere")
