"""Check passwords within limits, and look up a user and their permissions with every request.

A revoked permission ends at once.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Concat

from .exceptions import Busy
from .limits import Attempt

_FAMILY = "<family>"


class SessionBackend(ModelBackend):
    """Django's ModelBackend with limits on wrong passwords, and one query for a session's user and permissions."""

    def authenticate(self, request: Any, username: str | None = None, password: str | None = None, **rest: Any) -> Any:
        """Return the user with this name and password, or None. Raises TooManyAttempts."""
        if username is None or password is None:
            return None
        began = time.monotonic()
        attempt = Attempt(request.META.get("REMOTE_ADDR", "") if request else "", username)
        attempt.begin()
        user = None
        if not attempt.is_over or get_user_model()._default_manager.filter(username=username, is_active=True).exists():
            try:
                user = super().authenticate(request, username, password, **rest)
            except Busy:
                attempt.take_back()
                raise
        if user is None:
            attempt.was_wrong(began)
        else:
            attempt.take_back()
        return user

    def get_user(self, user_id: Any) -> Any:
        """Return the user, or None if they don't exist or are inactive."""
        user = user_with_permissions(int(user_id))
        return user if user is not None and self.user_can_authenticate(user) else None


def user_with_permissions(user_id: int, family: str = "") -> Any:
    """Return the user with Django's permission caches filled, in one query instead of three, or None.

    `has_ended` of the user says whether the log-in with tokens of this family has ended.
    """
    statement, values = _statement()
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(family if value == _FAMILY else value for value in values), user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *columns, user_permissions, group_permissions, has_ended = row
    model = get_user_model()
    user = model.from_db(connection.alias, [field.attname for field in model._meta.concrete_fields], columns)
    user.has_ended = has_ended  # type: ignore[attr-defined]
    if not user.is_superuser:  # Django doesn't look up a superuser's permissions.
        user._user_perm_cache = set(user_permissions)  # type: ignore[attr-defined]
        user._group_perm_cache = set(group_permissions)  # type: ignore[attr-defined]
    return user


@functools.cache
def _statement() -> tuple[str, tuple[Any, ...]]:
    """Build the query once, because that takes longer than running it.

    It lacks the user's id, the last parameter, and the family in the place of _FAMILY.
    """
    name = Concat(F("content_type__app_label"), Value("."), F("codename"))
    user_permissions, group_permissions = (
        ArraySubquery(Permission.objects.filter(**{path: OuterRef("pk")}).order_by().values_list(name))
        for path in ("user", "group__user")
    )
    ended = Exists(apps.get_model("syncjobs", "EndedLogIn").objects.filter(family=_FAMILY))
    users = get_user_model()._default_manager.annotate(own=user_permissions, of_groups=group_permissions, ended=ended)
    users = users.order_by()
    statement, values = users.query.sql_with_params()
    meta = get_user_model()._meta
    return f'{statement} WHERE "{meta.db_table}"."{meta.pk.column}" = %s', values
