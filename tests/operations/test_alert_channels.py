"""Channels are added, changed, tested and deleted; their addresses are encrypted and their secrets shown once."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now

from syncjobs.alerts import deliveries
from syncjobs.choices import ChannelKind, DeliveryState, Severity
from syncjobs.exceptions import Conflict, InvalidFields, NotFound, Outdated
from syncjobs.models import AlertChannel, AlertDelivery, AuditEntry
from syncjobs.operations import alert_channels
from syncjobs.senders import secrets
from tests.alerts.channels import make_channel
from tests.factories import PERSON, make_band
from tests.receivers import web_receiver

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/services/T0/secret-part"
WEBHOOK = {"name": "Ops", "kind": "WEBHOOK", "address": URL}


def save(channel_id: int | None = None, **values: Any) -> alert_channels.Saved:
    return alert_channels.save(PERSON, channel_id, values)


def problems(channel_id: int | None = None, **values: Any) -> dict[str, str]:
    with pytest.raises(InvalidFields) as refusal:
        save(channel_id, **values)
    return dict(refusal.value.problems)


def everything_stored() -> str:
    rows = [*AlertChannel.objects.values(), *AuditEntry.objects.values(), *AlertDelivery.objects.values()]
    return str(rows)


def test_a_new_webhook_has_defaults_and_a_secret_that_is_shown_once() -> None:
    saved = save(**WEBHOOK)
    channel = saved.channel
    assert len(saved.new_secret) > 40
    assert secrets.decrypt(channel.secret) == saved.new_secret
    assert secrets.decrypt(channel.target) == URL
    assert channel.address == "https://hooks.example.org/••••"
    assert (channel.severities, channel.rules, channel.is_enabled) == (Severity.values, [], True)
    assert "secret-part" not in everything_stored()
    assert saved.new_secret not in everything_stored()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target_id, entry.message) == ("create_channel", str(channel.pk), "Ops")


def test_a_change_keeps_the_address_and_the_secret_unless_they_are_given() -> None:
    first = save(**WEBHOOK)
    second = save(first.channel.pk, name="Operations", address="", secret="")
    assert second.new_secret == ""
    assert second.channel.name == "Operations"
    assert secrets.decrypt(second.channel.target) == URL
    assert secrets.decrypt(second.channel.secret) == first.new_secret
    third = save(first.channel.pk, address="https://other.example.org/x", secret="a secret of my own")
    assert third.channel.address == "https://other.example.org/••••"
    assert secrets.decrypt(third.channel.secret) == "a secret of my own"


def test_another_kind_needs_another_address() -> None:
    channel = save(**WEBHOOK).channel
    assert "address" in problems(channel.pk, kind="EMAIL")
    changed = save(channel.pk, kind="EMAIL", address="mo@example.org; ada@example.org").channel
    assert (changed.address, changed.secret) == ("mo@example.org, ada@example.org", "")


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"name": " "}, "name", "1 to 80"),
        ({"name": "x" * 81}, "name", "1 to 80"),
        ({"name": "a\nb"}, "name", "line breaks"),
        ({"kind": "FAX"}, "kind", "Must be one of"),
        ({"address": "hooks"}, "address", "https://"),
        ({"address": "http://127.0.0.1:8000/"}, "address", "this machine"),
        ({"address": "http://169.254.169.254/latest/meta-data"}, "address", "local link"),
        ({"kind": "PING", "address": "http://localhost/"}, "address", "this machine"),
        ({"kind": "EMAIL", "address": "mo"}, "address", "not an e-mail"),
        ({"kind": "APPRISE", "address": "nosuch://x"}, "address", "doesn't know"),
        ({"kind": "APPRISE", "address": "json://127.0.0.1/x"}, "address", "this machine"),
        ({"secret": "short"}, "secret", "16 to 200"),
        ({"severities": []}, "severities", "Must be one of"),
        ({"severities": ["BAD"]}, "severities", "Must be one of"),
        ({"rules": ["nosuch"]}, "rules", "Must be one of"),
        ({"language": "fr"}, "language", "Must be one of"),
        ({"time_zone": "Mars/Base"}, "time_zone", "Unknown time zone"),
        ({"quiet_from": dt.time(22)}, "quiet_until", "both"),
        ({"quiet_until": dt.time(7)}, "quiet_from", "both"),
        ({"repeat_hours": 169}, "repeat_hours", "0 to 168"),
    ],
)
def test_wrong_values_are_refused_at_their_field(values: dict[str, Any], field: str, problem: str) -> None:
    assert problem in problems(**WEBHOOK | values)[field]
    assert not AlertChannel.objects.exists()


def test_all_problems_are_told_at_once() -> None:
    assert set(problems(**WEBHOOK | {"name": "", "address": "x", "language": "fr"})) == {"name", "address", "language"}


def test_local_addresses_are_accepted_if_the_setting_allows_them(settings: LazySettings) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    assert save(**WEBHOOK | {"address": "http://127.0.0.1:8000/x"}).channel.address == "http://127.0.0.1:8000/••••"


def test_a_name_is_taken_once() -> None:
    save(**WEBHOOK)
    with pytest.raises(Conflict, match="already an alert channel called “Ops”"):
        save(**WEBHOOK)


def test_bands_are_set_and_unknown_ones_refused() -> None:
    band = make_band("herons", "@herons")
    channel = save(**WEBHOOK, band_ids=[band.pk]).channel
    assert list(channel.bands.all()) == [band]
    with pytest.raises(NotFound, match="There is no band"):
        save(channel.pk, band_ids=[band.pk, band.pk + 1])
    assert save(channel.pk, name="x").channel.bands.count() == 1
    assert save(channel.pk, band_ids=[]).channel.bands.count() == 0


def test_a_change_of_what_somebody_else_has_changed_is_refused() -> None:
    channel = save(**WEBHOOK).channel

    def check(row: AlertChannel) -> None:
        raise Outdated([("name", "changed")])

    with pytest.raises(Outdated):
        alert_channels.save(PERSON, channel.pk, {"name": "x"}, check=check)
    with pytest.raises(Outdated):
        alert_channels.delete(PERSON, channel.pk, check=check)
    assert AlertChannel.objects.get().name == "Ops"


def test_a_channel_is_deleted_with_its_deliveries() -> None:
    channel = save(**WEBHOOK).channel
    alert_channels.send_test(PERSON, channel.pk)
    alert_channels.delete(PERSON, channel.pk)
    assert not AlertDelivery.objects.exists()
    with pytest.raises(NotFound):
        alert_channels.get(channel.pk)


def test_a_test_message_is_delivered_even_to_a_disabled_channel_and_before_what_waits(settings: LazySettings) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as receiver:
        channel = make_channel(url=receiver.url, is_enabled=False, language="es")
        waiting = {"channel": channel, "kind": "ALERTS", "title": "x", "text": "x"}
        AlertDelivery.objects.create(
            **waiting, deadline_at=Now() + dt.timedelta(hours=1), next_attempt_at=Now() + dt.timedelta(hours=1)
        )
        delivery = alert_channels.send_test(PERSON, channel.pk)
        assert deliveries.deliver_next("test")
    [request] = receiver.requests
    assert (request.json["type"], request.json["key"]) == ("test", str(delivery.key))
    assert request.json["title"] == "Mensaje de prueba del monitor de sincronización"
    delivery.refresh_from_db()
    assert delivery.state == DeliveryState.DELIVERED
    assert AuditEntry.objects.latest("pk").action == "test_channel"


def test_a_failed_delivery_is_sent_again_and_a_delivered_or_running_one_is_not(settings: LazySettings) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as receiver:
        receiver.answer = lambda number: 500 if number == 1 else 200
        channel = make_channel(url=receiver.url)
        delivery = alert_channels.send_test(PERSON, channel.pk)
        deliveries.deliver_next("test")
        AlertDelivery.objects.update(state=DeliveryState.FAILED, ended_at=Now(), deadline_at=Now())
        alert_channels.retry_delivery(PERSON, delivery.pk)
        claimed = deliveries._claim("another process")
        assert claimed is not None
        with pytest.raises(Conflict, match="is being sent at this moment"):
            alert_channels.retry_delivery(PERSON, delivery.pk)
        deliveries._succeed(claimed, claimed.attempts_made, 200)
        with pytest.raises(Conflict, match="has been delivered"):
            alert_channels.retry_delivery(PERSON, delivery.pk)


def test_secrets_are_encrypted_again_after_secret_key_was_changed(settings: LazySettings) -> None:
    save(**WEBHOOK)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "b" * 50
    make_channel("Lost", kind=ChannelKind.EMAIL, url="mo@example.org")
    AlertChannel.objects.filter(name="Lost").update(target="nonsense")
    assert alert_channels.rotate_secrets(PERSON) == (1, ["Lost"])
    assert alert_channels.rotate_secrets(PERSON) == (0, ["Lost"])
    settings.SECRET_KEY_FALLBACKS = []
    assert secrets.decrypt(AlertChannel.objects.get(name="Ops").target) == URL
