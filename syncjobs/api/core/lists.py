"""Lists: strict query parameters, one page shape, exact totals."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy
from rest_framework.request import Request

from ...listing import parameters
from ...listing.pages import Order
from ...listing.query import MAX_LIMIT, MAX_PAGE, job_query, whole_number
from ...models.querysets import SyncJobQuerySet


def page_of(request: Request, rows: QuerySet[Any], *, default_limit: int = 20) -> tuple[list[Any], dict[str, Any]]:
    """The rows of the page asked for, and what frames them. Past the last page there are no rows, and right totals."""
    page = whole_number(request, "page", 1, MAX_PAGE)
    limit = whole_number(request, "limit", default_limit, MAX_LIMIT)
    total = rows.order_by().count()
    start = (page - 1) * limit
    found = list(rows[start : start + limit]) if start < total else []
    return found, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


def jobs_page(request: Request, *, default_limit: int = 20) -> tuple[SyncJobQuerySet, Order, dict[str, Any]]:
    """The jobs of the page asked for, how to sort them, and what frames them."""
    query = job_query(request.query_params)
    page = whole_number(request, "page", 1, MAX_PAGE)
    limit = whole_number(request, "limit", default_limit, MAX_LIMIT)
    found, total = query.rows(page, limit)
    return found, query.order, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


def matching(rows: QuerySet[Any], request: Request, field: str) -> QuerySet[Any]:
    """Rows whose `field` contains what `search` says."""
    text = request.query_params.get("search", "")
    return rows.filter(**{f"{field}__icontains": text}) if text else rows


WINDOW = parameters.Like(
    "window",
    "all|[1-9][0-9]{0,3}[hd]",
    "7d",
    gettext_lazy("Must be hours such as 24h or days such as 7d, from 1 to 9999 of them, or all."),
    "Hours or days back from now, or all.",
    "24h",
)


def since(request: Request) -> dt.datetime | None:
    """When the `window` parameter begins; None for all time."""
    text = request.query_params.get("window", "24h")
    if text == "all":
        return None
    unit = "hours" if text.endswith("h") else "days"
    return timezone.now() - dt.timedelta(**{unit: int(text[:-1])})


ACKNOWLEDGED = parameters.choice(
    "acknowledged", ["true", "false"], description="Whether somebody has seen to the group."
)


def acknowledged(request: Request) -> bool | None:
    """What the `acknowledged` parameter says; None for both."""
    said = request.query_params.get("acknowledged")
    return None if said is None else said == "true"
