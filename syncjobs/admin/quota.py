"""What there is of YouTube's daily quota, what it goes to, and whether it will do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..choices import JobStatus, JobType
from ..engine import quota as buckets
from ..stats import quota as stats_quota
from ..stats.quota import BucketFigures, Spent
from ..youtube.costs import Bucket
from .core import charts, links
from .core.pages import is_part, page, show

_HISTORY_DAYS = 30


def _gauges() -> dict[str, Any]:
    return {"buckets": buckets.today(), "as_of": timezone.now()}


def _history() -> dict[str, Any]:
    series = stats_quota.history(_HISTORY_DAYS)
    return {
        "charts": [
            (bucket, charts.quota_days([point for point in series if point["bucket"] == bucket])) for bucket in Bucket
        ],
        "as_of": timezone.now(),
    }


def _details() -> dict[str, Any]:
    figures = stats_quota.today()
    return {"buckets": [_detail(each) for each in figures], "as_of": figures[0].as_of}


def _detail(figures: BucketFigures) -> dict[str, Any]:
    reason = buckets.DELAY_REASONS[figures.state.bucket].value
    types = [
        (str(JobType(name).label) if name else _("Outside any job"), spent)
        for name, spent in _by_units(figures.job_types)
    ]
    return {
        "figures": figures,
        "waiting_url": links.jobs(status=JobStatus.QUEUED.value, due="later", delayReason=reason),
        "exceeds": (figures.forecast.units or 0) > figures.state.limit,
        "tables": [
            (_("Operation"), _by_units(figures.operations)),
            (_("Type of job"), types),
            (_("Band"), [(name or _("A band deleted since"), spent) for _id, name, spent in figures.top_bands()]),
        ],
    }


def _by_units(accounts: dict[str, Spent]) -> list[tuple[str, Spent]]:
    return sorted(accounts.items(), key=lambda account: (-account[1].units, account[0]))


_PARTS = {"gauges": _gauges, "history": _history, "details": _details}
_LATER = "details"


@page("syncjobs.view_quotaday")
def quota(request: HttpRequest) -> HttpResponse:
    """The buckets now and over the last days; what they went to, and a forecast, ask for themselves."""
    asked = request.GET.get("part", "")
    if asked in _PARTS and is_part(request):
        return render(request, f"syncjobs/quota/{asked}.html", {"part": _PARTS[asked]()})
    shown = {name: made() for name, made in _PARTS.items() if name != _LATER or asked == _LATER}
    context = {"shown": shown, "later_url": f"{reverse('admin:quota')}?part={_LATER}"}
    return show(request, "syncjobs/quota/page.html", context, title=_("Quota"), is_live=True)


PAGES = (("quota/", quota, "quota"),)
