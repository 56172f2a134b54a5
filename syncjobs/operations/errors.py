"""Acknowledge error groups, and find the failed jobs that nobody has retried."""

from __future__ import annotations

from collections.abc import Callable

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import NotFound
from ..models import ErrorGroup, JobError, SyncJob
from ..models.querysets import SyncJobQuerySet
from .queues import ALL_QUEUES, queue_names
from .texts import check_text


def unretried_jobs(*, queue: str = ALL_QUEUES, fingerprint: str = "") -> SyncJobQuerySet:
    """Return failed jobs that nobody has retried, oldest first.

    `queue` limits them to one queue, `fingerprint` to jobs that failed with an error of that group.
    Raises InvalidInput for an unknown queue.
    """
    jobs = SyncJob.objects.failed().not_retried()
    if queue != ALL_QUEUES:
        jobs = jobs.filter(queue_id__in=queue_names(queue))
    if fingerprint:
        jobs = jobs.filter(Exists(JobError.objects.filter(job=OuterRef("pk"), group_id=fingerprint, will_retry=False)))
    return jobs.order_by("pk")


def acknowledge_errors(
    actor: Actor,
    fingerprint: str,
    note: str | None = None,
    *,
    check: Callable[[ErrorGroup], None] = lambda group: None,
) -> None:
    """Mark an error group that passes `check` as acknowledged by the actor; None keeps the note.

    Raises NotFound, InvalidInput.
    """
    with audited(actor, "acknowledge_errors", "error", fingerprint[:16]) as span:
        check(get_error_group(fingerprint, ErrorGroup.objects.select_for_update()))
        check_text(note or "", "note", is_one_line=False)
        changes = {} if note is None else {"note": note}
        ErrorGroup.objects.filter(pk=fingerprint).update(acknowledged_at=Now(), acknowledged_by=actor.label, **changes)
        span.message = note or ""


def reopen_errors(actor: Actor, fingerprint: str) -> None:
    """Undo the acknowledgement of an error group, and keep its note. Raises NotFound."""
    with audited(actor, "reopen_errors", "error", fingerprint[:16]):
        get_error_group(fingerprint)
        ErrorGroup.objects.filter(pk=fingerprint).update(acknowledged_at=None, acknowledged_by="")


def get_error_group(fingerprint: str, groups: QuerySet[ErrorGroup] | None = None) -> ErrorGroup:
    """Return the group with this fingerprint. Raises NotFound."""
    group = (ErrorGroup.objects if groups is None else groups).filter(pk=fingerprint).first()
    if group is None:
        message = _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}
        raise NotFound(message, field="fingerprint")
    return group
