"""Actors: every operation takes one, and its audit entry names it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from bands.text import escape_controls

from ..choices import PERSONAL_ORIGINS, Origin


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (using the admin, the API or the command line), a schedule, or the system itself."""

    label: str
    origin: Origin
    user_id: int | None = None
    address: str = ""

    @property
    def is_personal(self) -> bool:
        """Whether the actor is a person, who may use the reserved share of the quota."""
        return self.origin in PERSONAL_ORIGINS


SYSTEM = Actor(label="system", origin=Origin.SYSTEM)


def for_user(user: AbstractBaseUser | AnonymousUser, origin: Origin, address: str = "") -> Actor:
    """Return the actor for a logged-in person. `address` is the IP address of their request."""
    return Actor(label=user.get_username(), origin=origin, user_id=user.pk, address=address)


def for_command(operator: str, host: str) -> Actor:
    """Return the actor for a person who runs manage.py, by their user name and host in the operating system."""
    return Actor(label=escape_controls(f"{operator}@{host}"), origin=Origin.COMMAND, address=escape_controls(host))


def for_schedule(name: str) -> Actor:
    """Return the actor for the schedule with this name."""
    return Actor(label=f"schedule: {name}" if name else "schedule", origin=Origin.SCHEDULE)
