"""Logging in and out with JSON Web Tokens, and who is logged in."""

from __future__ import annotations

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from .core import tokens
from .core.authentication import TokenAuthentication
from .core.throttling import LogInRate
from .core.viewsets import ViewSet
from .serializers import Message
from .serializers.auth import LogInBody, Person, RefreshBody, Tokens


class AuthViewSet(ViewSet):
    """Open to people who have no token yet, or an expired one; all but `me`."""

    permission_classes = ()
    authentication_classes = ()
    throttle_scope: str | None = None

    def get_authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'

    @extend_schema(operation_id="logIn", responses=Tokens)
    @action(
        detail=False,
        methods=["post"],
        serializer_class=LogInBody,
        throttle_classes=[LogInRate],
        throttle_scope="login",
    )
    def token(self, request: Request) -> Response:
        """Get a pair of tokens for a name and password."""
        user = authenticate(request, **self.validated())
        if user is None:
            raise AuthenticationFailed("The name or the password is wrong.", "wrong_credentials")
        return Response(tokens.pair_for(user))

    @extend_schema(operation_id="refreshToken", responses=Tokens)
    @action(detail=False, methods=["post"], url_path="token/refresh", serializer_class=RefreshBody)
    def refresh(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair."""
        return Response(tokens.rotate(self.validated()["refresh"]))

    @extend_schema(operation_id="logOut", responses=Message)
    @action(detail=False, methods=["post"], serializer_class=RefreshBody)
    def logout(self, request: Request) -> Response:
        """Revoke a refresh token."""
        tokens.log_out(self.validated()["refresh"])
        return Response({"message": "Logged out."})

    @extend_schema(operation_id="me", responses=Person)
    @action(
        detail=False,
        serializer_class=Person,
        authentication_classes=[TokenAuthentication],
        permission_classes=[IsAuthenticated],
    )
    def me(self, request: Request) -> Response:
        """Get the person who is logged in, with their role and permissions."""
        return Response(Person(request.user).data)
