"""The frames of lists."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from ...engine import clock
from ...listing import rows
from ...listing.filters import JobQuery

_COUNT = {"type": "integer", "minimum": 0}


class Pages(BasePagination):
    """Pages with exact totals; a page past the last one has no rows."""

    schema_suffix = "Page"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.page, self.limit = view.parameters["page"], view.parameters["limit"]
        return self.read(queryset)

    def read(self, queryset: Any) -> list[Any]:
        """Set the total, and return the rows of the page."""
        self.total = queryset.order_by().count()
        start = (self.page - 1) * self.limit
        return list(queryset[start : start + self.limit]) if start < self.total else []

    def get_paginated_response(self, data: Any) -> Response:
        pages = -(-self.total // self.limit)
        frame = {"total": self.total, "page": self.page, "limit": self.limit, "totalPages": pages}
        return Response({"data": data, **frame})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {
            "data": schema,
            "total": _COUNT | {"description": "Of all pages, exact."},
            "page": {"type": "integer", "minimum": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "totalPages": _COUNT,
        }
        return {"type": "object", "properties": properties, "required": list(properties)}


class JobPages(Pages):
    """Pages of the list of jobs, which the counts find however many jobs there are."""

    def read(self, queryset: JobQuery) -> list[Any]:
        jobs, self.total = rows.read_page(queryset, self.page, self.limit)
        return jobs


class Unpaged(BasePagination):
    """All rows of a list that is never long, with the time they were read."""

    schema_suffix = "List"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        return list(queryset)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "asOf": clock.approximate()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {"data": schema, "asOf": {"type": "string", "format": "date-time"}}
        return {"type": "object", "properties": properties, "required": list(properties)}
