"""The sentence that the dashboard begins with: whether everything works."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape

import pytest
from django.db.models.functions import Now
from django.test import Client

from syncjobs.choices import AlertRuleName as Rule
from syncjobs.choices import QueueName, Role
from syncjobs.engine import clock
from syncjobs.models import Alert, AlertRound, Worker
from syncjobs.operations import queues, suggestions
from tests.clients import logged_in
from tests.factories import PERSON, make_alert, make_band, queue_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    """Log in on a site that works."""
    Worker.objects.create(name="w1", process_id=1, queues=QueueName.values, concurrency=2)
    AlertRound.objects.update(ended_at=Now())
    return logged_in(Role.ADMIN)


def strip(client: Client) -> str:
    return unescape(client.get("/admin/?part=attention", headers={"HX-Request": "true"}).content.decode())


def verdict(client: Client) -> str:
    (text,) = re.findall(r'id="verdict">([^<]+)<', strip(client))
    return str(text)


def test_a_site_that_works_says_so(admin: Client) -> None:
    assert verdict(admin) == "Everything is working."
    assert "Nothing needs attention" in strip(admin)


def test_what_needs_attention_is_counted_as_its_links_count_it(admin: Client) -> None:
    make_alert()
    assert verdict(admin) == "Syncs run. 1 thing needs attention."
    suggestions.suggest(PERSON, make_band("herons", "@herons").pk, "@NewHerons")
    queues.pause_queue(PERSON, "maintenance", "tidying")
    assert verdict(admin) == "Syncs run. 3 things need attention."
    queues.resume_queue(PERSON, "maintenance")
    Alert.objects.update(acknowledged_at=clock.now(), acknowledged_by="pat")
    assert verdict(logged_in(Role.MODERATOR)) == "Syncs run. Known problems are acknowledged or snoozed."


def test_what_stops_syncs_is_named_even_if_somebody_has_acknowledged_it(admin: Client) -> None:
    seen = {"acknowledged_at": clock.now(), "acknowledged_by": "pat"}
    for why, rule, subject, severity in (
        ("YouTube refuses the API key", Rule.KEY_REFUSED, "", "CRITICAL"),
        ("their queue is paused", Rule.QUEUE_PAUSED, "video-sync", "WARNING"),
        ("the quota is used up", Rule.QUOTA_EXHAUSTED, "main", "CRITICAL"),
    ):
        alert = make_alert(rule, subject, subject_type="site", severity=severity, **seen)
        assert verdict(admin) == f"Syncs do not run: {why}.", rule
        assert "Nothing needs attention" not in strip(admin)
        alert.delete()
    make_alert(Rule.QUOTA_EXHAUSTED, "stats", subject_type="bucket", severity="CRITICAL", **seen)
    assert verdict(admin) == "Syncs run, but some are late or fail."
    queues.pause_queue(PERSON, "video-sync", "")
    assert verdict(admin) == "Syncs do not run: their queue is paused."


def test_without_workers_nothing_is_said_to_work(admin: Client) -> None:
    Worker.objects.update(queues=["video-sync", "maintenance"])
    assert verdict(admin) == "Syncs run, but no worker is running for Video processing."
    for changes in ({"queues": ["maintenance"]}, {"queues": QueueName.values, "failing_since": Now()}):
        Worker.objects.update(**changes)
        assert verdict(admin) == "Syncs do not run: no worker is running for them."
    Worker.objects.all().delete()
    queue_job(band=make_band())
    assert verdict(admin) == "Syncs do not run: no worker is running for them."


def test_what_nobody_has_looked_at_is_unknown(admin: Client) -> None:
    AlertRound.objects.update(ended_at=None)
    assert verdict(admin) == "It is unknown whether everything works: alerts are not evaluated."
    AlertRound.objects.update(ended_at=clock.now() - dt.timedelta(minutes=5))
    assert verdict(admin) == "It is unknown whether everything works: alerts are not evaluated."


def test_a_failing_band_with_a_suggested_channel_says_who_suggested_it(admin: Client) -> None:
    band = make_band("herons", "@herons")
    facts = {"failures": 3, "reason": "channelNotFound", "group": "f00", "error": "Channel not found: @herons"}
    make_alert(Rule.BAND_FAILING, f"{band.pk}", subject_type="band", subject_label="Herons", facts=facts)
    moderator = logged_in(Role.MODERATOR)
    assert "Find the band's channel on YouTube" in strip(admin)
    suggestions.suggest(PERSON, band.pk, "@NewHerons")
    for client, follows in ((admin, "accept or decline it"), (moderator, "an admin decides")):
        shown = strip(client)
        assert f"pat has suggested @NewHerons: {follows}." in shown
        assert "See the suggested channel" in shown
        assert "Find the band" not in shown
