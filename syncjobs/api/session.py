"""Logging in and out by JSON Web Tokens."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView

from ..choices import Role


class LogIn(TokenObtainPairView):
    """A pair of tokens for a name and password."""

    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "login"


class Refresh(TokenRefreshView):
    """A new pair for a refresh token, which is used up by it."""


class LogOut(TokenBlacklistView):
    """Make a refresh token worthless."""


class Me(APIView):
    permission_classes = (IsAuthenticated,)

    @extend_schema(operation_id="me", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Who is logged in, in which role, with which permissions."""
        user = request.user
        groups = set(user.groups.values_list("name", flat=True))
        role = next((str(role) for role in reversed(Role) if role in groups), None)
        return Response(
            {
                "id": str(user.pk),
                "name": user.get_username(),
                "role": role,
                "permissions": sorted(user.get_all_permissions()),
            }
        )
