"""What a round writes: alerts are opened once, become critical, and are over after a while."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence

import pytest
from django.db import IntegrityError, transaction

from syncjobs.alerts import digests, notices, notify, transitions
from syncjobs.alerts.findings import Finding, Known
from syncjobs.alerts.notify import Step, Transition
from syncjobs.choices import AlertRuleName, AlertSubject, Severity
from syncjobs.engine import clock
from syncjobs.models import Alert, AlertRound
from tests.alerts.channels import make_channel, pass_time, titles

pytestmark = pytest.mark.django_db
START = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
AFTER = dt.timedelta(seconds=120)


def finding(band: int = 7, severity: Severity = Severity.WARNING, failures: int = 3) -> Finding:
    return Finding(AlertRuleName.BAND_FAILING, AlertSubject.BAND, str(band), "Herons", severity, {"failures": failures})


def known() -> list[Known]:
    fields = [field.name for field in dataclasses.fields(Known)]
    return [Known(*values) for values in Alert.objects.unresolved().values_list(*fields)]


def apply(seconds: float, *findings: Finding, number: int | None = None) -> list[tuple[Step, str]]:
    newest = AlertRound.objects.values_list("number", flat=True).get()
    now = START + dt.timedelta(seconds=seconds)
    written = transitions.apply(newest if number is None else number, now, findings, known(), lambda rule: AFTER)
    return [(each.step, each.alert.subject_id) for each in written]


def test_an_alert_is_opened_once_and_is_over_when_its_condition_has_been_gone_for_a_while() -> None:
    assert apply(0, finding()) == [(Step.OPENED, "7")]
    assert apply(15, finding()) == []
    assert apply(30) == []
    assert apply(15 + 119) == []
    assert apply(15 + 120) == [(Step.RESOLVED, "7")]
    alert = Alert.objects.get()
    assert alert.opened_at == START
    assert alert.last_seen_at == START + dt.timedelta(seconds=15)
    assert alert.resolved_at == START + dt.timedelta(seconds=135)
    assert alert.sentence == "The last 3 syncs of Herons have failed."
    assert apply(150, finding()) == [(Step.OPENED, "7")]
    assert Alert.objects.count() == 2


def test_a_condition_that_flips_every_ten_seconds_for_ten_minutes_is_two_messages() -> None:
    make_channel()
    for seconds in range(0, 750, 15):
        is_wrong = seconds % 20 < 10 and seconds < 600
        apply((clock.now() - START).total_seconds(), *([finding()] if is_wrong else []))
        notices.route()
        digests.collect()
        pass_time(seconds=15)
    assert [title.split()[0] for title in titles()] == ["Warning:", "Over:"]


def test_a_worse_finding_escalates_the_alert_and_a_milder_one_does_not_take_that_back() -> None:
    apply(0, finding())
    assert apply(15, finding(severity=Severity.CRITICAL, failures=9)) == [(Step.ESCALATED, "7")]
    assert apply(30, finding(failures=9)) == []
    alert = Alert.objects.get()
    assert (alert.severity, alert.escalated_at) == (Severity.CRITICAL, START + dt.timedelta(seconds=15))
    assert alert.facts == {"failures": 9}
    assert alert.sentence == "The last 9 syncs of Herons have failed."


def test_an_acknowledged_alert_needs_attention_again_once_it_becomes_critical() -> None:
    apply(0, finding())
    Alert.objects.update(acknowledged_at=START + dt.timedelta(seconds=5))
    assert not Alert.objects.needing_attention().exists()
    apply(15, finding(severity=Severity.CRITICAL))
    assert Alert.objects.needing_attention().exists()


def test_all_transitions_of_a_round_are_passed_on_together(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[Transition]] = []
    monkeypatch.setattr(transitions, "notify", calls.append)
    apply(0, *(finding(band) for band in range(1, 301)))
    apply(15, *(finding(band) for band in range(1, 301)))
    assert [len(each) for each in calls] == [300]
    assert all(each.alert.pk and each.step is Step.OPENED for each in calls[0])


def test_alerts_are_not_opened_if_the_messages_can_not_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_transitions: Sequence[notify.Transition]) -> None:
        raise RuntimeError("the outbox is broken")

    monkeypatch.setattr(transitions, "notify", fail)
    with pytest.raises(RuntimeError):
        apply(0, finding())
    assert not Alert.objects.exists()


def test_an_older_round_writes_nothing_once_a_later_one_has_begun() -> None:
    AlertRound.objects.update(number=8)
    with pytest.raises(transitions.Superseded):
        apply(0, finding(), number=7)
    assert not Alert.objects.exists()


def test_the_database_allows_one_unresolved_alert_per_rule_and_subject() -> None:
    apply(0, finding())
    copy = Alert.objects.get()
    copy.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save(force_insert=True)


def test_an_alert_that_does_not_concern_the_round_stays_as_it_is() -> None:
    apply(0, finding())
    number = AlertRound.objects.values_list("number", flat=True).get()
    later = START + dt.timedelta(hours=1)
    assert transitions.apply(number, later, [], [], lambda rule: AFTER) == []
    assert Alert.objects.unresolved().count() == 1
