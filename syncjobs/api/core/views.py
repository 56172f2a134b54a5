"""What every view of ours has: who may call which of its methods, and with which query parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from ...audit.actors import Actor, for_user
from ...choices import Origin
from ...listing.parameters import Parameters
from .fields import Strict


class HasPermission(BasePermission):
    """The user holds the permission the view asks for; a view that asks for none lets nobody in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        wanted = getattr(view, "needs", {})
        method = "GET" if request.method == "HEAD" else request.method or ""
        permission = wanted.get(method, wanted.get("*"))
        user = request.user
        return bool(permission and user and user.is_authenticated and user.has_perm(permission))


class Nothing(Strict):
    """A body that says nothing: {}, or none at all."""


class Exact(APIView):
    """A view that refuses the methods it doesn't have, and the query parameters and bodies it would ignore."""

    http_method_names = ("get", "head", "post", "patch", "delete")
    takes: ClassVar[dict[str, type[Parameters]]] = {}
    """The query parameters of each method; the schema has them from here."""
    parameters: dict[str, Any]
    """The values of the request's query parameters."""
    bodiless: ClassVar[Sequence[str]] = ("DELETE",)
    """The methods that are told nothing by a body."""

    def check_permissions(self, request: Request) -> None:
        # A method the view doesn't have is 405 for everybody, not 403.
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request, *self.args, **self.kwargs)
        super().check_permissions(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        method = "GET" if request.method == "HEAD" else request.method or ""
        self.parameters = self.takes.get(method, Parameters).clean(request.query_params)
        if method in self.bodiless:
            Nothing(data=request.data).is_valid(raise_exception=True)


class TriggerRate(UserRateThrottle):
    """One rate for all that makes jobs, per person, so that nobody floods the queues."""

    scope = "trigger"


class View(Exact):
    """A view of ours: `needs` maps methods ("*" for all others) to permissions."""

    needs: ClassVar[dict[str, str]] = {}
    permission_classes = (HasPermission,)

    def actor(self, request: Request) -> Actor:
        """The person behind the request."""
        return for_user(request.user, Origin.API, request.META.get("REMOTE_ADDR", ""))
