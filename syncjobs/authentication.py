"""Who somebody is and what they may do, looked up anew with each request: what was taken away is gone at once."""

from __future__ import annotations

import functools
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import F, OuterRef, Value
from django.db.models.functions import Concat


class SessionBackend(ModelBackend):
    """Django's own, but for the number of queries that a session's user and permissions take."""

    def get_user(self, user_id: Any) -> Any:
        """None when there is no such user, or not an active one."""
        user = user_with_permissions(int(user_id))
        return user if user is not None and self.user_can_authenticate(user) else None


def user_with_permissions(user_id: int) -> Any:
    """The user, with what Django caches of permissions filled, in one query instead of three; None if there is none."""
    statement, values = _statement()
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    *columns, own, of_groups = row
    model = get_user_model()
    user = model.from_db(connection.alias, [field.attname for field in model._meta.concrete_fields], columns)
    if not user.is_superuser:  # who has all permissions; Django doesn't ask for any
        user._user_perm_cache, user._group_perm_cache = set(own), set(of_groups)  # type: ignore[attr-defined]
    return user


@functools.cache
def _statement() -> tuple[str, tuple[Any, ...]]:
    """Reads a user with the permissions they have themselves and from their groups. Made once: that takes longer than to execute it."""
    name = Concat(F("content_type__app_label"), Value("."), F("codename"))
    own, of_groups = (
        ArraySubquery(Permission.objects.filter(**{path: OuterRef("pk")}).order_by().values_list(name))
        for path in ("user", "group__user")
    )
    users = get_user_model()._default_manager.annotate(own=own, of_groups=of_groups).order_by()
    statement, values = users.query.sql_with_params()
    meta = get_user_model()._meta
    return f'{statement} WHERE "{meta.db_table}"."{meta.pk.column}" = %s', values
