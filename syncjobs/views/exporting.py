"""What the list of jobs is filtered to, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from .. import exports
from ..api import listing
from .base import page
from .job_filters import Filters, sentence_of

_ENDINGS = {"csv": "csv", "json": "ndjson"}


@page("syncjobs.view_syncjob")
def export(request: HttpRequest) -> HttpResponseBase:
    """All jobs that match, as `format` csv or json (one object a line), streamed while they are read."""
    values = dict(Filters.read(request.GET).values)
    kind = values.pop("format", "csv")
    if kind not in exports.FORMATS:
        return _refused(_("format: Must be one of %s.") % ", ".join(exports.FORMATS))
    for name in ("page", "limit"):
        values.pop(name, None)
    try:
        jobs = listing.job_query(Filters(values).query()).jobs
    except ValidationError as error:
        return _refused(sentence_of(error))
    name = f"sync-jobs.{_ENDINGS[kind]}"
    return StreamingHttpResponse(
        exports.jobs(jobs, kind),
        content_type=exports.FORMATS[kind],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _refused(why: str) -> HttpResponse:
    return HttpResponse(why, status=400, content_type="text/plain; charset=utf-8")


PAGES = (("jobs/export/", export, "jobs_export"),)
