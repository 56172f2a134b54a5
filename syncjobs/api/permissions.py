"""Who may do what: each view names the Django permission that each of its methods needs."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from ..actors import Actor, for_user
from ..choices import Origin


class HasPermission(BasePermission):
    """The user holds the permission the view asks for; a view that asks for none lets nobody in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        wanted = getattr(view, "needs", {})
        permission = wanted.get(request.method or "", wanted.get("*"))
        user = request.user
        return bool(permission and user and user.is_authenticated and user.has_perm(permission))


class View(APIView):
    """A view of ours: `needs` maps methods ("*" for all others) to permissions."""

    needs: ClassVar[dict[str, str]] = {}
    permission_classes = (HasPermission,)

    def actor(self, request: Request) -> Actor:
        """The person behind the request."""
        return for_user(request.user, Origin.API, request.META.get("REMOTE_ADDR", ""))

    def check_permissions(self, request: Request) -> None:
        # A method the view doesn't have is 405 for whoever may use the others, not 403.
        if (
            request.method
            and request.method.lower() in self.http_method_names
            and not hasattr(self, request.method.lower())
        ):
            self.http_method_not_allowed(request, *self.args, **self.kwargs)
        super().check_permissions(request)
