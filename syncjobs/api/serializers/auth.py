"""Logging in and out, and who is logged in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ...choices import Role
from ...operations import people
from ..core.fields import ANYTHING, Strict, Text


class LogInBody(Strict):
    """A name and its password."""

    username = Text(pattern=ANYTHING, max_length=150)
    password = Text(pattern=ANYTHING, max_length=1000)


class RefreshBody(Strict):
    """A refresh token."""

    refresh = Text(pattern=ANYTHING, max_length=5000)


class Tokens(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header `Authorization: Bearer …`; valid for 15 minutes.")
    refresh = serializers.CharField(help_text="Good for one new pair, within 7 days.")


class Person(serializers.Serializer[Any]):
    """The person who is logged in."""

    id = serializers.CharField()
    username = serializers.CharField(source="get_username", help_text="The name to log in with.")
    name = serializers.CharField(source="get_username", help_text="The same, for clients that expect this key.")
    role = serializers.SerializerMethodField()
    permissions = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ChoiceField(choices=Role.choices, allow_null=True))
    def get_role(self, user: User) -> str | None:
        return people.role_of(user)

    def get_permissions(self, user: User) -> list[str]:
        return sorted(user.get_all_permissions())
