"""The dashboard: what needs attention, then the state of queues, jobs, quota, bands and errors.

It consists of parts that can be requested one by one. The page contains the cheap parts. It has the room of the others, which
load once it is shown; without scripts, a link in their place shows them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db.models import Case, Exists, OuterRef, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django_stubs_ext import StrPromise

from bands.models import Band, NoticedBy

from .. import counters
from ..choices import FeedState, JobStatus, JobType, PushState, QueueName
from ..counters import Selection
from ..engine import clock, quota
from ..engine.quota import BucketState
from ..models import SyncJob
from ..operations import schedules
from ..stats import errors
from ..stats import freshness as stats_freshness
from ..stats import jobs as stats_jobs
from ..stats import queues as stats_queues
from ..stats import quota as stats_quota
from ..stats.freshness import Times
from ..stats.quota import Forecast
from ..templatetags.monitor import duration, milliseconds, number, percent
from ..youtube.costs import quota_day
from . import checklist
from .core import attention, bars, charts, links
from .core.health import health_of
from .core.pages import is_part, show
from .quota import waiting_url

_RUNNING, _ERRORS, _SCHEDULES, _STALEST = 8, 5, 6, 10
_PERIOD_NAMES = {"24h": gettext_lazy("24 h"), "7d": gettext_lazy("7 d"), "30d": gettext_lazy("30 d")}
_PENDING = "…"


def _attention(request: HttpRequest) -> dict[str, Any]:
    return attention.strip(request, health_of(request))


def _queues(request: HttpRequest) -> dict[str, Any]:
    since = stats_jobs.start_of(_period(request), clock.approximate())
    queues = sorted(stats_queues.queues(since), key=lambda queue: QueueName.values.index(queue.name))
    cards = [
        {
            "label": QueueName(queue.name).label,
            "queue": queue,
            "ended": queue.ended,
            "urls": links.of_queue(queue, since),
        }
        for queue in queues
    ]
    return {
        "cards": cards,
        "since": since,
        "any_running": any(queue.paused_at is None for queue in queues),
        "any_paused": any(queue.paused_at is not None for queue in queues),
        "failed": sum(queue.failed for queue in queues),
        "many_failed": sum(queue.failed > 0 for queue in queues) > 1,
        "as_of": queues[0].as_of if queues else clock.approximate(),
    }


def _running(request: HttpRequest) -> dict[str, Any]:
    stuck = {row["job_id"]: row for row in stats_jobs.stuck()}
    stuck_first = Case(When(pk__in=stuck, then=Value(0)), default=Value(1))
    is_silent = Exists(stats_queues.unresponsive_attempts().filter(job=OuterRef("pk")))
    running = SyncJob.objects.in_progress().annotate(is_silent=is_silent).order_by(stuck_first, "started_at", "pk")
    jobs = [
        {
            "job": job,
            "stuck": stuck.get(job.pk),
            "is_silent": job.is_silent,  # type: ignore[attr-defined]
            "label": JobType(job.job_type).label,
            "url": links.job(job.pk),
        }
        for job in running[: _RUNNING + 1]
    ]
    has_more = len(jobs) > _RUNNING
    return {
        "jobs": jobs[:_RUNNING],
        "has_more": has_more,
        "total": counters.count(Selection(statuses=(JobStatus.IN_PROGRESS,))) if has_more else len(jobs),
        "stuck_count": len(stuck),
        "running_url": links.jobs(status=JobStatus.IN_PROGRESS.value),
        "as_of": clock.approximate(),
    }


def _gauges(request: HttpRequest) -> dict[str, Any]:
    """Return the buckets without their forecasts, which take longer: the page asks for those once it is shown."""
    waiting = stats_quota.waiting()
    states = quota.on(quota_day(clock.approximate()))
    rows = [_bucket(state, None, *waiting[state.bucket]) for state in states]
    return {"rows": rows, "is_pending": True}


def _quota(request: HttpRequest) -> dict[str, Any]:
    buckets = stats_quota.buckets()
    return {"rows": [_bucket(each.state, each.forecast, each.waiting_jobs, each.waiting_until) for each in buckets]}


def _bucket(state: BucketState, forecast: Forecast | None, waiting: int, until: dt.datetime | None) -> dict[str, Any]:
    bar = bars.of_quota(state, forecast)
    return {
        "state": state,
        "forecast": forecast,
        "bar": bar,
        "waiting": waiting,
        "until": until,
        "url": waiting_url(state),
    }


def _charts(request: HttpRequest) -> dict[str, Any]:
    period, metrics = _period(request), stats_jobs.metrics()
    return {
        "figures": [
            percent(metrics["success_rate"]),
            number(metrics["per_minute"]),
            *(milliseconds(metrics[name]) for name in ("duration_p50", "duration_p95", "wait_p50", "wait_p95")),
        ],
        "jobs_chart": charts.jobs(stats_jobs.trends(period), period),
        "durations_chart": charts.durations(stats_jobs.durations(period), period),
        "as_of": clock.approximate(),
    }


def _freshness(request: HttpRequest) -> dict[str, Any]:
    bands, figures = stats_freshness.synced(_STALEST), stats_freshness.freshness()
    push, feed = _("Push: %(state)s"), _("Feed: %(state)s")
    states = [
        (
            text % {"state": state.label},
            number,
            state in _WRONG,
            links.bands(**{kind: state.value}),
            _UNPROVEN.get(state),
        )
        for kind, text, counts in (("push", push, figures.push), ("feed", feed, figures.feeds))
        for state, number in counts.items()
        if number
    ]
    return {
        "bands": bands,
        "figures": figures,
        "rows": [
            _times(_("All"), figures.total),
            *(_times(str(source.label), times) for source, times in figures.by_source.items()),
        ],
        "states": states,
        "is_open": not is_part(request),
        "chart": charts.freshness(figures.by_day),
        "as_of": bands.as_of,
    }


def _times(label: str, times: Times) -> tuple[str, str, str, str]:
    return label, number(times.videos), duration(times.p50), duration(times.p95)


def _errors(request: HttpRequest) -> dict[str, Any]:
    now = clock.approximate()
    page = errors.groups(errors.GroupFilter(since=now - dt.timedelta(hours=24)), limit=_ERRORS)
    rows = [
        {"group": group, "url": links.error(group.fingerprint), "hours": charts.hours(group.per_hour, now)}
        for group in page.groups
    ]
    return {"rows": rows, "total": page.total, "as_of": now}


def _ahead(request: HttpRequest) -> dict[str, Any]:
    may_see, now = request.user.has_perm("django_celery_beat.view_periodictask"), clock.now()
    coming = schedules.upcoming(_SCHEDULES) if may_see else []
    upcoming = [
        {"at": at, "name": schedule.name, "is_overdue": schedules.is_overdue(schedule, now)} for at, schedule in coming
    ]
    workers = stats_queues.workers()[0] if request.user.has_perm("syncjobs.view_worker") else []
    return {"upcoming": upcoming, "workers": workers, "as_of": now}


_WRONG = (PushState.REFUSED, PushState.LAPSED, PushState.SILENT, FeedState.OVERDUE, FeedState.FAILING)
_UNPROVEN: dict[object, StrPromise] = {
    PushState.UNPROVEN: gettext_lazy("The hub has verified the subscription, but no new video has come by it yet."),
    FeedState.UNPROVEN: gettext_lazy("It does not show the newest video that we know."),
}
_Part = tuple[str, Callable[[HttpRequest], dict[str, Any]]]
_AT_ONCE: dict[str, _Part] = {
    "attention": ("syncjobs.view_alert", _attention),
    "queues": ("syncjobs.view_queue", _queues),
    "running": ("syncjobs.view_syncjob", _running),
    "quota": ("syncjobs.view_quotaday", _gauges),
}
_SETUP: dict[str, _Part] = {"checklist": (checklist.PERMISSION, checklist.steps)}
_LATER: dict[str, _Part] = {
    "freshness": ("bands.view_band", _freshness),
    "charts": ("syncjobs.view_syncjob", _charts),
    "errors": ("syncjobs.view_errorgroup", _errors),
    "ahead": ("syncjobs.view_queue", _ahead),
}
_IN_FULL = {"quota": _quota}
"""What the request for a part shows, if that is more than the page has at once."""


def _frames() -> dict[str, Any]:
    """Return the parts that load later without their figures: they have the same size, so that nothing moves."""
    sources = [_("All"), *(str(source.label) for source in NoticedBy)]
    return {
        "freshness": {"rows": [(source, *[_PENDING] * 3) for source in sources]},
        "charts": {"figures": [_PENDING] * 6},
        "errors": {},
        "ahead": {},
    }


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the dashboard, or for htmx the part that `?part=` names."""
    if not request.user.has_perm("syncjobs.view_queue"):
        return show(request, "syncjobs/dashboard/no_role.html", {}, title=_("Welcome"))
    allowed = {
        name: build
        for name, (permission, build) in (_AT_ONCE | _SETUP | _LATER).items()
        if request.user.has_perm(permission)
    }
    part, period = request.GET.get("part", ""), _period(request)
    if part in _IN_FULL and part in allowed:
        allowed[part] = _IN_FULL[part]
    periods = [(label, f"?period={value}", value == period) for value, label in _PERIOD_NAMES.items()]
    frame: dict[str, Any] = {
        "period": period,
        "period_name": _PERIOD_NAMES[period],
        "periods": periods,
        "sample": stats_jobs.BUCKET_SAMPLE,
        "recent": stats_jobs.DAY_SAMPLE,
    }
    if part in allowed and is_part(request):
        return render(request, f"syncjobs/dashboard/{part}.html", {**frame, "part": allowed[part](request)})
    shown = {name: build(request) for name, build in allowed.items() if name not in _LATER or name == part}
    has_bands = Band.objects.exists()
    later = {name: frame for name, frame in _frames().items() if name in allowed and name not in shown and has_bands}
    urls = {name: f"{reverse('admin:index')}?part={name}&period={period}" for name in (*_LATER, *_IN_FULL)}
    context = {**frame, "shown": shown, "later": later, "later_urls": urls, "has_bands": has_bands}
    # The strip takes the place of the notes, for those who may see it.
    is_quiet = "attention" in allowed
    return show(request, "syncjobs/dashboard/page.html", context, title=_("Dashboard"), is_live=True, is_quiet=is_quiet)


def _period(request: HttpRequest) -> str:
    period = request.GET.get("period", "")
    return period if period in stats_jobs.PERIODS else "24h"
