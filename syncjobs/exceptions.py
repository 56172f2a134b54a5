"""Domain errors: a code for programs, a sentence for people. How they reach someone (HTTP, toast, exit code) is not known here."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.utils.translation import gettext as _


class DomainError(Exception):
    """Something asked for can't be done as things stand. Nothing was changed."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, field: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.details = details
        self.problems = [(field or "", message)]
        """(field, message) of each thing that is wrong; "" for what is no field's."""


class InvalidInput(DomainError):
    """What was given can't be right; `field` names it."""

    code = "invalid"


class InvalidFields(InvalidInput):
    """Several things given can't be right."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(f"{field}: {said}" for field, said in problems), field=problems[0][0])
        self.problems = problems


class NotFound(DomainError):
    """There is no such thing; `field` names what was asked for."""

    code = "not_found"


class NotPermitted(DomainError):
    """The actor's role doesn't allow this."""

    code = "permission_denied"


class Conflict(DomainError):
    """Right in form, but not in the state things are in."""

    code = "conflict"


class Taken(Conflict):
    """Somebody else has what only one can have; perhaps of several fields."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__(" ".join(said for _field, said in problems), field=problems[0][0])
        self.problems = problems


class WrongState(Conflict):
    """The job is not in a state that allows this; `details["status"]` says which it is in."""

    code = "wrong_state"


class RecentlySynced(Conflict):
    """The band was synced less than SYNC_MIN_INTERVAL_SECONDS ago and the trigger was not forced."""

    code = "recently_synced"

    def __init__(self, message: str, *, synced_at: dt.datetime, allowed_at: dt.datetime) -> None:
        super().__init__(message, synced_at=synced_at, allowed_at=allowed_at)


class NoChannel(Conflict):
    """The band has no YouTube channel to sync."""

    code = "no_channel"


class BandInactive(Conflict):
    """The band is not kept up to date, so it isn't synced."""

    code = "band_inactive"


class QuotaExhausted(DomainError):
    """A bucket has no unit left for this caller until `resets_at`."""

    code = "quota_exhausted"

    def __init__(self, bucket: str, resets_at: dt.datetime) -> None:
        super().__init__(
            _("Today's %(bucket)s quota is used up. It resets at %(time)s UTC.")
            % {"bucket": bucket, "time": f"{resets_at:%Y-%m-%d %H:%M}"},
            bucket=bucket,
            resets_at=resets_at,
        )
        self.bucket = bucket
        self.resets_at = resets_at


class Busy(DomainError):
    """As much of this is being done here as can be at once; try again after `retry_after` seconds."""

    code = "busy"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Interrupted(Exception):
    """A running attempt must stop now. Raised inside a worker, never shown to a person."""


class Fenced(Interrupted):
    """The job has moved on: this attempt is no longer its current one, so nothing it writes may take effect."""


class CancelRequested(Interrupted):
    """Someone asked for the job to be cancelled."""


class ReleaseRequested(Interrupted):
    """The worker is shutting down; the job goes back to its queue with its checkpoint."""
