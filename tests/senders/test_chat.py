"""Apprise's services are called under the same guard, and their URLs stay secret."""

from __future__ import annotations

import pytest

from syncjobs.senders import chat
from syncjobs.senders.addresses import ForbiddenAddress
from syncjobs.senders.messages import Message, SendFailed
from tests.receivers import web_receiver

MESSAGE = Message("8c2f", "Critical: it broke", "One\nTwo", "CRITICAL")


def test_a_message_is_sent_by_apprise() -> None:
    with web_receiver() as receiver:
        chat.send(f"json://127.0.0.1:{receiver.port}/path", MESSAGE, allow_local=True)
    [request] = receiver.requests
    assert request.json["title"] == MESSAGE.title
    assert request.json["message"] == MESSAGE.text
    assert request.json["type"] == "failure"


def test_a_service_on_this_machine_gets_nothing() -> None:
    with web_receiver() as receiver:
        url = f"json://127.0.0.1:{receiver.port}/path"
        with pytest.raises(SendFailed, match="is this machine") as refusal:
            chat.send(url, MESSAGE, allow_local=False)
        assert refusal.value.is_final
        with pytest.raises(ForbiddenAddress):
            chat.check(url, allow_local=False)
    assert receiver.requests == []


def test_a_refusal_is_told_without_the_secret() -> None:
    with web_receiver() as receiver:
        receiver.answer = lambda number: 403
        with pytest.raises(SendFailed, match="403") as refusal:
            chat.send(f"json://127.0.0.1:{receiver.port}/a-very-secret-token", MESSAGE, allow_local=True)
    assert "a-very-secret-token" not in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        "slack://TokenAAAA/TokenBBBB/TokenCCCCCCCC",
        "tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/12315544",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "ntfy://topic-of-secrets",
        "pagerduty://IntegrationKey1234@ApiKey12345678",
        "opsgenie://ApiKey1234-ApiKey1234-ApiKey1234",
        "workflows://host/WorkflowID1234/Signature5678/",
    ],
)
def test_the_services_of_the_issue_are_known_and_masked(url: str) -> None:
    chat.check(url, allow_local=False)
    shown = chat.mask(url)
    assert shown.endswith(f"({url.partition(':')[0]}://••••)")
    assert len(shown) > len("(://••••)") + 5


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nosuch://x", "doesn't know"),
        ("slack://x", "doesn't know"),
        ("slack", "Must be a URL"),
        ("", "Must be a URL"),
        ("json://a b", "Must be a URL"),
        ("syslog://", "Must be a URL|server itself"),
        ("syslog://local0", "server itself"),
        ("rsyslog://10.0.0.1/local7", "server itself"),
        ("dbus://x", "server itself"),
        ("workflows://host/WorkflowID1234/Signature5678/?template=/etc/passwd", "file of the server"),
        ("mailto://user:pass@example.org?pgpkey=file:///etc/passwd", "file of the server"),
    ],
)
def test_urls_that_can_not_work_or_read_files_are_refused(url: str, problem: str) -> None:
    with pytest.raises(SendFailed, match=problem):
        chat.check(url, allow_local=False)
