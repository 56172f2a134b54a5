"""Audit."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.view_auditentry")
def audit(request: HttpRequest) -> HttpResponse:
    """Audit."""
    return show(request, "syncjobs/stub.html", {}, title=_("Audit"))


PAGES = (("audit/", audit, "audit"),)
