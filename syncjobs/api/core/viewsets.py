"""The base of all views: they refuse methods, query parameters and bodies that they would otherwise ignore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from bands.text import camel_case

from ...audit.actors import Actor, for_user
from ...choices import Origin
from ...listing.base_filters import Parameters
from .fields import Strict, key_of


def location(name: str, **ids: object) -> dict[str, str]:
    """Return the Location header for the address with this name, such as "job-detail"."""
    return {"Location": reverse(name, kwargs=ids)}


class NoBody(Strict):
    """An empty body: {}, or nothing at all."""


class StrictView(APIView):
    """A view that refuses methods it doesn't have and query parameters it doesn't know."""

    http_method_names = ("get", "head", "post", "patch", "delete")
    filterset_class: type[Parameters] = Parameters
    """The query parameters of GET."""
    parameters: dict[str, Any]
    """The values of the request's query parameters."""

    def check_permissions(self, request: Request) -> None:
        """Answer 405, not 401 or 403, for a method that the view doesn't have, also without a permission or a login."""
        method = (request.method or "").lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request, *self.args, **self.kwargs)
        super().check_permissions(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.parameters = self.get_filterset_class().clean(request.query_params, camel_case)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers, which have personal data, out of caches, unless the view says otherwise."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def get_filterset_class(self) -> type[Parameters]:
        return self.filterset_class

    def key_of(self, field: str) -> str:
        """Return what the request calls the field of a domain error."""
        return field


class ViewSet(StrictView, GenericViewSet[Any]):
    """The base of all viewsets.

    `filterset_class` has the query parameters of `list`; an `@action` names its own. `serializer_class` of an action
    with a body is that of the body. An action that must not have one sets NoBody.
    """

    ordering: Sequence[Any] = ()
    """The order of the rows of `list`."""
    is_file = False
    """Whether the response is a file; a process streams only a few at a time."""
    is_versioned = False
    """Whether objects have ETags and changes may be conditional: see `etags.Versioned`."""
    is_limited = False
    """Whether the action makes jobs, which the operation limits: see `operations.rates`."""
    body_classes: Mapping[str, type[Strict]] = {}
    """Serializer classes of bodies by action, for actions without an `@action`."""
    field_names: Mapping[str, str] = {}
    """Request names of domain-error fields that no serializer's `source` gives."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "DELETE" or self.serializer_class is NoBody:
            NoBody(data=request.data).is_valid(raise_exception=True)

    def get_serializer_class(self) -> Any:
        return self.body_classes.get(self.action) or super().get_serializer_class()

    def get_filterset_class(self) -> type[Parameters]:
        # as_view() sets what an @action names on the instance.
        return self.filterset_class if self.action == "list" or "filterset_class" in vars(self) else Parameters

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = self.get_filterset_class().narrow(queryset, self.parameters)
        return rows.order_by(*self.get_ordering()) if self.get_ordering() else rows

    def get_ordering(self) -> Sequence[Any]:
        return self.ordering

    def validated(self) -> dict[str, Any]:
        """Return the request's body as the serializer class reads it. Raises ValidationError."""
        body = self.get_serializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def key_of(self, field: str) -> str:
        name, dot, rest = field.partition(".")
        field = f"{self.field_names.get(name, name)}{dot}{rest}"
        # Until the parameters have been read, errors are about them, and name them as the request does.
        has_body = self.request.method in ("POST", "PATCH") and hasattr(self, "parameters")
        return key_of(self.get_serializer(), field) if has_body else field

    @property
    def actor(self) -> Actor:
        """The person behind the request."""
        return for_user(self.request.user, Origin.API, self.address)

    @property
    def address(self) -> str:
        """The IP address that the request came from."""
        return str(self.request.META.get("REMOTE_ADDR", ""))
