"""What people do to alerts and to their rules."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models.functions import Now

from syncjobs.engine import clock
from syncjobs.exceptions import Conflict, InvalidInput, NotFound
from syncjobs.models import Alert, AlertRound, AlertRule, AuditEntry
from syncjobs.operations import alerts
from tests.factories import PERSON, make_alert

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


def the_entry() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


def test_an_acknowledged_alert_needs_no_attention_until_it_is_reopened() -> None:
    alert = make_alert()
    assert alerts.acknowledge(PERSON, [alert.pk], "I am on it.") == 1
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == ("pat", "I am on it.")
    assert not Alert.objects.needing_attention().exists()
    entry = the_entry()
    assert (entry.action, entry.target_type, entry.target_id) == ("acknowledge_alert", "alert", str(alert.pk))
    assert (entry.message, entry.data) == ("I am on it.", {"alerts": [alert.pk]})
    assert alerts.reopen(PERSON, [alert.pk]) == 1
    assert Alert.objects.needing_attention().get().note == "I am on it."
    assert alerts.reopen(PERSON, [alert.pk]) == 0
    assert the_entry().action == "reopen_alert"


def test_a_snoozed_alert_needs_attention_again_when_the_time_is_over() -> None:
    alert = make_alert()
    assert alerts.snooze(PERSON, [alert.pk], clock.now() + HOUR) == 1
    assert the_entry().action == "snooze_alert"
    assert not Alert.objects.needing_attention().exists()
    Alert.objects.update(snoozed_until=Now() - dt.timedelta(seconds=1))
    assert Alert.objects.needing_attention().exists()
    assert alerts.unsnooze(PERSON, [alert.pk]) == 1
    assert the_entry().action == "unsnooze_alert"


@pytest.mark.parametrize("length", [dt.timedelta(seconds=30), -HOUR, dt.timedelta(days=31)])
def test_a_snooze_lasts_from_a_minute_to_a_month(length: dt.timedelta) -> None:
    with pytest.raises(InvalidInput) as refused:
        alerts.snooze(PERSON, [make_alert().pk], clock.now() + length)
    assert refused.value.field == "until"


def test_several_alerts_are_changed_at_once_except_those_that_are_over() -> None:
    first, second = make_alert(), make_alert(subject_id="other@a")
    over = make_alert(subject_id="over@a", resolved_at=clock.now())
    assert alerts.acknowledge(PERSON, [over.pk, second.pk, first.pk]) == 2
    over.refresh_from_db()
    assert over.acknowledged_at is None
    entry = the_entry()
    assert (entry.target_type, entry.data) == ("alerts", {"alerts": [first.pk, second.pk]})


def test_an_alert_that_is_over_or_unknown_is_refused_and_audited() -> None:
    over = make_alert(resolved_at=clock.now())
    for change in (alerts.acknowledge, alerts.reopen, alerts.unsnooze):
        with pytest.raises(Conflict, match="already over"):
            change(PERSON, [over.pk])
        with pytest.raises(NotFound):
            change(PERSON, [999])
    with pytest.raises(InvalidInput):
        alerts.acknowledge(PERSON, [])
    assert set(AuditEntry.objects.values_list("result", flat=True)) == {"conflict", "not_found"}


@pytest.mark.parametrize("note", ["x" * 2001, "bell \x07"])
def test_a_note_that_can_not_be_shown_is_refused(note: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        alerts.acknowledge(PERSON, [make_alert().pk], note)
    assert refused.value.field == "note"


@pytest.mark.django_db(transaction=True)
def test_a_rule_is_changed_and_the_next_round_begins_at_once() -> None:
    AlertRound.objects.update(due_at=Now() + HOUR)
    alerts.set_rule(PERSON, "band_stale", {"threshold": 72.0, "is_enabled": False})
    rule = AlertRule.objects.get(pk="band_stale")
    assert (rule.is_enabled, rule.threshold, rule.resolve_after) == (False, 72.0, None)
    assert AlertRound.objects.due().exists()
    entry = the_entry()
    assert (entry.action, entry.target_id, entry.data) == (
        "change_alert_rule",
        "band_stale",
        {"threshold": 72.0, "isEnabled": False},
    )
    alerts.set_rule(PERSON, "band_stale", {"threshold": None})
    rule.refresh_from_db()
    assert (rule.is_enabled, rule.threshold) == (False, None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"threshold": -1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"resolve_after": 90_000}, "resolve_after"),
    ],
)
def test_a_rule_takes_only_sensible_numbers(values: dict[str, float], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        alerts.set_rule(PERSON, "band_stale", values)
    assert refused.value.field == field
    with pytest.raises(NotFound):
        alerts.set_rule(PERSON, "nonsense", {})
