"""The checks of `manage.py doctor`: each yields findings, one sentence on what it found and one on what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import DatabaseError, InterfaceError, connection

from ...exceptions import one_line
from . import alerts, postgresql, push, redis, site, youtube
from .findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]

Check = Callable[[], Iterator[Finding]]

_WITH_DATABASE: tuple[tuple[str, Check], ...] = (
    ("postgresql.version", postgresql.version),
    ("postgresql.writable", postgresql.writable),
    ("postgresql.settings", postgresql.configuration),
    ("postgresql.connections", postgresql.connections),
    ("postgresql.tls", postgresql.encryption),
    ("migrations", postgresql.migrations),
    ("postgresql.rights", postgresql.rights),
    ("postgresql.triggers", postgresql.triggers),
    ("clock", site.clocks),
    ("workers", site.workers),
    ("queues", site.queues),
    ("scheduler", site.scheduler),
    ("roles", site.roles),
    ("alerts.rounds", alerts.rounds),
    ("alerts.channels", alerts.channels),
    ("push.hub", push.hub),
)
_WITHOUT_DATABASE: tuple[tuple[str, Check], ...] = (
    ("redis", redis.server),
    ("redis.tls", redis.encryption),
    ("static", site.static_files),
    ("mail", site.mail),
    ("push.callback", push.callback),
    ("youtube.key", youtube.key),
)


def examine(*, ask_youtube: bool = False) -> list[Finding]:
    """Run all checks and return their findings in a fixed order. `ask_youtube` spends 1 unit of the main bucket."""
    findings = []
    try:
        findings += list(postgresql.answers())
        is_away = False
    except (DatabaseError, InterfaceError) as error:
        findings.append(_database_away(error))
        is_away = True
    for name, check in () if is_away else _WITH_DATABASE:
        findings += _run(name, check)
    for name, check in _WITHOUT_DATABASE:
        findings += _run(name, check)
    if ask_youtube and not is_away:
        findings += _run("youtube.answer", youtube.answer)
    return findings


def _run(name: str, check: Check) -> list[Finding]:
    """Run one check. A statement that fails is a finding too, and must not keep the other checks from running."""
    found: list[Finding] = []
    try:
        found.extend(check())
    except (DatabaseError, InterfaceError) as error:
        connection.close_if_unusable_or_obsolete()
        message = f"PostgreSQL refused what this check asks {one_line(error)}."
        found.append(
            Finding(name, Level.ERROR, message, "Correct what the other findings name, then run doctor again.")
        )
    return found


def _database_away(error: Exception) -> Finding:
    host = connection.settings_dict["HOST"] or "the local socket"
    message = f"PostgreSQL at {host} does not answer {one_line(error)}. The checks that need it were left out."
    return Finding("postgresql", Level.ERROR, message, "Start it, or correct DATABASE_URL.")
