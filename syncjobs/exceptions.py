"""Domain errors: a code for programs and a sentence for people.

The API, the admin and the commands turn them into HTTP statuses, toasts and exit codes.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _


class DomainError(Exception):
    """The request was refused, and nothing was changed."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = details
        self.problems = [(field or "", message)]
        """(field, message) of every problem; the field is "" if a problem concerns no single field."""


class InvalidInput(DomainError):
    """A value is invalid; `field` names it."""


class InvalidFields(InvalidInput):
    """Several values may be invalid; `problems` lists them all."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(f"{field}: {message}" for field, message in problems), field=problems[0][0])
        self.problems = problems


class NotFound(DomainError):
    """The object does not exist; `field` names the kind."""

    code = "not_found"


class NotPermitted(DomainError):
    """The actor's role does not allow this."""

    code = "permission_denied"


class Conflict(DomainError):
    """The request is valid, but conflicts with the current state."""

    code = "conflict"


class Taken(Conflict):
    """A unique value belongs to something else already; `problems` lists all such fields."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(message for _field, message in problems), field=problems[0][0])
        self.problems = problems


class WrongState(Conflict):
    """The job's status, in `details["status"]`, does not allow this."""

    code = "wrong_state"


class RecentlySynced(Conflict):
    """The band was synced recently and the trigger was not forced; `details` has `synced_at` and `allowed_at`."""

    code = "recently_synced"


class NoChannel(Conflict):
    """The band has no YouTube channel to sync."""

    code = "no_channel"


class BandInactive(Conflict):
    """The band is inactive, so it isn't synced."""

    code = "band_inactive"


class QuotaExhausted(DomainError):
    """The bucket has no units left for this caller until `until`, or YouTube must first accept a probe, due then.

    A job should try again at `retry_at`.
    """

    code = "quota_exhausted"

    def __init__(self, bucket: str, until: dt.datetime, *, retry_at: dt.datetime, is_probing: bool = False) -> None:
        message = (
            _(
                "YouTube has not accepted a call for the %(bucket)s quota since it was used up. Next try at %(time)s UTC."
            )
            if is_probing
            else _("Today's %(bucket)s quota is used up. It resets at %(time)s UTC.")
        )
        super().__init__(
            message % {"bucket": bucket, "time": f"{until:%Y-%m-%d %H:%M}"}, bucket=bucket, resets_at=until
        )
        self.bucket = bucket
        self.until = until
        self.retry_at = retry_at


class Busy(DomainError):
    """The server is too busy for this. Try again after `retry_after` seconds."""

    code = "busy"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(Busy):
    """The database is away, read-only or out of connections. Try again after `retry_after` seconds."""

    code = "unavailable"


_READ_ONLY = "25006"
_DISK_FULL = "53100"
_CANCELLED = "57014"
# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exceptions, operator
# interventions that end the session, deadlocks and conflicts with other transactions, locks that were not free in time,
# insufficient resources (connections, memory, disk), errors of the operating system, read-only transactions, and sessions
# ended while idle in a transaction or because a transaction lasted too long.
_AWAY = ("08", "57P", "40", "55P03", "53", "58", _READ_ONLY, "25P03", "25P04")


def is_away(error: BaseException | None) -> bool:
    """Whether the error says that the database is away or too busy, so that the same statements may succeed later."""
    if isinstance(error, InterfaceError):
        # The client's own. Only that of a closed connection passes: a closed cursor, for example, is a bug.
        return connection.connection is None or bool(connection.connection.closed)
    if not isinstance(error, DatabaseError):
        return False
    code = getattr(error.__cause__, "sqlstate", None)
    if code is None:  # The client's own errors: no connection, or a connection that broke.
        return isinstance(error, OperationalError)
    return str(code).startswith(_AWAY)


def unavailable(error: BaseException | None) -> Unavailable | None:
    """Return what to tell people if a database error passes by itself; None for a bug or any other exception.

    A statement that took too long is such an error for people, but workers must not repeat it for ever.
    """
    code = getattr(error.__cause__, "sqlstate", None) if isinstance(error, DatabaseError) else None
    if not is_away(error) and code != _CANCELLED:
        return None
    if code == _READ_ONLY:
        message = _("The database is read-only at the moment, so nothing can be changed. Try again in a minute.")
        return Unavailable(message, retry_after=30)
    if code == _DISK_FULL:
        message = _("The database's disk is full, so nothing can be saved. Tell the people who run the server.")
        return Unavailable(message, retry_after=30)
    message = _("The database is away or too busy at the moment. Try again in a few seconds.")
    return Unavailable(message, retry_after=5)


def one_line(error: BaseException) -> str:
    """Return PostgreSQL's own words for a person at a terminal: in brackets, without the hints on further lines."""
    return f"({' '.join(str(error).split())[:300]})"


class Interrupted(Exception):
    """A running attempt must stop now. Raised inside a worker, never shown to a person."""


class Fenced(Interrupted):
    """The attempt is no longer the job's current one, so it may not write anything."""


class CancelRequested(Interrupted):
    """Somebody asked for the job to be cancelled."""


class ReleaseRequested(Interrupted):
    """The worker is shutting down, so the job returns to its queue with its checkpoint."""
