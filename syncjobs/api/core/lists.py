"""Lists: strict query parameters, one page shape, exact totals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from ...listing.pages import Order
from ...listing.parameters import Choice, Parameters, Pattern
from ...listing.query import query_of
from ...models.querysets import SyncJobQuerySet


def page_of(values: Mapping[str, Any], rows: QuerySet[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The rows of the page asked for, and what frames them. Past the last page there are no rows, and right totals."""
    page, limit = values["page"], values["limit"]
    total = rows.order_by().count()
    start = (page - 1) * limit
    found = list(rows[start : start + limit]) if start < total else []
    return found, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


def jobs_page(values: Mapping[str, Any]) -> tuple[SyncJobQuerySet, Order, dict[str, Any]]:
    """The jobs of the page asked for, how to sort them, and what frames them."""
    query, page, limit = query_of(values), values["page"], values["limit"]
    found, total = query.rows(page, limit)
    return found, query.order, {"total": total, "page": page, "limit": limit, "totalPages": -(-total // limit)}


class ErrorFilters(Parameters):
    """What the error groups, and the log of errors, can be filtered by."""

    window = Pattern(
        pattern="all|[1-9][0-9]{0,3}[hd]",
        example="7d",
        message=gettext_lazy("Must be hours such as 24h or days such as 7d, from 1 to 9999 of them, or all."),
        help_text="Hours or days back from now, or all.",
        initial="24h",
    )
    acknowledged = Choice(choices=("true", "false"), help_text="Whether somebody has acknowledged the group.")


def since(values: Mapping[str, Any]) -> dt.datetime | None:
    """When the `window` parameter begins; None for all time."""
    text = values["window"]
    if text == "all":
        return None
    unit = "hours" if text.endswith("h") else "days"
    return timezone.now() - dt.timedelta(**{unit: int(text[:-1])})


def acknowledged(values: Mapping[str, Any]) -> bool | None:
    """What the `acknowledged` parameter says; None for both."""
    given = values["acknowledged"]
    return None if given is None else given == "true"
