"""The pages of alert channels and their messages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from syncjobs.choices import Role
from syncjobs.engine import clock
from syncjobs.models import AlertChannel, AlertDelivery
from syncjobs.operations import alert_channels
from syncjobs.senders import secrets
from tests.alerts.channels import URL as RECEIVER
from tests.alerts.channels import make_channel
from tests.clients import DIALOG, MOST_QUERIES, logged_in
from tests.factories import PERSON, make_band

pytestmark = pytest.mark.django_db
URL, MESSAGES = "/admin/syncjobs/alertchannel/", "/admin/syncjobs/alertdelivery/"


@pytest.fixture
def admin() -> Client:
    return logged_in(Role.ADMIN)


def fields(**changed: Any) -> dict[str, Any]:
    values = {
        "name": "Ops", "kind": "WEBHOOK", "address": RECEIVER, "secret": "a secret of my own", "is_enabled": "on",
        "severities": ["CRITICAL"], "rules": ["no_worker"], "language": "en", "time_zone": "America/New_York",
        "quiet_from": "22:00", "quiet_until": "07:00", "repeat_hours": "4",
    }  # fmt: skip
    return values | changed


def text(page: Any) -> str:
    return str(page.content.decode())


def test_a_channel_is_added_with_a_secret_that_the_form_proposes(admin: Client) -> None:
    form = text(admin.get(f"{URL}add/"))
    assert re.search(r'<textarea name="secret"[^>]*>\s*[\w-]{43}</textarea>', form)
    band = make_band("herons", "@herons")
    assert admin.post(f"{URL}add/", fields(band_ids=[band.pk])).status_code == 302
    channel = AlertChannel.objects.get()
    assert secrets.decrypt(channel.target) == RECEIVER
    assert secrets.decrypt(channel.secret) == "a secret of my own"
    assert (channel.severities, channel.rules, list(channel.bands.all())) == (["CRITICAL"], ["no_worker"], [band])
    page = text(admin.get(URL))
    assert "https://hooks.example.org/••••" in page
    assert "22:00–07:00 America/New_York" in page
    assert "secret" not in page.replace("csrf", "")


def test_line_breaks_of_a_copied_secret_are_not_part_of_it(admin: Client) -> None:
    assert admin.post(f"{URL}add/", fields(secret="a secret\r\n of my own\n")).status_code == 302
    assert secrets.decrypt(AlertChannel.objects.get().secret) == "a secret of my own"


@pytest.mark.parametrize(
    ("kind", "address", "saved"),
    [
        ("WEBHOOK", "https://hooks.example.org/ab\r\n  cd", "https://hooks.example.org/abcd"),
        ("APPRISE", "slack://T1JJ3T3L2/A1BRTD4JD/\r\nTIiajkdnlazkcOXrIdevi7FQ/", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"),
        ("EMAIL", "mo@example.org\r\nkim@example.org", "mo@example.org\r\nkim@example.org"),
    ],
)  # fmt: skip
def test_an_address_may_have_several_lines(admin: Client, kind: str, address: str, saved: str) -> None:
    assert admin.post(f"{URL}add/", fields(kind=kind, address=address)).status_code == 302
    channel = AlertChannel.objects.get()
    assert secrets.decrypt(channel.target) == saved
    if kind == "EMAIL":
        assert channel.address == "mo@example.org, kim@example.org"


def test_two_urls_are_not_one_address(admin: Client) -> None:
    answer = admin.post(f"{URL}add/", fields(address=f"{RECEIVER}\r\n{RECEIVER}"))
    assert answer.status_code == 422
    assert "Must be a URL" in text(answer)


def test_wrong_values_are_shown_at_their_fields(admin: Client) -> None:
    answer = admin.post(f"{URL}add/", fields(address="http://127.0.0.1/", time_zone="Mars", quiet_until=""))
    assert answer.status_code == 422
    page = text(answer)
    assert "127.0.0.1 is this machine." in page
    assert "Unknown time zone." in page
    assert "Quiet hours need both" in page


def test_an_edit_keeps_the_address_and_the_secret_and_shows_neither(admin: Client) -> None:
    channel = make_channel("Ops")
    page = admin.get(f"{URL}{channel.pk}/change/")
    assert RECEIVER not in text(page)
    assert "Now: masked." in text(page)
    answer = admin.post(f"{URL}{channel.pk}/change/", fields(address="", secret="", name="Operators"))
    assert answer.status_code == 302
    channel.refresh_from_db()
    assert (channel.name, channel.repeat_hours, secrets.decrypt(channel.target)) == ("Operators", 4, RECEIVER)


def test_a_test_message_is_made_and_shown_with_its_state(admin: Client) -> None:
    channel = make_channel("Ops")
    assert admin.post(f"{URL}{channel.pk}/test/").status_code == 302
    delivery = AlertDelivery.objects.get()
    assert delivery.kind == "TEST"
    page = text(admin.get(URL))
    assert delivery.title in page
    assert "Pending" in page
    AlertDelivery.objects.update(state="FAILED", problem="The receiver answered 500.", ended_at=clock.now())
    delivery.attempts.create(number=1, process="celery@nowhere/7", result="FAILED", status=500)
    assert "The receiver answered 500." in text(admin.get(MESSAGES))
    message = text(admin.get(f"{MESSAGES}{delivery.pk}/change/"))
    assert str(delivery.key) in message
    assert "celery@nowhere/7" in message
    assert admin.post(f"{MESSAGES}{delivery.pk}/retry/").status_code == 302
    delivery.refresh_from_db()
    assert delivery.state == "PENDING"


def test_nobody_is_asked_whether_to_send_a_message_that_has_been_delivered(admin: Client) -> None:
    delivery = alert_channels.send_test(PERSON, make_channel("Ops").pk)
    question = f"{MESSAGES}{delivery.pk}/retry/"
    assert "Send this message now?" in text(admin.get(question, headers=DIALOG))
    AlertDelivery.objects.filter(pk=delivery.pk).update(state="DELIVERED")
    assert "delivered already" in admin.get(question, headers=DIALOG)["HX-Trigger"]


def test_a_channel_is_deleted(admin: Client) -> None:
    channel = make_channel("Ops")
    assert "Its messages are deleted too" in text(admin.get(f"{URL}{channel.pk}/delete/"))
    assert admin.post(f"{URL}{channel.pk}/delete/").status_code == 302
    assert not AlertChannel.objects.exists()


def test_moderators_look_and_change_nothing() -> None:
    channel = make_channel("Ops")
    delivery = alert_channels.send_test(PERSON, channel.pk)
    moderator = logged_in(Role.MODERATOR)
    assert "Add channel" not in text(moderator.get(URL))
    assert moderator.get(f"{MESSAGES}{delivery.pk}/change/").status_code == 200
    for address in ("add/", f"{channel.pk}/change/", f"{channel.pk}/test/", f"{channel.pk}/delete/"):
        assert moderator.post(f"{URL}{address}", fields()).status_code == 403
    assert moderator.post(f"{MESSAGES}{delivery.pk}/retry/").status_code == 403
    assert logged_in().get(URL).status_code == 403


def test_the_page_takes_few_queries_however_many_channels_there_are(admin: Client) -> None:
    for number in range(8):
        alert_channels.send_test(PERSON, make_channel(f"{number}").pk)
    make_channel("Switch", kind="PING", ping_problem="No ping: no scheduler is running.")
    with CaptureQueriesContext(connection) as queries:
        page = admin.get(URL)
    assert len(queries) <= MOST_QUERIES
    assert "No ping: no scheduler is running." in text(page)
