"""Where things are shown: the list of jobs narrowed to the very rows that a figure counts, a job, a band, an error group."""

from __future__ import annotations

from functools import cache
from urllib.parse import urlencode

from django.urls import get_script_prefix, reverse

from ...choices import JobStatus
from ...stats.queues import QueueState


def page(name: str) -> str:
    """The address of a page that takes no arguments; a list asks for the same few of them again and again."""
    return _page(name, get_script_prefix())


@cache
def _page(name: str, _prefix: str) -> str:
    return reverse(f"admin:{name}")


def jobs(**filters: object) -> str:
    """The list of jobs with these filters, in the words of the API."""
    return page("syncjobs_syncjob_changelist") + (f"?{urlencode(filters)}" if filters else "")


def job(job_id: int) -> str:
    """A job's page."""
    return f"{page('syncjobs_syncjob_changelist')}{job_id}/"


def band(band_id: int) -> str:
    """A band's page."""
    return f"{page('bands_band_changelist')}{band_id}/"


def error(fingerprint: str) -> str:
    """An error group's page."""
    return f"{page('syncjobs_errorgroup_changelist')}{fingerprint}/"


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
    """For each state, the list of the queue's jobs that are in it; and what can be done to the queue."""
    return {state: jobs(queue=queue.name, **filters) for state, filters in STATES.items()} | of_actions(queue.name)


def of_actions(queue: str) -> dict[str, str]:
    """What can be done to a queue, or to "all"."""
    return {action: f"{page('index')}queues/{queue}/{action}/" for action in ("pause", "resume")} | {
        "clear": f"{page('index')}queues/{queue}/clear-failed/"
    }
