"""manage.py send_test_alert and rotate_secrets"""

from __future__ import annotations

import pytest
from django.conf import LazySettings

from syncjobs.choices import ChannelKind
from syncjobs.models import AlertChannel
from tests.alerts.channels import make_channel
from tests.clients import command_error, run_command
from tests.receivers import web_receiver

pytestmark = pytest.mark.django_db


def test_a_test_message_is_delivered(settings: LazySettings) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as receiver:
        make_channel("Chat", url=receiver.url)
        make_channel("Off", url=receiver.url, is_enabled=False)
        make_channel("Mail", kind=ChannelKind.EMAIL, url="mo@example.org")
        assert run_command("send_test_alert") == "Chat: delivered to masked.\nMail: delivered to masked.\n"
        assert len(receiver.requests) == 1
        assert run_command("send_test_alert", "Off") == "Off: delivered to masked.\n"


def test_a_receiver_that_fails_is_an_error_with_its_reason(
    settings: LazySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ALERTS_ALLOW_LOCAL_ADDRESSES = True
    with web_receiver() as receiver:
        receiver.answer = lambda number: 500
        make_channel("Chat", url=receiver.url)
        assert command_error("send_test_alert", "Chat") == "Not delivered: Chat."
    assert "Chat: not delivered to masked. The receiver answered 500." in capsys.readouterr().err


def test_an_unknown_channel_is_an_error_that_names_the_others() -> None:
    assert command_error("send_test_alert") == "channel: There is no enabled alert channel. Channels: none."
    make_channel("Chat")
    assert command_error("send_test_alert", "Chatt") == "channel: There is no alert channel “Chatt”. Channels: Chat."


def test_secrets_are_encrypted_again(settings: LazySettings, capsys: pytest.CaptureFixture[str]) -> None:
    make_channel("Chat")
    assert run_command("rotate_secrets") == "Encrypted again: 0 channels.\n"
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "b" * 50
    assert run_command("rotate_secrets") == "Encrypted again: 1 channels.\n"
    AlertChannel.objects.update(target="nonsense")
    run_command("rotate_secrets")
    assert "None of the keys reads the address of: Chat." in capsys.readouterr().err
