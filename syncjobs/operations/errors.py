"""Everything a person or a schedule can do, each thing once: admin, API and commands are thin skins over this file.

Each operation takes an actor, leaves an audit row, and guards the states in which it makes sense. Errors are those of
`exceptions`; after one, nothing has changed.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import (
    NotFound,
)
from ..models import ErrorGroup, JobError, SyncJob
from .queues import ALL_QUEUES, _queues

# ---- Errors


def unretried_jobs(*, queue: str = "", fingerprint: str = "") -> QuerySet[SyncJob]:
    """Failed jobs that nobody has retried yet, of a queue or with an error of a group, oldest first."""
    jobs = SyncJob.objects.failed().not_retried()
    if queue and queue != ALL_QUEUES:
        jobs = jobs.filter(queue_id__in=_queues(queue).values("name"))
    if fingerprint:
        jobs = jobs.filter(Exists(JobError.objects.filter(job=OuterRef("pk"), group_id=fingerprint, will_retry=False)))
    return jobs.order_by("pk")


def acknowledge_errors(actor: Actor, fingerprint: str, note: str | None = None) -> None:
    """Say that somebody has seen to an error group, and what she found (None: the note stays). Raises NotFound."""
    with audited(actor, "acknowledge_errors", "error", fingerprint[:16]) as span:
        get_error_group(fingerprint)
        changes = {} if note is None else {"note": note.replace("\x00", "")}
        ErrorGroup.objects.filter(pk=fingerprint).update(acknowledged_at=Now(), acknowledged_by=actor.label, **changes)
        span.message = note or ""


def reopen_errors(actor: Actor, fingerprint: str) -> None:
    """Take back that somebody has seen to an error group; the note stays. Raises NotFound."""
    with audited(actor, "reopen_errors", "error", fingerprint[:16]):
        get_error_group(fingerprint)
        ErrorGroup.objects.filter(pk=fingerprint).update(acknowledged_at=None, acknowledged_by="")


def get_error_group(fingerprint: str) -> ErrorGroup:
    """The group with this fingerprint. Raises NotFound."""
    group = ErrorGroup.objects.filter(pk=fingerprint).first()
    if group is None:
        raise NotFound(
            _("There is no error group %(fingerprint)s.") % {"fingerprint": fingerprint[:16]}, field="fingerprint"
        )
    return group
