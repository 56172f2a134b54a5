"""Many jobs at once, estimates and files."""

from __future__ import annotations

from typing import ClassVar

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from ..listing import export
from ..listing.export import file_of
from ..listing.parameters import Choice
from ..listing.query import JobFilters, query_of
from ..stats import errors
from .core import lists
from .core.views import View
from .events import WhateverIsAsked

FORMAT = Choice(choices=export.FORMATS, initial="csv", help_text="json: one object a line.")


class FileView(View):
    """A view whose answer is a file, of which a process streams only some at a time."""

    content_negotiation_class = WhateverIsAsked
    is_file = True


FILE = {(200, media_type.partition(";")[0]): OpenApiTypes.STR for media_type in export.FORMATS.values()}


class JobExportParameters(JobFilters):
    """The query parameters of the list of jobs as a file."""

    format = FORMAT


class ErrorExportParameters(lists.ErrorFilters):
    """The query parameters of the log of errors as a file."""

    format = FORMAT


class JobExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    takes = {"GET": JobExportParameters}

    @extend_schema(
        operation_id="exportSyncJobs",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """All jobs that the list's filters match, as a file."""
        kind = self.parameters["format"]
        return file_of(export.jobs(query_of(self.parameters).jobs, kind), kind, "sync-jobs")


class ErrorExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_errorgroup"}

    takes = {"GET": ErrorExportParameters}

    @extend_schema(
        operation_id="exportErrors",
        responses=FILE,
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """The log of errors in the window, the newest first, as a file."""
        kind = self.parameters["format"]
        rows = errors.log(lists.since(self.parameters), acknowledged=lists.acknowledged(self.parameters))
        return file_of(export.errors(rows, kind), kind, "errors")
