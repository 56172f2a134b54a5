"""Messages never reach this machine, the local link or the host's metadata, whatever a name resolves to."""

from __future__ import annotations

import contextlib
import contextvars
import socket
import threading
from typing import Any

import pytest
import requests

from syncjobs.senders import addresses, http, webhook
from syncjobs.senders.addresses import ForbiddenAddress, TookTooLong, guarded
from syncjobs.senders.messages import SendFailed
from tests.factories import wait_for
from tests.receivers import web_receiver

FORBIDDEN = (
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "169.254.169.254",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fd00:ec2::254",
    "168.63.129.16",
    "100.100.100.200",
    "224.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
)
ALLOWED = ("10.0.0.7", "192.168.1.1", "172.16.0.1", "93.184.216.34", "2606:2800:220:1::1", "fd12:3456::1")


@pytest.mark.parametrize("host", FORBIDDEN)
def test_a_url_with_a_forbidden_address_is_refused(host: str) -> None:
    written = f"[{host}]" if ":" in host else host
    with pytest.raises(ForbiddenAddress, match="Messages are not sent there"):
        addresses.check_url(f"http://{written}/x", allow_local=False)
    addresses.check_url(f"http://{written}/x", allow_local=True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "localhost.localdomain"])
def test_a_name_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(ForbiddenAddress, match="is this machine"):
        addresses.check_url(f"http://{host}/x", allow_local=False)


@pytest.mark.parametrize("host", ALLOWED)
def test_other_addresses_are_allowed_private_ones_too(host: str) -> None:
    addresses.check_url(f"https://{f'[{host}]' if ':' in host else host}/x", allow_local=False)


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let each look-up of hooks.example.org return the next answer, and the last one from then on."""
    remaining, asked, real = list(answers), [], socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host != "hooks.example.org":
            return real(host, port, *rest, **options)
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        asked.append(answer)
        return real(answer, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_that_resolves_to_this_machine_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_receiver() as receiver:
        asked = resolving_to(monkeypatch, "127.0.0.1")
        url = f"http://hooks.example.org:{receiver.port}/x"
        with pytest.raises(SendFailed, match="is this machine") as refusal:
            webhook.ping(url, allow_local=False)
        assert refusal.value.is_final
        assert webhook.ping(url, allow_local=True) == 200
    assert asked
    assert len(receiver.requests) == 1


def test_a_name_that_resolves_to_another_address_the_second_time_gets_no_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with web_receiver() as receiver:
        resolving_to(monkeypatch, "93.184.216.34", "127.0.0.1")
        url = f"http://hooks.example.org:{receiver.port}/x"
        addresses.check_name("hooks.example.org", allow_local=False)
        with pytest.raises(SendFailed, match="is this machine"):
            webhook.ping(url, allow_local=False)
    assert receiver.requests == []


def test_a_redirect_to_this_machine_gets_no_request() -> None:
    with web_receiver() as inner, web_receiver() as outer:
        outer.answer, outer.headers = lambda number: 302, {"Location": inner.url}
        with pytest.raises(SendFailed, match="answered 302, a redirect"):
            webhook.ping(outer.url, allow_local=True)
    assert inner.requests == []


def test_a_library_that_hides_the_refusal_does_not_hide_it_from_the_caller() -> None:
    with (
        pytest.raises(ForbiddenAddress),
        guarded(5, allow_local=False),
        contextlib.suppress(Exception),
    ):
        requests.get("http://127.0.0.1:9/", timeout=1)


def test_socket_files_and_datagrams_are_refused_too() -> None:
    with pytest.raises(ForbiddenAddress), guarded(5, allow_local=False), socket.socket(socket.AF_UNIX) as unix:
        unix.connect("/var/run/docker.sock")
    with (
        pytest.raises(ForbiddenAddress),
        guarded(5, allow_local=False),
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
    ):
        datagrams.sendto(b"x", ("127.0.0.1", 9))


def test_only_the_thread_that_sends_is_checked() -> None:
    with web_receiver() as receiver:
        answers: list[int] = []

        def ask() -> None:
            answers.append(requests.get(receiver.url, timeout=5).status_code)

        with guarded(10, allow_local=False):
            thread = threading.Thread(target=contextvars.Context().run, args=(ask,))
            thread.start()
            thread.join()
        ask()
    assert answers == [200, 200]


def test_whatever_drips_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.5)
    with web_receiver() as receiver:
        receiver.answer = lambda number: "drip"
        with pytest.raises(SendFailed, match="did not answer within"):
            webhook.ping(receiver.url, allow_local=True)
        assert not receiver.is_over.is_set()


def test_nothing_connects_after_the_time_is_up() -> None:
    with pytest.raises(TookTooLong), guarded(0, allow_local=True):
        wait_for(lambda: not _connects(), 10)


def _connects() -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.connect(("127.0.0.1", 9))
        except TookTooLong:
            return False
    return True


def test_a_proxy_on_this_machine_may_be_used_but_not_to_reach_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_receiver() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        resolving_to(monkeypatch, "93.184.216.34", "169.254.169.254")
        assert webhook.ping("http://hooks.example.org/x", allow_local=False) == 200
        with pytest.raises(SendFailed, match="local link"):
            webhook.ping("http://hooks.example.org/x", allow_local=False)
    assert len(proxy.requests) == 1
