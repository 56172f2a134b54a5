"""How a person likes their pages. Not audited: it concerns nobody else, and nothing that the site does."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from ..models import Preferences


def get(user: User | AnonymousUser) -> Preferences:
    """Return the person's preferences, or those of somebody who has changed nothing."""
    assert user.pk is not None
    try:
        # Django keeps it for the rest of the request.
        return user.preferences
    except Preferences.DoesNotExist:
        return Preferences(user=user)


def save(user: User | AnonymousUser, **changes: Any) -> None:
    """Change these fields of the person's preferences."""
    assert user.pk is not None
    Preferences.objects.update_or_create(user_id=user.pk, defaults=changes)
    user._state.fields_cache.pop("preferences", None)
