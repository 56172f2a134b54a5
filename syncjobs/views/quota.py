"""Quota."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.view_quotaday")
def quota(request: HttpRequest) -> HttpResponse:
    """Quota."""
    return show(request, "syncjobs/stub.html", {}, title=_("Quota"))


PAGES = (("quota/", quota, "quota"),)
