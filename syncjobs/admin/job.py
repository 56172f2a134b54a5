"""One sync job: all that is known of it, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..choices import ACTIVE_STATUSES, JobStatus
from ..exceptions import NotFound
from ..listing import query
from ..models import AuditEntry, SyncJob
from ..operations import jobs as job_operations
from ..templatetags.monitor import number
from .core import links
from .core.job_rows import Rights, can_cancel, can_retry, note_of, progress_of, rows_of, took_of
from .core.pages import Question, ask, page, show

_MOST_EVENTS = 500
_SUMMED = ("videos_found", "videos_added", "videos_updated", "videos_unavailable", "error_count", "quota_used")
_MOST = 50
_CHILDREN = 20
_LOOKS_BEHIND = "syncjobs.view_auditentry"
"""Who may see the audit of a job, and the tracebacks of its attempts: they tell how the system is built."""


@page("syncjobs.view_syncjob")
def job(request: HttpRequest, job_id: int) -> HttpResponse:
    """A job's page, its dialog, or the live part of either."""
    found = _job(job_id)
    context = _context(request, found)
    if request.headers.get("HX-Request") and "X-Dialog" not in request.headers:
        return render(request, "syncjobs/jobs/facts.html", context)
    return show(
        request,
        "syncjobs/jobs/job.html",
        context,
        title=_("Job #%s") % job_id,
        crumbs=((links.jobs(), _("Sync jobs")),),
        is_live=True,
    )


@page("syncjobs.retry_job", posts=True)
def retry(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask, then retry."""
    found = job_operations.get_job(job_id)
    question = Question(
        title=_("Retry job #%s?") % job_id,
        text=_("%(type)s of %(what)s runs again as a new job; this one stays as it is.")
        % {"type": found.get_job_type_display(), "what": _what(found)},
        button=_("Retry"),
        back=links.job(job_id),
        icon="retry",
    )
    return ask(request, question, lambda actor, _values: _retry(actor, job_id))


def _retry(actor: Actor, job_id: int) -> str:
    created = job_operations.retry_job(actor, job_id)
    if created.is_new:
        return _("Job #%(old)s runs again as #%(new)s.") % {"old": job_id, "new": created.job.pk}
    return _("Job #%(new)s does the same already: it was queued or running.") % {"new": created.job.pk}


@page("syncjobs.cancel_job", posts=True)
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask, then cancel."""
    found = job_operations.get_job(job_id)
    details = []
    if found.fans_out:
        details.append(_("Its bands' jobs that have not ended are cancelled with it."))
    if found.status == JobStatus.IN_PROGRESS:
        details.append(_("It stops within one call to YouTube. What it has stored so far stays."))
    question = Question(
        title=_("Cancel job #%s?") % job_id,
        text=_("%(type)s of %(what)s will not be finished.")
        % {"type": found.get_job_type_display(), "what": _what(found)},
        button=_("Cancel the job"),
        back=links.job(job_id),
        icon="stop",
        is_danger=True,
        details=details,
    )
    return ask(request, question, lambda actor, _values: _cancel(actor, job_id))


def _cancel(actor: Actor, job_id: int) -> str:
    cancelled = job_operations.cancel_job(actor, job_id)
    if cancelled.is_terminal:
        return _("Job #%s is cancelled.") % job_id
    return _("Job #%s was asked to stop.") % job_id


def _what(found: SyncJob) -> str:
    return found.band_name or (_("all bands") if found.fans_out else _("the whole site"))


def _job(job_id: int) -> Any:
    """The job with all that comes with its row. Raises NotFound."""
    again = SyncJob.objects.filter(retry_of=OuterRef("pk")).order_by("pk").values("pk")[:_MOST]
    jobs = query.for_display(SyncJob.objects.filter(pk=job_id)).select_related("queue")
    found = jobs.annotate(retried_as=ArraySubquery(again)).first()
    if found is None:
        raise NotFound(f"There is no job #{job_id}.", field="id")
    return found


def _context(request: HttpRequest, found: Any) -> dict[str, Any]:
    now, rights = timezone.now(), Rights.of(request.user)
    looks_behind = request.user.has_perm(_LOOKS_BEHIND)
    note, until = note_of(found, now)
    bar, progress = progress_of(found)
    errors = [
        {"error": error, "url": links.error(error.group_id)} for error in found.job_errors.order_by("-pk")[: _MOST + 1]
    ]
    return {
        "job": found,
        "now": now,
        "heading": f"#{found.pk} · {found.get_job_type_display()}",
        "what": _what(found),
        "note": note,
        "note_until": until,
        "meter": bar,
        "progress": progress,
        "took": took_of(found, now),
        "is_active": found.status in ACTIVE_STATUSES,
        "can_retry": rights.retry and can_retry(found),
        "can_cancel": rights.cancel and can_cancel(found),
        "url": links.job(found.pk),
        "retry_of_url": links.job(found.retry_of_id) if found.retry_of_id else "",
        "parent_url": links.job(found.parent_id) if found.parent_id else "",
        "retried_as": [(job_id, links.job(job_id)) for job_id in found.retried_as],
        "parameters": _parameters(found.params),
        "requester_url": links.jobs(requestedBy=found.requested_by_label),
        "attempts": list(found.attempts.order_by("-number")[:_MOST]),
        "events": list(found.events.order_by("pk")[:_MOST_EVENTS]),
        "errors": errors[:_MOST],
        "has_more_errors": len(errors) > _MOST,
        "spent": list(
            found.quota_calls.order_by()
            .values("operation", "bucket")
            .annotate(calls=Count("pk"), sum=Sum("units"))
            .order_by("-sum", "operation")
        ),
        "sees_tracebacks": looks_behind,
        "audit": list(AuditEntry.objects.filter(target_type="job", target_id=str(found.pk))[:_MOST])
        if looks_behind
        else [],
        "audit_url": f"{reverse('admin:syncjobs_auditentry_changelist')}?targetType=job&targetId={found.pk}",
        **(_children(found, rights) if found.fans_out else {}),
    }


def _children(found: SyncJob, rights: Rights) -> dict[str, Any]:
    """How many children there are in each status, and those that are under way or went wrong.

    What they did is what the job did: their sums are added to what it shows of itself.
    """
    summed: Any = (
        found.children.order_by().values_list("status").annotate(Count("pk"), *(Sum(name) for name in _SUMMED))
    )
    rows = list(summed)
    counts = {status: jobs for status, jobs, *_sums in rows}
    for place, name in enumerate(_SUMMED, start=2):
        setattr(found, name, getattr(found, name) + sum(row[place] for row in rows))
    shown = found.children.filter(status__in=(JobStatus.IN_PROGRESS, JobStatus.FAILED)).order_by("-status", "pk")
    return {
        "child_counts": [
            (status.label, number(counts[status]), links.jobs(parentId=found.pk, status=status.value))
            for status in JobStatus
            if status in counts
        ],
        "children_total": sum(counts.values()),
        "children_url": links.jobs(parentId=found.pk),
        "children": rows_of(query.for_display(shown)[:_CHILDREN], rights),
    }


def _parameters(params: dict[str, Any]) -> list[tuple[str, str]]:
    labels = {"force": _("Forced"), "video_id": _("Video")}
    return [
        (str(labels.get(name, name)), (_("yes") if value else _("no")) if isinstance(value, bool) else str(value))
        for name, value in params.items()
    ]


PAGES = (
    ("jobs/<id:job_id>/", job, "syncjobs_syncjob_change"),
    ("jobs/<id:job_id>/retry/", retry, "syncjobs_syncjob_retry"),
    ("jobs/<id:job_id>/cancel/", cancel, "syncjobs_syncjob_cancel"),
)
