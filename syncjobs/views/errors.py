"""Errors."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.view_errorgroup")
def errors(request: HttpRequest) -> HttpResponse:
    """Errors."""
    return show(request, "syncjobs/stub.html", {}, title=_("Errors"))


@page("syncjobs.view_errorgroup")
def error(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """One group."""
    return show(request, "syncjobs/stub.html", {}, title=_("Error"))


PAGES = (("errors/", errors, "errors"), ("errors/<str:fingerprint>/", error, "error"))
