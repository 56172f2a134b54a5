"""The daily YouTube quota: usage, history and forecast."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ..audit.actors import Actor
from ..choices import JobStatus, JobType
from ..engine import clock
from ..engine import quota as buckets
from ..operations.quota import reopen_bucket
from ..stats import freshness as stats_freshness
from ..stats import quota as stats_quota
from ..stats.quota import BucketFigures, Spent
from ..templatetags.monitor import bucket_label
from ..youtube.costs import Bucket
from .core import charts, links
from .core.pages import Question, ask, is_part, show

_HISTORY_DAYS = 30


def gauges() -> dict[str, Any]:
    """Return the context of the buckets now, with the jobs that wait for each."""
    waiting = stats_quota.waiting()
    rows = [
        {
            "bucket": state,
            "waiting": waiting[state.bucket][0],
            "until": waiting[state.bucket][1],
            "url": _waiting_url(state),
        }
        for state in buckets.today()
    ]
    return {"rows": rows, "as_of": clock.approximate()}


def _waiting_url(state: buckets.BucketState) -> str:
    """Return the URL of the list of the jobs that wait for the bucket."""
    reason = buckets.DELAY_REASONS[state.bucket].value
    return links.jobs(status=JobStatus.QUEUED.value, due="later", delay_reason=reason)


def _history() -> dict[str, Any]:
    series = stats_quota.history(_HISTORY_DAYS)
    return {
        "charts": [
            (bucket, charts.quota_days([point for point in series if point["bucket"] == bucket])) for bucket in Bucket
        ],
        "as_of": clock.approximate(),
    }


def _details() -> dict[str, Any]:
    figures = stats_quota.today()
    saved = stats_freshness.saved(figures[0].as_of)
    buckets = [_detail(each) for each in figures]
    return {"buckets": buckets, "main": Bucket.MAIN, "saved": saved, "as_of": figures[0].as_of}


def _detail(figures: BucketFigures) -> dict[str, Any]:
    types = [
        (str(JobType(name).label) if name else _("Not part of a job"), spent)
        for name, spent in _by_units(figures.job_types)
    ]
    return {
        "figures": figures,
        "reopen_url": reverse("admin:quota_reopen", args=[figures.state.bucket]),
        "waiting_url": _waiting_url(figures.state),
        "tables": [
            (_("Operation"), _by_units(figures.operations)),
            (_("Job type"), types),
            (_("Band"), [(name or _("Deleted band"), spent) for _id, name, spent in figures.top_bands()]),
        ],
    }


def _by_units(accounts: dict[str, Spent]) -> list[tuple[str, Spent]]:
    return sorted(accounts.items(), key=lambda account: (-account[1].units, account[0]))


_PARTS = {"gauges": gauges, "history": _history, "details": _details}
_LATER = "details"


@require_safe
@permission_required("syncjobs.view_quotaday", raise_exception=True)
def quota(request: HttpRequest) -> HttpResponse:
    """Show the buckets now and over the last days; the page then loads usage and forecast by itself."""
    part = request.GET.get("part", "")
    if part in _PARTS and is_part(request):
        return render(request, f"syncjobs/quota/{part}.html", {"part": _PARTS[part]()})
    shown = {name: made() for name, made in _PARTS.items() if name != _LATER or part == _LATER}
    context = {"shown": shown, "later_url": f"{reverse('admin:quota')}?part={_LATER}"}
    return show(request, "syncjobs/quota/page.html", context, title=_("Quota"), is_live=True)


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
        icon="retry",
        back=reverse("admin:quota"),
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        return _("The bucket is reopened.") if reopen_bucket(actor, bucket) else _("The bucket is not closed.")

    return ask(request, question, do)
