"""Sync jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .base import page, show


@page("syncjobs.view_syncjob")
def jobs(request: HttpRequest) -> HttpResponse:
    """Sync jobs."""
    return show(request, "syncjobs/stub.html", {}, title=_("Sync jobs"))


@page("syncjobs.view_syncjob")
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """One job."""
    return show(request, "syncjobs/stub.html", {}, title=f"#{job_id}")


PAGES = (("jobs/", jobs, "jobs"), ("jobs/<id:job_id>/", job, "job"))
