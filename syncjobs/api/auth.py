"""Logging in and out by JSON Web Tokens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle

from ..choices import Role
from ..operations import people
from .core import tokens
from .core.fields import Strict, Text
from .core.views import Exact
from .jobs import validated
from .serializers import Message


class LogInBody(Strict):
    """A name and its password."""

    username = Text(max_length=150)
    password = Text(max_length=1000)


class RefreshBody(Strict):
    """A refresh token."""

    refresh = Text(max_length=5000)


class Tokens(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header `Authorization: Bearer …`; good for 15 minutes.")
    refresh = serializers.CharField(help_text="For a new pair, once, within 7 days.")


class Person(serializers.Serializer[Any]):
    id = serializers.CharField()
    username = serializers.CharField(help_text="As it is given to log in.")
    name = serializers.CharField(help_text="The same, for clients that know it by this key.")
    role = serializers.ChoiceField(choices=Role.choices, allow_null=True)
    permissions = serializers.ListField(child=serializers.CharField())


class _Public(Exact):
    """Open to whoever has no token yet, or one that is over."""

    permission_classes = ()
    authentication_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class LogIn(_Public):
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"

    @extend_schema(operation_id="logIn", request=LogInBody, responses=Tokens)
    def post(self, request: Request) -> Response:
        """A pair of tokens for a name and password."""
        body = validated(LogInBody, request)
        user = authenticate(request, username=body["username"], password=body["password"])
        if user is None:
            raise AuthenticationFailed("The name or the password is wrong.", "wrong_credentials")
        return Response(tokens.pair_for(user))


class Refresh(_Public):
    @extend_schema(operation_id="refreshToken", request=RefreshBody, responses=Tokens)
    def post(self, request: Request) -> Response:
        """A new pair for a refresh token, which is used up by it."""
        return Response(tokens.rotate(validated(RefreshBody, request)["refresh"]))


class LogOut(_Public):
    @extend_schema(operation_id="logOut", request=RefreshBody, responses=Message)
    def post(self, request: Request) -> Response:
        """Make a refresh token worthless; one that was used already is."""
        tokens.close(validated(RefreshBody, request)["refresh"])
        return Response({"message": "Logged out."})


class Me(Exact):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="me", responses=Person)
    def get(self, request: Request) -> Response:
        """Who is logged in, in which role, with which permissions."""
        user: Any = request.user
        return Response(
            {
                "id": str(user.pk),
                "username": user.get_username(),
                "name": user.get_username(),
                "role": people.role_of(user),
                "permissions": sorted(user.get_all_permissions()),
            }
        )
