"""Addresses of the list of jobs, narrowed to the very rows that a figure counts."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from ..choices import JobStatus
from ..status import QueueState


def jobs(**filters: str) -> str:
    """The list of jobs with these filters, in the words of the API."""
    return f"{reverse('admin:jobs')}?{urlencode(filters)}"


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
