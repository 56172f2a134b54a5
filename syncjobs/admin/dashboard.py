"""The dashboard.

It consists of parts that can be requested one by one. The page contains the cheap parts; the others load once it is
shown. Without scripts, a link in their place shows them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db.models import Case, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from bands.models import Band

from ..choices import FeedState, JobStatus, JobType, PushState, QueueName
from ..engine import clock
from ..models import SyncJob
from ..operations import schedules
from ..stats import errors
from ..stats import freshness as stats_freshness
from ..stats import jobs as stats_jobs
from ..stats import queues as stats_queues
from . import checklist
from .core import attention, charts, links
from .core.pages import health_of, is_part, show
from .quota import gauges

_RUNNING, _ERRORS, _SCHEDULES = 8, 5, 6
_PERIOD_LABELS = {"24h": gettext_lazy("24 hours"), "7d": gettext_lazy("7 days"), "30d": gettext_lazy("30 days")}


def _queues(request: HttpRequest) -> dict[str, Any]:
    queues = sorted(stats_queues.queues(), key=lambda queue: QueueName.values.index(queue.name))
    cards = [{"label": QueueName(queue.name).label, "queue": queue, "urls": links.of_queue(queue)} for queue in queues]
    return {
        "cards": cards,
        "any_running": any(queue.paused_at is None for queue in queues),
        "any_paused": any(queue.paused_at is not None for queue in queues),
        "any_failed": any(queue.failed for queue in queues),
        "as_of": queues[0].as_of if queues else clock.approximate(),
    }


def _running(request: HttpRequest) -> dict[str, Any]:
    stuck = {row["job_id"]: row for row in stats_jobs.stuck()}
    stuck_first = Case(When(pk__in=stuck, then=Value(0)), default=Value(1))
    running = list(SyncJob.objects.in_progress().order_by(stuck_first, "started_at", "pk")[: _RUNNING + 1])
    silent = stats_queues.unresponsive([job.pk for job in running])
    jobs = [
        {
            "job": job,
            "stuck": stuck.get(job.pk),
            "is_silent": job.pk in silent,
            "label": JobType(job.job_type).label,
            "url": links.job(job.pk),
        }
        for job in running
    ]
    return {
        "jobs": jobs[:_RUNNING],
        "has_more": len(jobs) > _RUNNING,
        "stuck_count": len(stuck),
        "running_url": links.jobs(status=JobStatus.IN_PROGRESS.value),
        "as_of": clock.approximate(),
    }


def _quota(request: HttpRequest) -> dict[str, Any]:
    return gauges()


def _charts(request: HttpRequest) -> dict[str, Any]:
    period = _period(request)
    return {
        "metrics": stats_jobs.metrics(),
        "jobs_chart": charts.jobs(stats_jobs.trends(period), period),
        "durations_chart": charts.durations(stats_jobs.durations(period), period),
        "sample": stats_jobs.BUCKET_SAMPLE,
        "recent": stats_jobs.DAY_SAMPLE,
        "as_of": clock.approximate(),
    }


def _freshness(request: HttpRequest) -> dict[str, Any]:
    figures = stats_freshness.freshness()
    push, feed = _("Push: %(state)s"), _("Feed: %(state)s")
    return {
        "figures": figures,
        "sources": [(source.label, times) for source, times in figures.by_source.items()],
        "states": [
            (text % {"state": state.label}, number, state in _WRONG, links.bands(**{kind: state.value}))
            for kind, text, counts in (("push", push, figures.push), ("feed", feed, figures.feeds))
            for state, number in counts.items()
            if number
        ],
        "chart": charts.freshness(figures.by_day),
    }


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


def _attention(request: HttpRequest) -> dict[str, Any]:
    return attention.strip(request, health_of(request))


_WRONG = (PushState.REFUSED, PushState.LAPSED, PushState.SILENT, FeedState.OVERDUE, FeedState.FAILING)
_Part = tuple[str, Callable[[HttpRequest], dict[str, Any]]]
_AT_ONCE: dict[str, _Part] = {
    "attention": ("syncjobs.view_alert", _attention),
    "queues": ("syncjobs.view_queue", _queues),
    "running": ("syncjobs.view_syncjob", _running),
    "quota": ("syncjobs.view_quotaday", _quota),
}
_SETUP: dict[str, _Part] = {"checklist": (checklist.PERMISSION, checklist.steps)}
_LATER: dict[str, _Part] = {
    "charts": ("syncjobs.view_syncjob", _charts),
    "freshness": ("bands.view_band", _freshness),
    "errors": ("syncjobs.view_errorgroup", _errors),
    "ahead": ("syncjobs.view_queue", _ahead),
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
    periods = [(label, f"?period={value}#part-charts", value == period) for value, label in _PERIOD_LABELS.items()]
    frame: dict[str, Any] = {"period": period, "periods": periods, "may_see": set(allowed)}
    frame["later_urls"] = {name: f"{reverse('admin:index')}?part={name}&period={period}" for name in _LATER}
    if part in allowed and is_part(request):
        return render(request, f"syncjobs/dashboard/{part}.html", {**frame, "part": allowed[part](request)})
    frame["has_bands"] = Band.objects.exists()
    shown = {name: build(request) for name, build in allowed.items() if name not in _LATER or name == part}
    context = {**frame, "shown": shown}
    # The strip takes the place of the notes, for those who may see it.
    is_quiet = "attention" in allowed
    return show(request, "syncjobs/dashboard/page.html", context, title=_("Dashboard"), is_live=True, is_quiet=is_quiet)


def _period(request: HttpRequest) -> str:
    period = request.GET.get("period", "")
    return period if period in stats_jobs.PERIODS else "24h"
