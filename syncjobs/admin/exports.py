"""What the list of jobs is filtered to, as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _

from ..exceptions import InvalidInput
from ..listing import export as listing_export
from ..listing import query
from ..listing.export import file_of
from .core.job_filters import Filters, sentence_of
from .core.pages import page


@page("syncjobs.view_syncjob")
def export(request: HttpRequest) -> HttpResponseBase:
    """All jobs that match, as `format` csv or json (one object a line), streamed while they are read."""
    values = dict(Filters.read(request.GET).values)
    kind = values.pop("format", "csv")
    if kind not in listing_export.FORMATS:
        return _refused(_("format: Must be one of %s.") % ", ".join(listing_export.FORMATS))
    for name in ("page", "limit"):
        values.pop(name, None)
    try:
        jobs = query.job_query(Filters(values).query()).jobs
    except InvalidInput as error:
        return _refused(sentence_of(error))
    return file_of(listing_export.jobs(jobs, kind), kind, "sync-jobs")


def _refused(why: str) -> HttpResponse:
    return HttpResponse(why, status=400, content_type="text/plain; charset=utf-8")


PAGES = (("jobs/export/", export, "syncjobs_syncjob_export"),)
