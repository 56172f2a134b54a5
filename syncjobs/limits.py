"""Limits on requests, counted in the database by one statement each, so that parallel requests can't pass together."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from dataclasses import dataclass

from django.db import connection
from django.utils.translation import gettext as _

from .exceptions import TooManyAttempts

MOST_FAILURES = 20
"""Wrong passwords a minute from one network."""
MOST_FAILURES_OF_ONE = 5
"""So many attempts a minute on an account pass although its network has reached MOST_FAILURES."""
SLOW_AFTER, SLOW_STEP_SECONDS, SLOWEST_SECONDS = 10, 0.25, 2.0
"""After so many wrong passwords in a quarter of an hour, each attempt on the account waits longer than the one before."""
_MINUTE, _QUARTER_OF_AN_HOUR, _SLOT_SECONDS = 60, 900, 5
_REFUSAL_SECONDS = 2.0
"""A refusal past the limit takes this long whether or not the account exists."""


def network_of(address: str) -> str:
    """Return what is limited for an address: itself, or of IPv6 its /64, which one person usually has all of."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def count(key: str, seconds: int) -> tuple[int, int]:
    """Count one more of `key`; return its number in the current window of `seconds`, and the seconds that this window has left.

    Call it outside of transactions: others who count the same wait for the end of yours.
    """
    statement = """
        INSERT INTO syncmonitor_cache AS kept (cache_key, value, expires)
        VALUES (%(key)s, '1', clock_timestamp() + make_interval(secs => %(seconds)s))
        ON CONFLICT (cache_key) DO UPDATE SET
            value = CASE WHEN kept.expires <= clock_timestamp() THEN '1' ELSE (kept.value::integer + 1)::text END,
            expires = CASE WHEN kept.expires <= clock_timestamp() THEN excluded.expires ELSE kept.expires END
        RETURNING value::integer, ceil(extract(epoch FROM expires - clock_timestamp()))::integer
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, {"key": f"limit:{key}", "seconds": seconds})
        number, left = cursor.fetchone()
    return number, max(1, left)


def uncount(key: str) -> None:
    """Take one back of `key`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE syncmonitor_cache SET value = (value::integer - 1)::text"
            " WHERE cache_key = %s AND value <> '0' AND expires > clock_timestamp()",
            [f"limit:{key}"],
        )


@dataclass(slots=True)
class Attempt:
    """An attempt at a person's password. It is counted as wrong before anything is hashed."""

    address: str
    name: str
    is_over: bool = False
    wait: int = 0

    @property
    def _keys(self) -> tuple[str, str, str]:
        """The counters of the network, of the account in the network, and of the account."""
        network, account = network_of(self.address), hashlib.sha256(self.name.encode()).hexdigest()[:32]
        return f"network:{network}", f"account:{account}:{network}", f"account:{account}"

    def begin(self) -> None:
        """Count the attempt, and slow it down if the account's password was wrong often. Raises TooManyAttempts.

        A network that has used up its wrong passwords locks out nobody but the account they were for: others have a few
        attempts of their own, and even that account gets one every few seconds.
        """
        network, own, account = self._keys
        of_network, self.wait = count(network, _MINUTE)
        of_own, _left = count(own, _MINUTE)
        wrong, _left = count(account, _QUARTER_OF_AN_HOUR)
        self.is_over = of_network > MOST_FAILURES
        if self.is_over and of_own > MOST_FAILURES_OF_ONE and count(f"slot:{own}", _SLOT_SECONDS)[0] > 1:
            raise self.refusal()
        delay = min(SLOWEST_SECONDS, SLOW_STEP_SECONDS * (wrong - 1 - SLOW_AFTER))
        if delay > 0:
            _sleep(delay)

    def take_back(self) -> None:
        """Uncount the attempt, because the password was right or was not looked at."""
        for key in self._keys:
            uncount(key)

    def was_wrong(self, began: float) -> None:
        """Raise TooManyAttempts if the network is past its limit, always at the same time after `began` (monotonic)."""
        if self.is_over:
            _sleep(began + _REFUSAL_SECONDS - time.monotonic())
            raise self.refusal()

    def refusal(self) -> TooManyAttempts:
        return TooManyAttempts(
            _("Too many failed logins from your address. Wait a minute, then try again."), retry_after=self.wait
        )


def release_connection() -> None:
    """Return the thread's connection to the pool for a while; the next query takes one again."""
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


def _sleep(seconds: float) -> None:
    release_connection()
    time.sleep(max(0.0, seconds))
