"""What people do to alerts and to their rules."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db.models.functions import Now

from syncjobs.engine import clock
from syncjobs.exceptions import Conflict, InvalidInput, NotFound
from syncjobs.models import Alert, AlertRound, AlertRule, AuditEntry
from syncjobs.operations import alert_rules, alerts
from syncjobs.operations.alerts import Changed
from tests.factories import PERSON, make_alert

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


def the_entry() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


def test_an_acknowledged_alert_needs_no_attention_until_it_is_reopened() -> None:
    alert = make_alert()
    assert alerts.acknowledge(PERSON, [alert.pk], "I am on it.") == Changed([alert.pk], {})
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.note) == ("pat", "I am on it.")
    assert not Alert.objects.needing_attention().exists()
    entry = the_entry()
    assert (entry.action, entry.target_type, entry.target_id) == ("acknowledge_alert", "alert", str(alert.pk))
    assert (entry.message, entry.data) == ("I am on it.", {"alerts": [alert.pk]})
    assert alerts.reopen(PERSON, [alert.pk]) == Changed([alert.pk], {})
    assert Alert.objects.needing_attention().get().note == "I am on it."
    assert alerts.reopen(PERSON, [alert.pk]) == Changed([], {})
    assert the_entry().action == "reopen_alert"


def test_a_snoozed_alert_needs_attention_again_when_the_time_is_over() -> None:
    alert = make_alert()
    assert alerts.snooze(PERSON, [alert.pk], HOUR)[0] == Changed([alert.pk], {})
    assert the_entry().action == "snooze_alert"
    assert not Alert.objects.needing_attention().exists()
    Alert.objects.update(snoozed_until=Now() - dt.timedelta(seconds=1))
    assert Alert.objects.needing_attention().exists()
    assert alerts.unsnooze(PERSON, [alert.pk]) == Changed([alert.pk], {})
    assert the_entry().action == "unsnooze_alert"


@pytest.mark.parametrize("length", [dt.timedelta(minutes=1), dt.timedelta(days=30)])
def test_a_snooze_lasts_from_a_minute_to_a_month(length: dt.timedelta) -> None:
    alert, second = make_alert(), dt.timedelta(seconds=1)
    before = clock.now()
    _changed, until = alerts.snooze(PERSON, [alert.pk], length)
    alert.refresh_from_db()
    assert before + length <= until <= clock.now() + length
    assert alert.snoozed_until == until
    with pytest.raises(InvalidInput) as refused:
        alerts.snooze(PERSON, [alert.pk], length + (-second if length < HOUR else second))
    assert refused.value.field == "length"


def test_several_alerts_are_changed_at_once_except_those_that_are_over() -> None:
    first, second = make_alert(), make_alert(subject_id="other@a")
    over = make_alert(subject_id="over@a", resolved_at=clock.now())
    changed = alerts.acknowledge(PERSON, [over.pk, second.pk, first.pk, 999])
    assert changed == Changed(
        [first.pk, second.pk], {over.pk: "This alert is already over.", 999: "There is no alert 999."}
    )
    assert alerts.summary("acknowledge", changed) == (
        "2 alerts acknowledged; 2 refused, the first because: This alert is already over."
    )
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
    with pytest.raises(Conflict, match="These alerts are already over"):
        alerts.acknowledge(PERSON, [over.pk, 999])
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
    alert_rules.set_rule(PERSON, "band_stale", {"threshold": 72.0, "is_enabled": False})
    rule = AlertRule.objects.get(pk="band_stale")
    assert (rule.is_enabled, rule.threshold, rule.resolve_after) == (False, 72.0, None)
    assert AlertRound.objects.due().exists()
    entry = the_entry()
    assert (entry.action, entry.target_id, entry.data) == (
        "change_alert_rule",
        "band_stale",
        {"threshold": 72.0, "isEnabled": False},
    )
    alert_rules.set_rule(PERSON, "band_stale", {"threshold": None})
    rule.refresh_from_db()
    assert (rule.is_enabled, rule.threshold) == (False, None)


@pytest.mark.parametrize(
    ("name", "values", "field", "message"),
    [
        ("band_stale", {"threshold": -1}, "threshold", "from 1 to 8760: hours since a band was last synced."),
        ("band_stale", {"threshold": float("nan")}, "threshold", "from 1 to 8760"),
        ("failure_rate", {"threshold": 0}, "threshold", "from 1 to 100: percent of the jobs"),
        ("database_degraded", {"threshold": 101}, "threshold", "from 1 to 100: percent"),
        ("band_failing", {"threshold": 2.5}, "threshold", "a whole number from 1 to 1000: failed syncs"),
        ("no_worker", {"threshold": 5}, "threshold", "This rule has no threshold"),
        ("no_worker", {"resolve_after": 90_000}, "resolve_after", "from 0 to 86400"),
    ],
)
def test_a_rule_takes_only_numbers_that_have_an_effect(
    name: str, values: dict[str, float], field: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        alert_rules.set_rule(PERSON, name, values)
    assert refused.value.field == field
    assert not AlertRule.objects.exists()
    assert the_entry().result == "invalid"


def test_the_default_of_each_rule_is_one_that_people_may_set() -> None:
    for name, default in alert_rules.DEFAULTS.items():
        alert_rules.set_rule(PERSON, name, {"threshold": default.threshold})
    with pytest.raises(NotFound):
        alert_rules.set_rule(PERSON, "nonsense", {})
