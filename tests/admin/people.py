"""People who use the admin."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from syncjobs.operations import people


def logged_in(role: str = "") -> Client:
    """A browser of somebody on the staff with this role, or with none."""
    people.setup_roles()
    user = get_user_model().objects.create_user(f"{role or 'none'}@example", is_staff=True)
    if role:
        user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    return client
