"""Workers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.view_worker")
def workers(request: HttpRequest) -> HttpResponse:
    """Workers."""
    return show(request, "syncjobs/stub.html", {}, title=_("Workers"))


PAGES = (("workers/", workers, "workers"),)
