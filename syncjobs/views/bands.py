"""Bands."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("bands.view_band")
def bands(request: HttpRequest) -> HttpResponse:
    """Bands."""
    return show(request, "syncjobs/stub.html", {}, title=_("Bands"))


@page("bands.view_video")
def videos(request: HttpRequest) -> HttpResponse:
    """All videos."""
    return show(request, "syncjobs/stub.html", {}, title=_("Videos"))


PAGES = (("bands/", bands, "bands"), ("videos/", videos, "videos"))
