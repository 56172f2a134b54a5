"""The first page: how everything stands."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import show


def page(request: HttpRequest) -> HttpResponse:
    """The dashboard."""
    return show(request, "syncjobs/dashboard.html", {}, title=_("Dashboard"), is_live=True)


def _events(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


PAGES = (("events", _events, "events"),)
