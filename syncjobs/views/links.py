"""Where things are shown: the list of jobs narrowed to the very rows that a figure counts, a job, a band, an error group."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from ..choices import JobStatus
from ..status import QueueState


def jobs(**filters: object) -> str:
    """The list of jobs with these filters, in the words of the API."""
    return reverse("admin:jobs") + (f"?{urlencode(filters)}" if filters else "")


def job(job_id: int) -> str:
    """A job's page."""
    return f"{reverse('admin:jobs')}{job_id}/"


def band(band_id: int) -> str:
    """A band's page."""
    return f"{reverse('admin:bands')}{band_id}/"


def error(fingerprint: str) -> str:
    """An error group's page."""
    return f"{reverse('admin:errors')}{fingerprint}/"


STATES = {
    "waiting": {"status": JobStatus.QUEUED.value, "due": "now"},
    "active": {"status": JobStatus.IN_PROGRESS.value},
    "delayed": {"status": JobStatus.QUEUED.value, "due": "later"},
    "completed": {"status": JobStatus.COMPLETED.value},
    "failed": {"status": JobStatus.FAILED.value},
    "cancelled": {"status": JobStatus.CANCELLED.value},
}
"""The states of a queue's jobs, as filters of the list."""


def of_queue(queue: QueueState) -> dict[str, str]:
    """For each state, the list of the queue's jobs that are in it."""
    return {state: jobs(queue=queue.name, **filters) for state, filters in STATES.items()}
