"""The timeline of a job: one event per step, written in that step's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..choices import EventKind
from ..models import JobEvent, SyncJob

BATCH = 500
"""Rows inserted by one statement: a transaction must not be idle for seconds while a longer one is made."""


def note(job_id: int, kind: EventKind, message: str = "", *, attempt: int | None = None, **data: Any) -> None:
    """Add an event to the job's timeline, in the caller's transaction."""
    JobEvent.objects.create(job_id=job_id, kind=kind, message=message, attempt_number=attempt, data=data)


def note_each(jobs: Sequence[SyncJob], kind: EventKind, message: str) -> None:
    """Add an event to each job's timeline, at its newest attempt, in the caller's transaction."""
    for first in range(0, len(jobs), BATCH):
        JobEvent.objects.bulk_create(
            JobEvent(job_id=job.pk, kind=kind, message=message, attempt_number=job.attempts_made or None)
            for job in jobs[first : first + BATCH]
        )
