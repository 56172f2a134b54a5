"""The timeline of a job: one event per step, written in that step's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..choices import EventKind
from ..models import JobEvent, SyncJob


def note(job_id: int, kind: EventKind, message: str = "", *, attempt: int | None = None, **data: Any) -> None:
    """Add an event to the job's timeline, in the caller's transaction."""
    JobEvent.objects.create(job_id=job_id, kind=kind, message=message, attempt_number=attempt, data=data)


def note_each(jobs: Iterable[SyncJob], kind: EventKind, message: str) -> None:
    """Add an event to each job's timeline, at its newest attempt, in the caller's transaction."""
    JobEvent.objects.bulk_create(
        JobEvent(job_id=job.pk, kind=kind, message=message, attempt_number=job.attempts_made or None) for job in jobs
    )
