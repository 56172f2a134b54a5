"""Suggested channels in the admin: where they are offered, shown and decided."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from bands.models import Band, ChannelProblem
from syncjobs.choices import JobType, Role
from syncjobs.engine import outcomes, quota
from syncjobs.models import ChannelSuggestion, ErrorGroup, SyncJob
from syncjobs.operations import bands, queues, suggestions
from syncjobs.youtube.simulator import Simulator
from tests.clients import logged_in
from tests.factories import HOSTILE, PERSON, band_with_videos, claim, full_sync, make_band, queue_job, run_next

pytestmark = pytest.mark.django_db
URL = "/admin/bands/band/"
HTMX, DIALOG = {"HX-Request": "true"}, {"HX-Request": "true", "X-Dialog": "1"}


@pytest.fixture
def kim() -> Client:
    return logged_in(Role.ADMIN)


@pytest.fixture
def robin() -> Client:
    return logged_in(Role.MODERATOR)


@pytest.fixture
def band() -> Band:
    """A band whose channel is gone, with the job that found that out."""
    band = make_band("herons", "@herons", channel_id="UC" + "o" * 22)
    queue_job(band=band)
    outcomes.fail(claim(), "Channel not found: @herons", reason="channelNotFound")
    ErrorGroup.objects.update(is_permanent=True)
    Band.objects.update(channel_problem=ChannelProblem.NOT_FOUND)
    return band


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_a_moderator_suggests_and_an_admin_accepts(kim: Client, robin: Client, band: Band, youtube: Simulator) -> None:
    channel = youtube.world.add_channel("@NewHerons", "New Herons")
    suggest, edit = f'href="{URL}{band.pk}/suggest/"', f'href="{URL}{band.pk}/edit/#id_youtube_channel"'
    job, group = SyncJob.objects.get(), ErrorGroup.objects.get()
    places = (
        f"{URL}{band.pk}/change/",
        f"/admin/syncjobs/syncjob/{job.pk}/change/",
        f"/admin/syncjobs/errorgroup/{group.pk}/change/",
    )
    for path in places:
        assert (suggest in page(robin, path), edit in page(robin, path)) == (True, False), path
        assert (suggest in page(kim, path), edit in page(kim, path)) == (False, True), path
    # The question is a dialog, in which a pasted channel is looked up at once.
    asked = robin.get(f"{URL}{band.pk}/suggest/", headers=DIALOG).content.decode()
    assert 'hx-trigger="change, paste delay:300ms"' in asked
    sent = {"channel": "@NewHerons", "note": "On their page"}
    found = robin.post(f"{URL}{band.pk}/suggest/", sent | {"look_up": "auto"}, headers=DIALOG).content.decode()
    assert "New Herons" in found
    assert (ChannelSuggestion.objects.count(), quota.today()[0].used) == (0, 1)
    answer = robin.post(f"{URL}{band.pk}/suggest/", sent, headers=DIALOG)
    assert "is suggested for Herons" in robin.get(answer["HX-Redirect"]).content.decode()
    suggestion = ChannelSuggestion.objects.get()
    assert (suggestion.channel_id, suggestion.author_label) == (channel.id, "MODERATOR@example")
    accept = f"{URL}suggestions/{suggestion.pk}/accept/"
    for client, decides in ((robin, False), (kim, True)):
        shown = page(client, places[0])
        assert "New Herons" in shown
        assert "On their page" in shown
        assert "A channel is suggested below." in shown
        assert shown.count("btn-primary") == decides
        assert (accept in shown) is decides
        assert ("1 suggested" in page(client, "/admin/menu/")) is decides
        assert ("A channel is suggested for Herons." in page(client, "/admin/")) is decides
    for path in places[1:]:
        assert f'href="{places[0]}"' in page(kim, path)
        assert "See the channel suggested for Herons" in page(kim, path)
    assert page(kim, places[1]).count("btn-primary") == 1
    assert robin.post(accept).status_code == 403
    assert "@herons → @NewHerons" in page(kim, accept)
    # The toast offers what follows, and the page that is open behind the dialog shows the new channel in its head too.
    answer = kim.post(accept, headers=DIALOG)
    toast = json.loads(answer["HX-Trigger"])["toast"]
    assert "has not been synced yet" in toast["text"]
    assert toast["action"] == {"url": f"{URL}{band.pk}/sync/", "label": "Sync now"}
    part = kim.get(places[0], headers=HTMX).content.decode()
    assert "Channel not found" not in part
    assert "New channel, not synced yet" in part
    assert part.count("Not of this channel yet") == 2
    head = part[part.index('id="band-lead"') :]
    assert ("@newherons" in head, 'id="band-tools"' in head) == (True, True)
    queues.pause_queue(PERSON, "video-sync", "")
    toast = json.loads(kim.post(f"{URL}{band.pk}/sync/", headers=HTMX)["HX-Trigger"])["toast"]
    assert toast["text"].endswith("is queued. The queue Video sync is paused, so its jobs wait.")
    part = page(kim, places[0])
    assert "Its first sync is queued or running." in part
    assert "The queue Video sync is paused, so its jobs wait." in part
    band.refresh_from_db()
    assert (band.channel_id, band.channel_problem) == (channel.id, "")
    assert quota.today()[0].used == 1
    assert "Accepted by ADMIN@example" in page(robin, places[0])
    assert "suggested for Herons" not in page(kim, "/admin/")


def test_a_channel_that_somebody_has_corrected_meanwhile_is_not_replaced(kim: Client, band: Band) -> None:
    suggestion, _ = suggestions.suggest(PERSON, band.pk, "@NewHerons")
    accept = f"{URL}suggestions/{suggestion.pk}/accept/"
    seen = {"present": kim.get(accept, headers=DIALOG).context["form"]["present"].value()}
    bands.change(PERSON, band.pk, {"youtube_channel": "@RightHerons"})
    refused = kim.post(accept, seen, headers=DIALOG)
    assert "not the one you saw: @RightHerons instead of @herons." in refused["HX-Trigger"]
    suggestion.refresh_from_db()
    assert (Band.objects.get().channel_reference, suggestion.state) == ("@RightHerons", "open")
    assert "@RightHerons instead of no channel." in kim.post(accept, {"present": ""}, headers=DIALOG)["HX-Trigger"]
    kim.post(accept, {"present": "@RightHerons"}, headers=DIALOG)
    assert Band.objects.get().channel_reference == "@NewHerons"


def test_a_declined_suggestion_says_why(kim: Client, robin: Client, band: Band) -> None:
    robin.post(f"{URL}{band.pk}/suggest/", {"channel": "@NewHerons", "note": HOSTILE})
    suggestion = ChannelSuggestion.objects.get()
    decline = f"{URL}suggestions/{suggestion.pk}/decline/"
    assert robin.post(decline, {"reason": "x"}).status_code == 403
    assert kim.post(decline, {"reason": ""}).status_code == 422
    assert HOSTILE not in page(kim, f"{URL}{band.pk}/change/")
    kim.post(decline, {"reason": "A fan's channel"})
    shown = page(robin, f"{URL}{band.pk}/change/")
    assert "Declined by ADMIN@example" in shown
    assert "A fan&#x27;s channel" in shown
    assert "already decided" in kim.post(decline, {"reason": "x"}, headers=HTMX)["HX-Trigger"]
    assert kim.get(f"{URL}suggestions/999/accept/").status_code == 404


def test_the_author_withdraws_a_suggestion(kim: Client, robin: Client, band: Band) -> None:
    robin.post(f"{URL}{band.pk}/suggest/", {"channel": "@NewHerons"})
    withdraw = f"{URL}suggestions/{ChannelSuggestion.objects.get().pk}/withdraw/"
    assert withdraw in page(robin, f"{URL}{band.pk}/change/")
    assert withdraw not in page(kim, f"{URL}{band.pk}/change/")
    assert "Only MODERATOR@example can withdraw" in kim.post(withdraw, headers=HTMX)["HX-Trigger"]
    assert "You suggested @NewHerons." in page(robin, withdraw)
    robin.post(withdraw)
    assert ChannelSuggestion.objects.get().state == "withdrawn"
    assert "Withdrawn" in page(kim, f"{URL}{band.pk}/change/")


def test_a_channel_is_suggested_once_and_the_second_time_nothing_is_called_done(robin: Client, band: Band) -> None:
    suggest = f"{URL}{band.pk}/suggest/"
    suggestions.suggest(PERSON, band.pk, "@Others")
    robin.post(suggest, {"channel": "@NewHerons"})
    page(robin, f"{URL}{band.pk}/change/")
    for channel, who in (("@NewHerons", "You have"), ("@Others", "pat has")):
        shown = robin.post(suggest, {"channel": channel}, follow=True).content.decode()
        assert re.search(rf'<li data-utc class="info">{who} already suggested this channel\.</li>', shown), channel
    assert ChannelSuggestion.objects.count() == 2


def test_what_is_wrong_with_a_suggestion_stands_at_its_field(robin: Client, band: Band) -> None:
    make_band("owls", "@owls")
    for channel, expected in (
        ("", "required"),
        ("https://youtu.be/dQw4w9WgXcQ", "is a video"),
        ("@Owls", "Owls already has"),
    ):
        answer = robin.post(f"{URL}{band.pk}/suggest/", {"channel": channel})
        assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["channel"])
        assert expected in answer.content.decode()
    assert robin.get(f"{URL}999/suggest/").status_code == 404


def test_a_channel_that_youtube_does_not_have_is_not_suggested(
    kim: Client, robin: Client, band: Band, youtube: Simulator
) -> None:
    suggest, sent = f"{URL}{band.pk}/suggest/", {"channel": "@NewHerons"}
    look_up = sent | {"look_up": "1"}
    assert "Channel not found: @NewHerons" in robin.post(suggest, look_up, headers=DIALOG).content.decode()
    answer = robin.post(suggest, sent, headers=DIALOG)
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["channel"])
    assert "YouTube has no such channel." in answer.content.decode()
    assert not ChannelSuggestion.objects.exists()
    # A channel that exists by now can be suggested. One that nobody has looked up can be too, with a warning to the admin.
    warning = "Nobody has looked this channel up on YouTube yet."
    suggestion, _ = suggestions.suggest(PERSON, band.pk, "@others")
    assert warning in page(kim, f"{URL}suggestions/{suggestion.pk}/accept/")
    youtube.world.add_channel("@NewHerons", "New Herons")
    robin.post(suggest, look_up, headers=DIALOG)
    assert "HX-Redirect" in robin.post(suggest, sent, headers=DIALOG)
    assert warning not in page(kim, f"{URL}suggestions/{ChannelSuggestion.objects.latest('pk').pk}/accept/")


def test_details_say_what_came_of_looking_a_channel_up(kim: Client, youtube: Simulator) -> None:
    band = make_band("owls", "@owls")
    assert "not looked up on YouTube yet" in page(kim, f"{URL}{band.pk}/change/")
    full_sync(band)
    shown = page(kim, f"{URL}{band.pk}/change/")
    assert "not looked up on YouTube yet" not in shown
    assert "YouTube has no such channel" in shown


def test_a_band_whose_channel_was_read_without_a_full_sync_needs_none(kim: Client, youtube: Simulator) -> None:
    band, _ = band_with_videos(youtube.world, 3)
    queue_job(JobType.INCREMENTAL_SYNC, band=band)
    run_next()
    shown = page(kim, f"{URL}{band.pk}/change/")
    assert "Not needed yet" in shown
    assert "No full sync of this channel was needed yet: the incremental sync" in shown


def test_the_list_finds_bands_with_suggestions(kim: Client, robin: Client, band: Band) -> None:
    make_band("owls", "@owls")
    assert "Channel suggested" not in page(kim, URL)
    suggestions.suggest(PERSON, band.pk, "@NewHerons")
    suggestions.suggest(PERSON, band.pk, "@Others")
    shown = page(robin, URL)
    assert 'id="chip-suggestion" href="?suggestion=open"' in shown
    assert "Channel suggested</span>" in shown
    narrowed = page(robin, f"{URL}?suggestion=open&health=failing")
    assert 'id="chip-suggestion" href="?health=failing" aria-current="true"' in narrowed
    assert "Owls" not in narrowed
    # Each chip counts what it alone would find, whatever another one finds.
    for query in ("health=paused", "health=healthy", "suggestion=open"):
        shown = page(robin, f"{URL}?{query}")
        counts = dict(re.findall(r'id="chip-(suggestion|health-all)"(?:(?!</a>).)*class="chip-count">(\d+)', shown))
        assert counts == {"suggestion": "1", "health-all": "2"}, query
        assert 'id="chip-health-all" href="?"' in shown
    assert 'id="chip-suggestion" href="?suggestion=open"' in page(robin, f"{URL}?health=paused")
    assert "2 channels are suggested: Herons" in page(kim, "/admin/")
