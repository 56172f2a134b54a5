"""Where connections may go: never to this machine, the local link or a cloud's metadata, unless a setting allows it.

The check happens when a socket connects, with the very address that it connects to. So it makes no difference what a name
resolved to before, which library opens the connection, or where a redirect leads.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from django.utils.translation import gettext as _

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    # Azure, Alibaba Cloud and AWS. Those of other clouds are link-local.
    map(ipaddress.ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")


class ForbiddenAddress(Exception):
    """A connection to this address is not allowed; the message says so in a sentence."""


class TookTooLong(Exception):
    """What happened within the guard took longer than it may."""


class _Guard:
    """Checks the connections of one context, and breaks them off when the time is up."""

    def __init__(self, *, allow_local: bool) -> None:
        self._allow_local = allow_local
        self._proxies: frozenset[Address] | None = None
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.refused: ForbiddenAddress | None = None
        self.is_expired = False

    def check(self, connecting: socket.socket, address: Any) -> None:
        """Note the socket. Raises ForbiddenAddress."""
        if self.is_expired:
            raise TookTooLong
        try:
            if not self._allow_local:
                _check_socket(address, self._proxy_addresses)
        except ForbiddenAddress as error:
            self.refused = error  # The library that connects may hide it.
            raise
        with contextlib.suppress(OSError), self._lock:
            # A duplicate, because TLS takes the descriptor away from the socket object.
            self._sockets.append(socket.socket(fileno=os.dup(connecting.fileno())))

    def expire(self) -> None:
        """Break off all connections."""
        self.is_expired = True
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for each in self._sockets:
                each.close()

    def _proxy_addresses(self) -> frozenset[Address]:
        if self._proxies is None:
            self._proxies = frozenset().union(*(_resolve(host) for host in _proxy_hosts()))
        return self._proxies


_guard: ContextVar[_Guard | None] = ContextVar("_guard", default=None)
_install_once = threading.Lock()
_is_installed = False


@contextlib.contextmanager
def guarded(seconds: float, *, allow_local: bool) -> Iterator[None]:
    """Check every connection of this thread, and break them off after so many seconds.

    Raises ForbiddenAddress and TookTooLong instead of what a library made of them. A proxy of the environment may be
    anywhere: whoever runs the server has set it.
    """
    _install()
    guard = _Guard(allow_local=allow_local)
    timer = threading.Timer(seconds, guard.expire)
    timer.daemon = True
    token = _guard.set(guard)
    timer.start()
    try:
        try:
            yield
        except Exception as error:
            if guard.refused is None and guard.is_expired:
                raise TookTooLong from error
            if guard.refused is not None and guard.refused is not error:
                raise guard.refused from error
            raise
        if guard.refused is not None:
            raise guard.refused
        if guard.is_expired:  # What looks like an answer may be the beginning of one.
            raise TookTooLong
    finally:
        _guard.reset(token)
        timer.cancel()
        guard.close()


def check_url(url: str, *, allow_local: bool) -> None:
    """Check the host of a URL if it is an address or a name of this machine, without asking the DNS.

    Raises ForbiddenAddress.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if allow_local:
        return
    if host == "localhost" or host.endswith((".localhost", ".localdomain")):
        raise ForbiddenAddress(_("%(address)s is this machine. Messages are not sent there.") % {"address": host})
    address = _parse(host)
    if address is not None:
        _check(address)


def check_name(host: str, *, allow_local: bool) -> None:
    """Resolve a host and check all of its addresses, for connections that a proxy makes. Raises ForbiddenAddress."""
    if not allow_local:
        for address in _resolve(host):
            _check(address)


def _install() -> None:
    """Install the audit hook, which lasts as long as the process. It does nothing in a thread without a guard."""
    global _is_installed
    with _install_once:
        if not _is_installed:
            sys.addaudithook(_audit)
            _is_installed = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING and (guard := _guard.get()) is not None:
        guard.check(arguments[0], arguments[1])


def _check_socket(address: Any, proxies: Any) -> None:
    """Check what a socket is given: (address, port, …), or the path of a socket file."""
    parsed = _parse(str(address[0])) if isinstance(address, tuple) and address else None
    if parsed is None:
        raise ForbiddenAddress(_("Messages are only sent to internet addresses."))
    try:
        _check(parsed)
    except ForbiddenAddress:
        if parsed not in proxies():
            raise


def _check(address: Address) -> None:
    for each in (address, *_embedded(address)):
        if each.is_loopback or each.is_unspecified:
            raise ForbiddenAddress(
                _("%(address)s is this machine. Messages are not sent there.") % {"address": address}
            )
        if each.is_link_local or each in _METADATA:
            message = _("%(address)s is on the local link or belongs to the host. Messages are not sent there.")
            raise ForbiddenAddress(message % {"address": address})
        if each.is_multicast:
            message = _("%(address)s is not the address of one machine. Messages are not sent there.")
            raise ForbiddenAddress(message % {"address": address})


def _embedded(address: Address) -> Iterator[Address]:
    """Yield the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        packed = int(address)
        # NAT64, and the old “IPv4-compatible” addresses.
        if address in _NAT64 or (packed >> 32 == 0 and packed > 1):
            yield ipaddress.IPv4Address(packed & 0xFFFFFFFF)


def _parse(host: str) -> Address | None:
    """Return the address that a host is written as, also in the short forms that the C library accepts."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    with contextlib.suppress(OSError):
        # 127.1, 2130706433, 0x7f.1 and 0177.0.0.1.
        return ipaddress.IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None
    return None


def _resolve(host: str) -> frozenset[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    parsed = (_parse(str(each[4][0])) for each in found)
    return frozenset(address for address in parsed if address is not None)


def _proxy_hosts() -> list[str]:
    proxies = (value for name, value in getproxies_environment().items() if name != "no")
    return [host for value in proxies if (host := urlsplit(value if "://" in value else f"http://{value}").hostname)]
