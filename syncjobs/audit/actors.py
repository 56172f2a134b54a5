"""Who asks for something: every operation takes an actor, and the audit tells of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from ..choices import PERSONAL_ORIGINS, Origin


@dataclass(frozen=True, slots=True)
class Actor:
    """A person (through admin, API or the command line), a schedule, or the system itself."""

    label: str
    origin: Origin
    user_id: int | None = None
    address: str = ""

    @property
    def is_personal(self) -> bool:
        """Whether a person waits for this, so that the reserved share of the quota is theirs to use."""
        return self.origin in PERSONAL_ORIGINS


SYSTEM = Actor(label="system", origin=Origin.SYSTEM)


def for_user(user: AbstractBaseUser | AnonymousUser, origin: Origin, address: str = "") -> Actor:
    """The actor a logged-in person is, at the address (IP) their request came from."""
    return Actor(label=user.get_username(), origin=origin, user_id=user.pk, address=address)


def for_command(operator: str, host: str) -> Actor:
    """Whoever runs manage.py: the operating system's user name and host are all that is known of them."""
    return Actor(label=f"{operator}@{host}", origin=Origin.COMMAND, address=host)


def for_schedule(name: str) -> Actor:
    """The schedule called `name`."""
    return Actor(label=f"schedule: {name}" if name else "schedule", origin=Origin.SCHEDULE)
