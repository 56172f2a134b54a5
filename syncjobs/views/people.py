"""People."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("auth.view_user")
def people(request: HttpRequest) -> HttpResponse:
    """People."""
    return show(request, "syncjobs/stub.html", {}, title=_("People"))


PAGES = (("people/", people, "people"),)
