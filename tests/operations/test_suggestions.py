"""Suggested channels: who may do what with them, what is refused, and decisions at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import translation

from bands.models import Band, ChannelProblem
from syncjobs.admin.suggestions import context_of
from syncjobs.audit.actors import Actor
from syncjobs.choices import Origin, SuggestionState
from syncjobs.exceptions import Conflict, DomainError, InvalidInput, NotFound, NotPermitted, Taken
from syncjobs.models import AuditEntry, ChannelSuggestion
from syncjobs.operations import bands, suggestions
from syncjobs.youtube.types import Channel
from tests.concurrency import start_and_wait_for_lock
from tests.factories import PERSON, make_band

pytestmark = pytest.mark.django_db
KIM, ROBIN = Actor("kim", Origin.ADMIN), Actor("robin", Origin.ADMIN)
OLD, NEW = "UC" + "o" * 22, "UC" + "n" * 22


def gone_band() -> Band:
    return make_band("herons", "@herons", channel_id=OLD, channel_problem=ChannelProblem.NOT_FOUND)


def new_channel(channel_id: str = NEW) -> Channel:
    return Channel(channel_id, "@NewHerons", "New Herons", "UU" + channel_id[2:], 7)


def result_of(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except DomainError as error:
        return error


def test_an_accepted_suggestion_changes_the_channel() -> None:
    band = gone_band()
    first, is_new = suggestions.suggest(
        ROBIN, band.pk, " https://youtube.com/@NewHerons ", " On their page ", new_channel()
    )
    assert (is_new, first.state, first.note, first.author_label) == (True, "open", "On their page", "robin")
    again, is_new = suggestions.suggest(KIM, band.pk, "@newherons")
    assert (again.pk, is_new) == (first.pk, False)
    by_id, is_new = suggestions.suggest(KIM, band.pk, NEW)
    assert (by_id.pk, is_new) == (first.pk, False)
    other, is_new = suggestions.suggest(KIM, band.pk, "@others")
    assert is_new
    with translation.override("es"):
        suggestions.accept(KIM, first.pk)
        (reason,) = [each.reason for each in context_of(band)["decided"] if each.reason]
        assert reason == "Se aceptó otra propuesta."
    band.refresh_from_db()
    assert (band.channel_id, band.channel_title, band.channel_problem) == (NEW, "New Herons", "")
    first.refresh_from_db()
    other.refresh_from_db()
    assert (first.state, first.decided_by, bool(first.decided_at)) == ("accepted", "kim", True)
    assert (other.state, other.reason) == ("declined", "Another suggestion was accepted.")
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", "target_type", "target_id", "result"))
    expected = [*["suggest_channel"] * 4, "change_band", "accept_suggestion"]
    assert actions == [(action, "band", str(band.pk), "ok") for action in expected]


def test_a_suggestion_gets_what_the_next_person_has_looked_up() -> None:
    band = gone_band()
    first, is_new = suggestions.suggest(ROBIN, band.pk, "@unknown")
    again, is_new_too = suggestions.suggest(KIM, band.pk, "@Unknown", "", new_channel())
    first.refresh_from_db()
    assert (is_new, is_new_too, again.pk, first.channel_title) == (True, False, first.pk, "New Herons")


def test_the_number_of_open_suggestions_of_a_band_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "MAX_OPEN", 2)
    band = gone_band()
    first, _ = suggestions.suggest(ROBIN, band.pk, "@first")
    suggestions.suggest(ROBIN, band.pk, "@second")
    assert isinstance(result_of(lambda: suggestions.suggest(ROBIN, band.pk, "@third")), Conflict)
    assert suggestions.suggest(KIM, band.pk, "@first") == (first, False)
    suggestions.decline(KIM, first.pk, "No")
    assert suggestions.suggest(ROBIN, band.pk, "@third")[1]


def test_a_suggestion_that_nobody_looked_up_is_resolved_by_the_next_sync() -> None:
    band = gone_band()
    suggestion, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    suggestions.accept(KIM, suggestion.pk)
    band.refresh_from_db()
    assert (band.channel_reference, band.channel_id, band.channel_problem) == ("@NewHerons", "", "")
    # The handle of the band may have moved on to another channel.
    Band.objects.update(channel_reference="@herons", channel_id=OLD)
    moved, _ = suggestions.suggest(ROBIN, band.pk, "@herons", channel=new_channel())
    suggestions.accept(KIM, moved.pk)
    band.refresh_from_db()
    assert band.channel_id == NEW


def test_a_declined_suggestion_keeps_its_reason() -> None:
    band = gone_band()
    suggestion, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    for reason in ("", "  ", "a\nb", "x" * 501):
        with pytest.raises(InvalidInput) as caught:
            suggestions.decline(KIM, suggestion.pk, reason)
        assert caught.value.field == "reason"
    suggestions.decline(KIM, suggestion.pk, "A fan's channel")
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.reason) == ("declined", "A fan's channel")
    band.refresh_from_db()
    assert band.channel_id == OLD
    for act in (lambda: suggestions.accept(KIM, suggestion.pk), lambda: suggestions.decline(KIM, suggestion.pk, "x")):
        assert isinstance(result_of(act), Conflict)
    band.refresh_from_db()
    assert band.channel_id == OLD
    assert suggestions.suggest(ROBIN, band.pk, "@NewHerons")[1]
    assert AuditEntry.objects.filter(action="decline_suggestion", result="ok").get().message == "A fan's channel"


def test_only_its_author_withdraws_a_suggestion() -> None:
    band = gone_band()
    suggestion, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    stranger = Actor("robin", Origin.ADMIN, user_id=PERSON.user_id or 1)
    for other in (KIM, stranger, Actor("robin", Origin.SYSTEM)):
        assert isinstance(result_of(lambda other=other: suggestions.withdraw(other, suggestion.pk)), NotPermitted)
    assert suggestions.withdraw(ROBIN, suggestion.pk).pk == suggestion.pk
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.decided_by, suggestion.reason) == ("withdrawn", "robin", "")
    for act in (suggestions.accept, suggestions.withdraw):
        assert isinstance(result_of(lambda act=act: act(ROBIN, suggestion.pk)), Conflict)
    results = AuditEntry.objects.filter(action="withdraw_suggestion").order_by("pk").values_list("result", flat=True)
    assert list(results) == [*["permission_denied"] * 3, "ok", "conflict"]
    band.refresh_from_db()
    assert band.channel_id == OLD


def test_a_suggestion_goes_with_its_band_if_a_release_deletes_it_that_does_not_know_it() -> None:
    band = gone_band()
    suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bands_band WHERE id = %s", [band.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert ChannelSuggestion.objects.count() == 0


@pytest.mark.parametrize(
    ("reference", "channel", "expected"),
    [
        ("", None, InvalidInput),
        ("x y", None, InvalidInput),
        ("https://youtu.be/dQw4w9WgXcQ", None, InvalidInput),
        ("@" + "x" * 300, None, InvalidInput),
        ("@a\x00b", None, InvalidInput),
        ("@herons", None, Conflict),
        (OLD, None, Conflict),
        ("@herons2", new_channel(OLD), Conflict),
        ("@Owls", None, Conflict),
        ("@night", new_channel("UC" + "w" * 22), Conflict),
    ],
)
def test_a_wrong_channel_is_refused(reference: str, channel: Channel | None, expected: type[DomainError]) -> None:
    band = gone_band()
    make_band("owls", "@owls", channel_id="UC" + "w" * 22)
    with pytest.raises(expected) as caught:
        suggestions.suggest(ROBIN, band.pk, reference, channel=channel)
    assert caught.value.field == "channel"
    assert ChannelSuggestion.objects.count() == 0
    assert AuditEntry.objects.get().result == caught.value.code


def test_what_is_missing_or_taken_is_refused() -> None:
    band = gone_band()
    for act in (
        lambda: suggestions.suggest(ROBIN, 999, "@x_y"),
        lambda: suggestions.accept(KIM, 999),
        lambda: suggestions.decline(KIM, 999, "x"),
    ):
        assert isinstance(result_of(act), NotFound)
    suggestion, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    make_band("owls", "@newherons")
    assert isinstance(result_of(lambda: suggestions.accept(KIM, suggestion.pk)), Taken)
    suggestion.refresh_from_db()
    assert suggestion.state == SuggestionState.OPEN
    assert list(AuditEntry.objects.order_by("-pk").values_list("action", "result")[:1]) == [
        ("accept_suggestion", "conflict")
    ]
    bands.delete(KIM, band.pk)
    assert ChannelSuggestion.objects.count() == 0


def test_a_suggestion_is_not_accepted_for_a_band_with_another_channel_than_the_one_seen() -> None:
    band = make_band("herons")
    suggestion, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    assert isinstance(refused := result_of(lambda: suggestions.accept(KIM, suggestion.pk, seen="@herons")), Conflict)
    assert (refused.code, refused.field) == ("conflict", "channel")
    bands.change(KIM, band.pk, {"youtube_channel": "@RightHerons"})
    assert (
        "@RightHerons instead of no channel"
        in result_of(lambda: suggestions.accept(KIM, suggestion.pk, seen="")).message
    )
    band.refresh_from_db()
    suggestion.refresh_from_db()
    assert (band.channel_reference, suggestion.state) == ("@RightHerons", "open")
    assert suggestions.accept(KIM, suggestion.pk, seen="@RightHerons").channel_reference == "@NewHerons"


@pytest.mark.django_db(transaction=True)
def test_of_two_decisions_at_once_the_first_counts() -> None:
    band = gone_band()
    first, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
    second, _ = suggestions.suggest(ROBIN, band.pk, "@Others")
    with transaction.atomic():
        suggestions.accept(KIM, first.pk)
        other = start_and_wait_for_lock(lambda: result_of(lambda: suggestions.accept(ROBIN, second.pk)))
    assert isinstance(other.result(20), Conflict)
    band.refresh_from_db()
    assert band.channel_reference == "@NewHerons"
    third, _ = suggestions.suggest(ROBIN, band.pk, "@Others")
    with transaction.atomic():
        suggestions.decline(KIM, third.pk, "No")
        other = start_and_wait_for_lock(lambda: result_of(lambda: suggestions.accept(ROBIN, third.pk)))
    assert isinstance(other.result(20), Conflict)
    band.refresh_from_db()
    assert band.channel_reference == "@NewHerons"


@pytest.mark.django_db(transaction=True)
def test_two_people_who_suggest_the_same_at_once_make_one_suggestion() -> None:
    band = gone_band()
    with transaction.atomic():
        mine, _ = suggestions.suggest(ROBIN, band.pk, "@NewHerons")
        other = start_and_wait_for_lock(lambda: suggestions.suggest(KIM, band.pk, "@newherons"))
    assert [other.result(20)[0].pk, other.result(20)[1]] == [mine.pk, False]
    with transaction.atomic():
        bands.delete(KIM, band.pk)
        late = start_and_wait_for_lock(lambda: result_of(lambda: suggestions.suggest(KIM, band.pk, "@third")))
    assert isinstance(late.result(20), NotFound)
