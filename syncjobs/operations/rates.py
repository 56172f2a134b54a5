"""Limit how often a person makes jobs or asks YouTube: one rate for the admin and the API. Commands and schedules have none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Concatenate, ParamSpec, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from .. import limits
from ..audit.actors import Actor
from ..choices import Origin
from ..exceptions import TooMany

P = ParamSpec("P")
T = TypeVar("T")
MINUTE = 60
_LIMITED = (Origin.ADMIN, Origin.API)
# An operator who loops over bands in a shell means it, and has the database anyway.
_is_counted: ContextVar[bool] = ContextVar("_is_counted", default=False)


def limited(operation: Callable[Concatenate[Actor, P], T]) -> Callable[Concatenate[Actor, P], T]:
    """Count an operation that makes jobs or asks YouTube, and refuse it if its actor has used up the rate. Raises TooMany.

    Operations that it calls itself are not counted.
    """

    @functools.wraps(operation)
    def counted(actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if _is_counted.get() or actor.user_id is None or actor.origin not in _LIMITED:
            return operation(actor, *args, **kwargs)
        number, wait = limits.count(f"triggers:{actor.user_id}", MINUTE)
        if number > settings.TRIGGERS_PER_MINUTE:
            message = _(
                "You may trigger syncs, look up channels or act on many jobs %(most)s times a minute."
                " Try again in %(wait)s seconds."
            )
            raise TooMany(message % {"most": settings.TRIGGERS_PER_MINUTE, "wait": wait}, retry_after=wait)
        token = _is_counted.set(True)
        try:
            return operation(actor, *args, **kwargs)
        finally:
            _is_counted.reset(token)

    return counted
