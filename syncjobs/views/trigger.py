"""Asking for syncs: what they will cost, and then for them."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.trigger_sync", posts=True)
def trigger(request: HttpRequest) -> HttpResponse:
    """Sync one band, several, or all."""
    return show(request, "syncjobs/stub.html", {}, title=_("Trigger sync"))


PAGES: tuple[Any, ...] = (("jobs/trigger/", trigger, "trigger"),)
