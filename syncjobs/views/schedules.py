"""Schedules."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("django_celery_beat.view_periodictask")
def schedules(request: HttpRequest) -> HttpResponse:
    """Schedules."""
    return show(request, "syncjobs/stub.html", {}, title=_("Schedules"))


PAGES = (("schedules/", schedules, "schedules"),)
