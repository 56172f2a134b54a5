"""Many jobs at once, estimates and files."""

from __future__ import annotations

from typing import ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from ..listing import export
from ..listing import parameters as listing_parameters
from ..listing import query as listing_query
from ..listing.export import file_of
from ..stats import errors
from .core import lists
from .core.views import View
from .events import WhateverIsAsked

FORMAT = listing_parameters.choice("format", export.FORMATS, "csv", "json: one object a line.")


class FileView(View):
    """A view whose answer is a file, of which a process streams only some at a time."""

    content_negotiation_class = WhateverIsAsked
    is_file = True


FILE = {(200, media_type.partition(";")[0]): OpenApiTypes.STR for media_type in export.FORMATS.values()}


class JobExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    takes = {"GET": (FORMAT, *listing_query.PARAMETERS)}

    @extend_schema(
        operation_id="exportSyncJobs",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All jobs that the list's filters match, as a file."""
        kind = request.query_params.get("format", "csv")
        parameters = request.query_params.copy()
        parameters.pop("format", None)
        return file_of(export.jobs(listing_query.job_query(parameters).jobs, kind), kind, "sync-jobs")


class ErrorExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_errorgroup"}

    takes = {"GET": (FORMAT, lists.WINDOW, lists.ACKNOWLEDGED)}

    @extend_schema(
        operation_id="exportErrors",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """The log of errors in the window, the newest first, as a file."""
        kind = request.query_params.get("format", "csv")
        rows = errors.log(lists.since(request), acknowledged=lists.acknowledged(request))
        return file_of(export.errors(rows, kind), kind, "errors")
