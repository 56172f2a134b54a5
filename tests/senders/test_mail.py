"""E-mails are sent by Django's backend, and a failure says why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from syncjobs.senders import mail
from syncjobs.senders.messages import Message, SendFailed
from tests.processes import free_port
from tests.receivers import MailReceiver, mail_receiver

MESSAGE = Message("8c2f", "Crítico: nada va", "Primera línea\nsegunda", "CRITICAL")


@pytest.fixture
def server(settings: LazySettings) -> Iterator[MailReceiver]:
    with mail_receiver() as receiver:
        # pytest-django puts a backend that sends nothing in its place.
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", receiver.port
        settings.EMAIL_TIMEOUT = 2
        settings.DEFAULT_FROM_EMAIL = "Sync monitor <sync@example.org>"
        yield receiver


def test_all_recipients_get_the_message_with_its_key(server: MailReceiver) -> None:
    mail.send("mo@example.org, ada@example.org", MESSAGE)
    [message] = server.messages
    assert server.recipients == [["mo@example.org", "ada@example.org"]]
    assert message["Subject"] == MESSAGE.title
    assert message["From"] == "Sync monitor <sync@example.org>"
    assert message["Message-ID"] == "<8c2f@example.org>"
    assert message["X-Idempotency-Key"] == "8c2f"
    assert message.get_content().splitlines()[:2] == ["Primera línea", "segunda"]


def test_the_server_refuses_the_recipient(server: MailReceiver) -> None:
    server.refuse = "550 no such person"
    with pytest.raises(SendFailed, match="refuses the recipient: no such person") as refusal:
        mail.send("mo@example.org", MESSAGE)
    assert refusal.value.status == 550


def test_the_server_hangs(server: MailReceiver, settings: LazySettings) -> None:
    server.is_hanging, settings.EMAIL_TIMEOUT = True, 0.3
    with pytest.raises(SendFailed, match="did not answer in time"):
        mail.send("mo@example.org", MESSAGE)


def test_the_server_is_away(server: MailReceiver, settings: LazySettings) -> None:
    settings.EMAIL_PORT = free_port()
    with pytest.raises(SendFailed, match="refuses connections"):
        mail.send("mo@example.org", MESSAGE)


@pytest.mark.parametrize(
    "text", ["", "mo", "mo@example.org, ada@", ",".join(["a@example.org"] * 21), "a@b.c\nBcc: x@y.z"]
)
def test_wrong_addresses_are_refused(text: str) -> None:
    with pytest.raises(SendFailed):
        mail.check(text)


def test_addresses_may_be_separated_by_anything_usual() -> None:
    mail.check("a@example.org;b@example.org\nc@example.org , d@example.org")
