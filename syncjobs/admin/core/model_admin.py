"""The base class of the admin classes whose pages are our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, cast

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern, path

from bands.text import parse_number

from .pages import View


def requires(permission: str, *, post: bool = False) -> Callable[[View], View]:
    """Restrict a view to users with a permission, and to GET and HEAD unless it takes POST.

    `permission` is "view", "add", "change" or "delete", which the admin class decides, or a name such as
    "syncjobs.retry_job".
    """
    methods = ["GET", "HEAD", "POST"] if post else ["GET", "HEAD"]

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(self: PageAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            if "." in permission:
                is_allowed = request.user.has_perm(permission)
            else:
                is_allowed = getattr(self, f"has_{permission}_permission")(request)
            if not is_allowed:
                raise PermissionDenied
            return view(self, request, *args, **kwargs)

        return cast("View", checked)

    return decorate


class PageAdmin(ModelAdmin[Any]):
    """A ModelAdmin at Django's URL names, whose views are our pages and whose writes go through `operations`.

    A stock view that a subclass doesn't override answers 404, so no stock form can write past the operations.
    """

    def _no_page(self, request: HttpRequest, *args: Any, **kwargs: Any) -> NoReturn:
        raise Http404

    changelist_view: Any = _no_page
    add_view: Any = _no_page
    change_view: Any = _no_page
    delete_view: Any = _no_page
    history_view: Any = _no_page

    def page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
        """Return the URL pattern of one more page, named `<app>_<model>_<name>`."""
        return path(
            route, self.admin_site.admin_view(view), name=f"{self.opts.app_label}_{self.opts.model_name}_{name}"
        )


def id_of(object_id: str) -> int:
    """Return the primary key in a URL. Raises Http404 if it isn't one."""
    number = parse_number(object_id)
    if number is None:
        raise Http404
    return number
