"""The time zones that people can choose."""

from __future__ import annotations

import zoneinfo

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

_NO_ZONES = {"Factory", "localtime", "posixrules"}
"""Files of the system's data that name no place: browsers don't know them, and on another host they are another time."""
NAMES = frozenset(zoneinfo.available_timezones() - _NO_ZONES)


def listed() -> list[str]:
    """Return the names in the order of lists."""
    return sorted(NAMES)


def check(name: str) -> None:
    """Raise ValidationError unless this is the name of a time zone."""
    if name not in NAMES:
        raise ValidationError(unknown())


def unknown() -> str:
    """Return the message for a name that is none."""
    return _("Unknown time zone. Choose one from the list, for example America/New_York.")
