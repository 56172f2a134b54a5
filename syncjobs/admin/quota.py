"""The daily YouTube quota: usage, history and forecast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from ..audit.actors import Actor
from ..engine import clock
from ..engine import quota as buckets
from ..operations.quota import reopen_bucket
from ..stats import freshness as stats_freshness
from ..stats import quota as stats_quota
from ..stats import quota_usage
from ..stats.quota import BucketFigures
from ..stats.quota_usage import Group, Grouping, Kind, Usage
from ..stats.snapshot import one_snapshot
from ..templatetags.monitor import bucket_label
from ..youtube.costs import Bucket
from . import quota_chart
from .core import charts, links
from .core.pages import Question, ask, is_part, refuse, show

_HISTORY_DAYS = 30
_MOST_GROUPS = 20
"""The rows of the table; the others are its last one, unless a person asks for them."""
_DEFAULT = Grouping.JOB_TYPE
_GROUPINGS = {
    Grouping.JOB_TYPE: gettext_lazy("Job type"),
    Grouping.OPERATION: gettext_lazy("Operation"),
    Grouping.BAND: gettext_lazy("Band"),
    Grouping.PERSON: gettext_lazy("Person"),
}


def waiting_url(state: buckets.BucketState) -> str:
    """Return the URL of the list of the jobs that wait for the bucket."""
    reason = buckets.DELAY_REASONS[state.bucket].value
    return links.jobs(**links.STATES["delayed"], delay_reason=reason)


def _history(_query: QueryDict) -> dict[str, Any]:
    series = stats_quota.history(_HISTORY_DAYS)
    return {
        "charts": [
            (bucket, charts.quota_days([point for point in series if point["bucket"] == bucket])) for bucket in Bucket
        ],
        "as_of": clock.approximate(),
    }


def _today(query: QueryDict) -> dict[str, Any]:
    """Return the context of today: the buckets, and what used their units. All its figures are of one snapshot."""
    grouping = _grouping(query)
    with one_snapshot():
        figures = stats_quota.buckets()
        usage = quota_usage.usage(grouping)
        hours = quota_usage.hours(usage.day)
        saved = stats_freshness.saved(figures[0].as_of)
    start = min(hours[Bucket.MAIN])
    return {
        "buckets": [_block(each, hours[each.state.bucket]) for each in figures],
        "main": Bucket.MAIN,
        "saved": saved,
        "start": start,
        "usage": _table(usage, shows_all="all" in query),
        "refresh_url": links.query(part="today", **_kept(grouping, "all" in query)),
        "as_of": figures[0].as_of,
    }


def _grouping(query: QueryDict) -> Grouping:
    wanted = query.get("by", "")
    return Grouping(wanted) if wanted in list(Grouping) else _DEFAULT


def _kept(grouping: Grouping, shows_all: bool = False) -> dict[str, str]:
    """Return the query parameters of the page with this grouping."""
    kept = {} if grouping is _DEFAULT else {"by": grouping.value}
    return kept | ({"all": "1"} if shows_all else {})


def _block(figures: BucketFigures, hours: Mapping[dt.datetime, int]) -> dict[str, Any]:
    return {
        "figures": figures,
        "row": {"waiting": figures.waiting_jobs, "until": figures.waiting_until, "url": waiting_url(figures.state)},
        "chart": quota_chart.chart(figures, hours),
        "reopen_url": reverse("admin:quota_reopen", args=[figures.state.bucket]),
    }


def _table(usage: Usage, *, shows_all: bool) -> dict[str, Any]:
    """Return the context of the table: a column for each bucket that was used, and the sums of the rows left out."""
    used = [bucket for bucket in Bucket if usage.used[bucket]] or [Bucket.MAIN]
    groups = usage.groups if shows_all else usage.groups[:_MOST_GROUPS]
    left_out = usage.groups[len(groups) :]
    return {
        "day": usage.day,
        "heading": _GROUPINGS[usage.grouping],
        "chips": [
            (label, links.page("quota") + links.query(**_kept(grouping)), grouping is usage.grouping)
            for grouping, label in _GROUPINGS.items()
        ],
        "buckets": used,
        "rows": [(group.member, _link(group), _units([group], used), group.failed) for group in groups],
        "left_out": len(left_out),
        "left_out_units": _units(left_out, used),
        "left_out_failed": sum(group.failed for group in left_out),
        "all_url": links.page("quota") + links.query(**_kept(usage.grouping, shows_all=True)),
        "totals": [usage.used[bucket] for bucket in used],
        "failed": sum(group.failed for group in usage.groups),
    }


def _units(groups: Sequence[Group], buckets: Sequence[Bucket]) -> list[int]:
    return [sum(group.spent[bucket].units for group in groups if bucket in group.spent) for bucket in buckets]


def _link(group: Group) -> str:
    """Return the URL of the group's page, if it has one."""
    is_band = group.member.kind is Kind.BAND and group.member.exists
    return links.band(int(group.member.key)) if is_band else ""


_PARTS: dict[str, Callable[[QueryDict], dict[str, Any]]] = {"today": _today, "history": _history}


@require_safe
@permission_required("syncjobs.view_quotaday", raise_exception=True)
def quota(request: HttpRequest) -> HttpResponse:
    """Show the buckets today, what used their units, and the last days."""
    part = request.GET.get("part", "")
    if part in _PARTS and is_part(request):
        return render(request, f"syncjobs/quota/{part}.html", {"part": _PARTS[part](request.GET)})
    shown = {name: made(request.GET) for name, made in _PARTS.items()}
    return show(request, "syncjobs/quota/page.html", {"shown": shown}, title=_("Quota"), is_live=True)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("syncjobs.pause_queue", raise_exception=True)
def reopen(request: HttpRequest, bucket: str) -> HttpResponse:
    """Confirm, then reopen a bucket."""
    question = Question(
        title=_("Reopen “%(bucket)s”?") % {"bucket": bucket_label(bucket)},
        text=_(
            "The jobs that wait for it start. The first call tests whether YouTube accepts it; if not, they wait again."
        ),
        button=_("Reopen"),
        icon="unlock",
        back=reverse("admin:quota"),
    )
    is_open = any(state.bucket == bucket and not (state.closed_at or state.probe_at) for state in buckets.today())
    if is_open and (refusal := refuse(request, _("The bucket is not closed."), question.back)):
        return refusal

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        return _("The bucket is reopened.") if reopen_bucket(actor, bucket) else _("The bucket is not closed.")

    return ask(request, question, do)
