"""The context of a job's page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, Sum
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..audit.labels import ACTIONS, RESULTS
from ..choices import ACTIVE_STATUSES, RETRYABLE_STATUSES, JobStatus, QueuedPart
from ..engine import clock
from ..exceptions import NotFound
from ..listing import filters
from ..models import AuditEntry, SyncJob
from ..stats import jobs as stats_jobs
from ..stats import queues as stats_queues
from ..templatetags.monitor import number
from .core import links
from .job_attempts import axis
from .job_buttons import Facts
from .job_explanation import explain, is_shown, relation
from .job_rows import Rights, can_cancel, can_change, can_run, note_of, progress_of, retry_url, rows_of, took_of

_MAX_EVENTS = 500
_MAX = 50
_CHILDREN = 20
_SEES_INTERNALS = "syncjobs.view_auditentry"
"""The permission to see a job's audit entries and its attempts' tracebacks, which show how the system is built."""


def scope_of(job: SyncJob) -> str:
    """Return what the job syncs: a band, all bands or the whole site."""
    return job.band_name or (_("all bands") if job.fans_out else _("the whole site"))


def get(job_id: int) -> Any:
    """Return the job, annotated with what its page needs. Raises NotFound."""
    job = filters.for_display(SyncJob.objects.filter(pk=job_id)).select_related("queue", "band").first()
    if job is None:
        raise NotFound(f"There is no job #{job_id}.", field="id")
    job.add_child_sums()
    return job


def context_of(request: HttpRequest, job: Any) -> dict[str, Any]:
    """Return the context of a job's page."""
    rights = Rights.of(request.user)
    sees_internals = request.user.has_perm(_SEES_INTERNALS)
    history = _history(job)
    children = _children(job, rights) if job.fans_out else {}
    facts = _facts(request, job, rights, history, children)
    note, until = note_of(job, facts.now)  # Boxes say what is paused.
    bar, progress = progress_of(job)
    return {
        "job": job,
        "now": facts.now,
        "heading": f"#{job.pk} · {job.get_job_type_display()}",
        "what": scope_of(job),
        "note": note,
        "note_until": until,
        "meter": bar,
        "progress": progress,
        "took": took_of(job, facts.now),
        "is_active": job.status in ACTIVE_STATUSES,
        "is_silent": facts.is_silent,
        "url": links.job(job.pk),
        "facts_url": links.job(job.pk),
        "parameters": _parameters(job.params),
        "requester_url": links.jobs(requested_by=job.requested_by_label),
        "sees_tracebacks": sees_internals,
        "audit": _audit(job) if sees_internals else [],
        "audit_url": f"{links.page('syncjobs_auditentry_changelist')}?target_type=job&target_id={job.pk}",
        **history,
        **children,
        **_explained(facts),
        **_actions(facts, rights),
    }


def _facts(request: HttpRequest, job: Any, rights: Rights, history: dict[str, Any], children: dict[str, Any]) -> Facts:
    is_running = job.status == JobStatus.IN_PROGRESS
    return Facts(
        request,
        job,
        clock.approximate(),
        attempts=history["attempts"],
        errors=history["errors"],
        related=_related(job),
        queue=stats_queues.readiness().get(job.queue_id) if job.status == JobStatus.QUEUED else None,
        paused_band=stats_queues.paused_bands([job]).get(job.band_id),
        is_silent=is_running and bool(stats_queues.unresponsive([job.pk])),
        children=children.get("counts", {}),
        waits=children.get("waits", ()),
        retry_url=retry_url(job, rights),
    )


def _explained(facts: Facts) -> dict[str, Any]:
    """Return what explains the job: its boxes, its attempts on an axis, and the errors that are in neither."""
    boxes = explain(facts)
    return {
        "boxes": boxes,
        "box_messages": [box.message for box in boxes],
        "axis": axis(facts.job, facts.attempts[::-1], facts.now),
        "shown_errors": [
            {"error": error, "url": links.error(error.group_id)}
            for error in facts.errors
            if not error.will_retry and not is_shown(boxes, error.message)
        ],
        "relations": _relations(facts.job, facts.related, facts.now),
    }


def _actions(facts: Facts, rights: Rights) -> dict[str, Any]:
    job = facts.job
    return {
        "can_cancel": rights.cancel and can_cancel(job),
        "can_run": rights.run and can_run(job, facts.now, facts.waits),
        "changes": _changes(job) if rights.run and can_change(job, facts.waits) else (),
        "run_url": links.object_page("syncjobs_syncjob_run", job.pk),
        "cancel_url": links.object_page("syncjobs_syncjob_cancel", job.pk),
    }


def _related(job: SyncJob) -> list[SyncJob]:
    """Return the job's retries and the jobs that it refers to, oldest first."""
    named = [job_id for job_id in (job.parent_id, job.retry_of_id, job.covered_by_id) if job_id]
    if not named and job.status not in RETRYABLE_STATUSES:
        return []
    condition = Q(retry_of=job.pk) | Q(pk__in=named)
    columns = ("status", "run_at", "error_count", "cancel_requested_at", "completed_at", "retry_of")
    return list(SyncJob.objects.filter(condition).only(*columns).order_by("pk")[:_MAX])


def _relations(job: SyncJob, related: Sequence[SyncJob], now: dt.datetime) -> list[tuple[str, list[SafeString | str]]]:
    """Return the jobs that belong to the job, by what they are to it."""
    known = {each.pk: each for each in related}
    named = ((_("Parent job"), job.parent_id), (_("Retry of"), job.retry_of_id), (_("Covered by"), job.covered_by_id))
    lines: list[tuple[str, list[SafeString | str]]] = []
    for label, job_id in named:
        if job_id in known:
            lines.append((label, [relation(known[job_id], now)]))
        elif job_id:
            lines.append((label, [_("#%s, which is deleted") % job_id]))
    again: list[SafeString | str] = [relation(each, now) for each in related if each.retry_of_id == job.pk]
    return [*lines, *([(_("Retried as"), again)] if again else [])]


def _changes(job: Any) -> list[tuple[str, str, str]]:
    """Return URL, icon and label of each way to change when a queued job starts. One that was moved there can't move further."""
    is_first = job.is_in_front and job.queue_position == 1 and not job.fans_out
    changes = (
        ("front", "front", _("Move to front")),
        ("priority", "priority", _("Change priority")),
        ("delay", "clock", _("Delay")),
    )
    return [
        (links.object_page(f"syncjobs_syncjob_{name}", job.pk), icon, label) for name, icon, label in changes[is_first:]
    ]


def _history(job: SyncJob) -> dict[str, Any]:
    """Return the job's attempts, events, errors and quota use."""
    errors = list(job.job_errors.select_related("group").order_by("-pk")[: _MAX + 1])
    return {
        "attempts": list(job.attempts.order_by("-number")[:_MAX]),
        "events": list(job.events.order_by("pk")[:_MAX_EVENTS]),
        "errors": errors[:_MAX],
        "has_more_errors": len(errors) > _MAX,
        "spent": list(
            job.quota_calls.order_by()
            .values("operation", "bucket")
            .annotate(calls=Count("pk"), sum=Sum("units"))
            .order_by("-sum", "operation")
        ),
    }


def _audit(job: SyncJob) -> list[tuple[AuditEntry, object, object]]:
    """Return the job's newest audit entries with the labels of their action and result."""
    entries = AuditEntry.objects.filter(target_type="job", target_id=str(job.pk))[:_MAX]
    return [(each, ACTIONS.get(each.action, each.action), RESULTS.get(each.result, each.result)) for each in entries]


def _children(job: SyncJob, rights: Rights) -> dict[str, Any]:
    """Count the children by status, and list those that are running, failed or have errors."""
    counts, _sums = stats_jobs.children(job)
    waits = stats_queues.waits_of_children([job.pk]) if counts.get(JobStatus.QUEUED) else []
    parts: dict[str, int] = {status: n for status, n in counts.items() if status != JobStatus.QUEUED}
    parts[QueuedPart.DELAYED] = sum(wait.jobs for wait in waits if wait.is_for_time)
    parts[QueuedPart.WAITING] = max(0, counts.get(JobStatus.QUEUED, 0) - parts[QueuedPart.DELAYED])
    notable = Q(status__in=(JobStatus.IN_PROGRESS, JobStatus.FAILED)) | Q(error_count__gt=0)
    shown = job.children.filter(notable).order_by("-status", "pk")
    return {
        "counts": counts,
        "waits": waits,
        "child_counts": [
            (f"{status.label} {number(n)}", links.jobs(parent_id=job.pk, status=status.value))
            for status in (*QueuedPart, *JobStatus)
            if (n := parts.get(status, 0))
        ],
        "children_total": sum(counts.values()),
        "children_url": links.jobs(parent_id=job.pk),
        "children": rows_of(filters.for_display(shown)[:_CHILDREN], rights),
    }


def _parameters(params: dict[str, Any]) -> list[tuple[str, str]]:
    labels = {"force": _("Include recently synced bands"), "video_id": _("Video")}
    return [
        (str(labels.get(name, name)), (_("yes") if value else _("no")) if isinstance(value, bool) else str(value))
        for name, value in params.items()
    ]
