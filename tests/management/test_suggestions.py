"""manage.py suggestions"""

from __future__ import annotations

import json

import pytest

from bands.models import Band
from syncjobs.models import AuditEntry
from syncjobs.operations import suggestions
from tests.clients import command_error, run_command
from tests.factories import HOSTILE, PERSON, make_band

pytestmark = pytest.mark.django_db


def test_suggestions_are_listed_and_decided() -> None:
    assert run_command("suggestions") == "There are no suggestions.\n"
    band = make_band("herons", "@herons", last_full_sync_at="2026-11-01T00:00Z")
    first, _ = suggestions.suggest(PERSON, band.pk, "@NewHerons", "On their page")
    second, _ = suggestions.suggest(PERSON, band.pk, "@Fans", HOSTILE)
    lines = run_command("suggestions", "--band", "herons").splitlines()
    assert lines[0].endswith(" UTC in place of @herons")
    assert lines[0].startswith(f"{first.pk}  Herons: @NewHerons, suggested by {PERSON.label} at 20")
    assert lines[1] == "    On their page"
    assert run_command("suggestions", str(second.pk), "--decline", "A fan's channel") == "Declined: @Fans.\n"
    done = run_command("suggestions", str(first.pk), "--accept")
    assert done.startswith("Accepted: Herons has the channel @NewHerons now.\n")
    assert "manage.py sync_bands --band herons" in done
    assert Band.objects.get().channel_reference == "@NewHerons"
    listed = json.loads(run_command("suggestions", "--all", "--json"))["suggestions"]
    assert [(each["state"], each["reason"]) for each in listed] == [("declined", "A fan's channel"), ("accepted", None)]
    assert "accepted (" in run_command("suggestions", "--all")
    assert (
        AuditEntry.objects.filter(origin="COMMAND", target_type="band").exclude(actor_label=PERSON.label).count() == 3
    )


def test_a_suggestion_is_accepted_only_if_the_band_still_has_the_channel() -> None:
    suggestion, _ = suggestions.suggest(PERSON, make_band("herons", "@herons").pk, "@NewHerons")
    accept = ("suggestions", str(suggestion.pk), "--accept", "--if-channel")
    for seen, named in (("@other", "@other"), ("", "no channel")):
        refused = (
            f"channel: The band's channel is not the one you saw: @herons instead of {named}. Look, then decide again."
        )
        assert command_error(*accept, seen) == refused
    assert Band.objects.get().channel_reference == "@herons"
    (listed,) = json.loads(run_command("suggestions", "--json"))["suggestions"]
    assert run_command(*accept, listed["bandYoutubeChannel"]).startswith("Accepted: Herons")
    for arguments in ((), (str(suggestion.pk), "--decline", "No")):
        assert command_error("suggestions", *arguments, "--if-channel", "@x") == "--if-channel needs --accept."


def test_a_suggestion_of_somebody_else_is_not_withdrawn() -> None:
    suggestion, _ = suggestions.suggest(PERSON, make_band("herons", "@herons").pk, "@NewHerons")
    assert f"Only {PERSON.label} can withdraw" in command_error("suggestions", str(suggestion.pk), "--withdraw")
    for arguments in (("--accept",), (str(suggestion.pk),), (str(suggestion.pk), "--accept", "--all")):
        assert command_error("suggestions", *arguments)
