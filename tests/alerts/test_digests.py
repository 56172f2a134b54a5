"""What a channel is told: once, in one message, when it is over too, and not in its quiet hours."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from syncjobs.alerts import digests, routing
from syncjobs.choices import AlertRuleName, AlertStep, AlertSubject, ChannelKind, Severity
from syncjobs.models import Alert, AlertChannel, AlertDelivery, AlertNotice, AlertRound
from tests.alerts.channels import make_alert, make_channel, pass_time, take, titles
from tests.factories import make_band

pytestmark = pytest.mark.django_db
OPENED, ESCALATED, RESOLVED = AlertStep.OPENED, AlertStep.ESCALATED, AlertStep.RESOLVED


def test_an_alert_is_told_after_a_moment_and_once() -> None:
    make_channel()
    alert = make_alert()
    take(OPENED, alert)
    assert digests.collect() == 0
    pass_time(seconds=21)
    assert digests.collect() == 1
    assert digests.collect() == 0
    pass_time(hours=30)
    assert digests.collect() == 0
    delivery = AlertDelivery.objects.get()
    assert delivery.title == "Warning: The last 3 syncs of Band 7 have failed."
    assert "What to do: See the band's last job" in delivery.text
    assert "/admin/bands/band/7/change/" in delivery.text
    assert delivery.payload["key"] == str(delivery.key)
    [told] = delivery.payload["alerts"]
    assert (told["id"], told["step"], told["subjectType"], told["subjectId"]) == (str(alert.pk), "opened", "band", "7")
    assert delivery.deadline_at - delivery.created_at == digests.DEADLINE


def test_a_condition_that_has_gone_again_is_not_told_unless_it_comes_back() -> None:
    """A worker that restarts is away for some seconds; its alert is over only two minutes later."""
    make_channel()
    now = timezone.now()
    back, away = make_alert(1), make_alert(2)
    take(OPENED, back, away)
    pass_time(seconds=21)
    Alert.objects.update(last_seen_at=now - dt.timedelta(seconds=15))
    AlertRound.objects.update(began_at=now, ended_at=now)
    assert digests.collect() == 0
    pass_time(seconds=6)
    Alert.objects.filter(pk=back.pk).update(last_seen_at=now)
    assert digests.collect() == 1
    assert [each["subjectId"] for each in AlertDelivery.objects.get().payload["alerts"]] == ["1"]
    take(RESOLVED, away)
    pass_time(seconds=21)
    assert digests.collect() == 0
    assert not AlertNotice.objects.filter(alert=away).exists()


def test_a_round_that_has_not_ended_keeps_no_message_back() -> None:
    make_channel()
    take(OPENED, make_alert())
    pass_time(seconds=21)
    now = timezone.now()
    Alert.objects.update(last_seen_at=now - dt.timedelta(seconds=15))
    AlertRound.objects.update(began_at=now, ended_at=now - dt.timedelta(seconds=15))
    assert digests.collect() == 1


def test_300_bands_that_fail_within_a_minute_are_one_message_and_one_when_it_is_over() -> None:
    make_channel(kind=ChannelKind.EMAIL, url="mo@example.org")
    alerts = [make_alert(number) for number in range(300)]
    take(OPENED, *alerts[:200])
    pass_time(seconds=15)
    take(OPENED, *alerts[200:])
    pass_time(seconds=6)
    assert digests.collect() == 1
    assert titles() == ["Warning: Band failing (300)"]
    delivery = AlertDelivery.objects.get()
    assert delivery.alert_count == len(delivery.payload["alerts"]) == 300
    assert delivery.text.count("\n- The last 3 syncs of Band") == 300
    take(RESOLVED, *alerts)
    pass_time(seconds=21)
    assert digests.collect() == 1
    assert titles()[1:] == ["Over: Band failing (300)"]


def test_chat_gets_a_short_list() -> None:
    make_channel()
    take(OPENED, *(make_alert(number) for number in range(25)))
    pass_time(seconds=21)
    digests.collect()
    text = AlertDelivery.objects.get().text
    assert text.count("\n- The last") == 20
    assert "\n- and 5 more\n" in text


def test_bands_that_fail_one_after_the_other_are_told_in_a_second_message_ten_minutes_later() -> None:
    make_channel()
    take(OPENED, *(make_alert(number) for number in range(5)))
    pass_time(seconds=21)
    digests.collect()
    for number in range(5, 15):
        take(OPENED, make_alert(number))
        pass_time(seconds=30)
        assert digests.collect() == 0
    other = make_alert("video-sync", AlertRuleName.NO_WORKER, Severity.CRITICAL, AlertSubject.QUEUE)
    take(OPENED, other)
    pass_time(seconds=21)
    assert digests.collect() == 1, "another rule does not wait"
    pass_time(minutes=5)
    assert digests.collect() == 1
    assert titles() == [
        "Warning: Band failing (5)",
        "Critical: No worker is running for the queue Video sync, so its jobs wait.",
        "Warning: Band failing (10)",
    ]


def test_bands_that_fail_for_another_reason_and_critical_alerts_do_not_wait() -> None:
    make_channel()
    take(OPENED, *(make_alert(number, reason="channelNotFound") for number in range(5)))
    pass_time(seconds=21)
    assert digests.collect() == 1
    take(OPENED, make_alert(10, reason="channelNotFound"), make_alert(11, reason="forbidden"), make_alert(12))
    critical = make_alert(13, reason="channelNotFound")
    take(ESCALATED, critical)
    pass_time(seconds=30)
    assert digests.collect() == 1
    assert AlertNotice.objects.get(delivery=None).alert.subject_id == "10"
    assert AlertDelivery.objects.latest("pk").alert_count == 3
    pass_time(minutes=10)
    assert digests.collect() == 1


def test_a_few_bands_that_fail_one_after_the_other_are_told_at_once() -> None:
    make_channel()
    for number in range(4):
        take(OPENED, make_alert(number))
        pass_time(seconds=21)
        assert digests.collect() == 1


def test_different_problems_at_one_moment_are_one_message() -> None:
    make_channel()
    take(OPENED, make_alert(1), make_alert("", AlertRuleName.NO_SCHEDULER, Severity.CRITICAL, AlertSubject.SITE))
    pass_time(seconds=21)
    digests.collect()
    delivery = AlertDelivery.objects.get()
    assert (delivery.title, delivery.severity) == ("Critical: 2 alerts", "CRITICAL")
    assert delivery.text.startswith("Critical: No scheduler is running")


def test_it_is_over_is_told_to_those_who_were_told_that_it_began() -> None:
    told = make_channel("told")
    make_channel("never told", severities=[Severity.CRITICAL])
    alert = make_alert()
    take(OPENED, alert)
    pass_time(seconds=21)
    digests.collect()
    take(RESOLVED, alert)
    pass_time(seconds=21)
    assert digests.collect() == 1
    newest = AlertDelivery.objects.first()
    assert newest is not None
    assert (newest.channel, newest.severity) == (told, "")
    assert newest.title == "Over: The last 3 syncs of Band 7 have failed."
    assert "It lasted 12 minutes." in newest.text
    assert newest.payload["alerts"][0]["step"] == "resolved"


def test_what_is_over_before_it_was_told_is_not_told() -> None:
    make_channel()
    alert = make_alert()
    take(OPENED, alert)
    take(RESOLVED, alert)
    pass_time(minutes=5)
    assert digests.collect() == 0
    assert not AlertNotice.objects.exists()


def test_an_alert_that_comes_back_is_told_again_only_after_the_hours_of_its_channel() -> None:
    make_channel(repeat_hours=4)
    first = make_alert()
    take(OPENED, first)
    pass_time(seconds=21)
    digests.collect()
    take(RESOLVED, first)
    pass_time(seconds=21)
    digests.collect()
    second = make_alert()
    take(OPENED, second)
    pass_time(hours=3)
    assert digests.collect() == 0
    pass_time(hours=1)
    assert digests.collect() == 1
    assert len(titles()) == 3


def test_a_condition_that_comes_and_goes_all_the_time_is_two_messages() -> None:
    make_channel()
    for _time in range(10):
        alert = make_alert()
        take(OPENED, alert)
        pass_time(seconds=30)
        digests.collect()
        take(RESOLVED, alert)
        pass_time(seconds=30)
        digests.collect()
    assert len(titles()) == 2


def test_without_hours_it_is_told_each_time() -> None:
    make_channel(repeat_hours=0)
    for _time in range(2):
        alert = make_alert()
        take(OPENED, alert)
        pass_time(seconds=21)
        assert digests.collect() == 1
        take(RESOLVED, alert)


def test_an_alert_that_becomes_critical_is_told_again_and_to_those_who_take_only_critical_ones() -> None:
    make_channel("all")
    make_channel("critical", severities=[Severity.CRITICAL])
    alert = make_alert()
    take(OPENED, alert)
    pass_time(seconds=21)
    assert digests.collect() == 1
    take(ESCALATED, alert)
    pass_time(seconds=21)
    assert digests.collect() == 2
    assert AlertDelivery.objects.filter(severity="CRITICAL").count() == 2


def test_an_alert_that_becomes_critical_before_it_was_told_is_told_once() -> None:
    make_channel()
    alert = make_alert()
    take(OPENED, alert)
    take(ESCALATED, alert)
    pass_time(seconds=21)
    digests.collect()
    assert AlertDelivery.objects.get().alert_count == 1
    assert titles()[0].startswith("Critical: ")


def test_an_acknowledged_alert_is_not_told_and_a_snoozed_one_later() -> None:
    make_channel()
    known, later = make_alert(1), make_alert(2)
    take(OPENED, known, later)
    known.acknowledged_at = timezone.now()
    known.save()
    later.snoozed_until = timezone.now() + dt.timedelta(hours=2)
    later.save()
    pass_time(seconds=21)
    assert digests.collect() == 0
    pass_time(hours=2)
    assert digests.collect() == 1
    assert "Band 2" in titles()[0]
    assert not AlertNotice.objects.filter(alert=known).exists()


def test_a_channel_takes_its_severities_rules_and_bands() -> None:
    band = make_band("herons", "@herons")
    channel = make_channel(severities=[Severity.WARNING], rules=[AlertRuleName.BAND_FAILING, AlertRuleName.OLD_JOB])
    channel.bands.add(band)
    mine, other = make_alert(band.pk), make_alert(band.pk + 1)
    queue = make_alert("maintenance", AlertRuleName.OLD_JOB, Severity.WARNING, AlertSubject.QUEUE)
    critical = make_alert("video-sync", AlertRuleName.OLD_JOB, Severity.CRITICAL, AlertSubject.QUEUE)
    stale = make_alert(band.pk, AlertRuleName.BAND_STALE)
    assert [routing.takes(channel, each) for each in (mine, other, queue, critical, stale)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_channel_is_not_told_of_itself() -> None:
    channel = make_channel()
    alert = make_alert(channel.pk, AlertRuleName.DELIVERIES_FAILING, kind=AlertSubject.CHANNEL)
    assert not routing.takes(channel, alert)
    assert routing.takes(make_channel("another"), alert)


def test_a_disabled_channel_is_told_nothing() -> None:
    channel = make_channel()
    take(OPENED, make_alert(1))
    AlertChannel.objects.update(is_enabled=False)
    take(OPENED, make_alert(2))
    pass_time(seconds=21)
    assert digests.collect() == 0
    assert not AlertNotice.objects.exists()
    assert not channel.deliveries.exists()


def test_a_dead_mans_switch_is_told_nothing() -> None:
    make_channel(kind=ChannelKind.PING)
    take(OPENED, make_alert())
    assert not AlertNotice.objects.exists()


def test_a_message_is_in_the_language_of_its_channel() -> None:
    make_channel(language="es")
    take(OPENED, make_alert())
    pass_time(seconds=21)
    digests.collect()
    delivery = AlertDelivery.objects.get()
    assert delivery.title.startswith("Advertencia: ")
    assert "Qué hacer: " in delivery.text


def quiet(start: str, end: str, zone: str = "America/New_York") -> AlertChannel:
    return AlertChannel(time_zone=zone, quiet_from=dt.time.fromisoformat(start), quiet_until=dt.time.fromisoformat(end))


@pytest.mark.parametrize(
    ("start", "end", "now", "until"),
    [
        ("22:00", "07:00", "2026-11-29T02:59", None),
        ("22:00", "07:00", "2026-11-29T03:00", "2026-11-29T12:00"),
        ("22:00", "07:00", "2026-11-29T11:59", "2026-11-29T12:00"),
        ("22:00", "07:00", "2026-11-29T12:00", None),
        ("12:00", "13:30", "2026-11-29T17:45", "2026-11-29T18:30"),
        ("12:00", "12:00", "2026-11-29T17:00", None),
        # The night in which clocks are set back by an hour, and the one in which they are set forward.
        ("22:00", "07:00", "2026-11-01T03:00", "2026-11-01T12:00"),
        ("22:00", "07:00", "2027-03-14T04:00", "2027-03-14T11:00"),
    ],
)
def test_quiet_hours_are_those_of_clocks_in_the_zone(start: str, end: str, now: str, until: str | None) -> None:
    expected = dt.datetime.fromisoformat(until).replace(tzinfo=dt.UTC) if until else None
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    assert routing.quiet_until(quiet(start, end), Severity.WARNING, moment) == expected
    assert routing.quiet_until(quiet(start, end), Severity.CRITICAL, moment) is None


def test_quiet_hours_hold_back_messages_until_they_end() -> None:
    now = timezone.now()
    hours = [(now + dt.timedelta(hours=hours)).time().replace(second=0, microsecond=0) for hours in (-1, 2)]
    channel = make_channel(quiet_from=hours[0], quiet_until=hours[1])
    take(OPENED, make_alert(1))
    critical = make_alert(2, severity=Severity.CRITICAL)
    take(OPENED, critical)
    pass_time(seconds=21)
    assert digests.collect() == 1
    assert titles()[0].startswith("Critical: ")
    held = AlertNotice.objects.get(delivery=None)
    assert dt.timedelta(hours=1, minutes=58) < held.due_at - now < dt.timedelta(hours=2, minutes=1)
    channel.quiet_for_critical = True
    assert routing.quiet_until(channel, Severity.CRITICAL, now) == held.due_at
    AlertChannel.objects.update(quiet_from=None)
    pass_time(hours=2)
    assert digests.collect() == 1
