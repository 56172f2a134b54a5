"""URLs of the admin's pages, such as the list of jobs filtered to the rows that a figure counts."""

from __future__ import annotations

import datetime as dt
from functools import cache
from urllib.parse import urlencode

from django.urls import get_script_prefix, reverse

from ...choices import TERMINAL_STATUSES, JobStatus, QueuedPart
from ...stats.queues import QueueState


def page(name: str) -> str:
    """Return the URL of a page without arguments. A list needs the same few over and over, so they are cached."""
    return _page(name, get_script_prefix())


def object_page(name: str, object_id: object) -> str:
    """Return the URL of one object's page. A list needs hundreds, so each name is reversed once."""
    before, after = _object_page(name, get_script_prefix())
    return f"{before}{object_id}{after}"


@cache
def _page(name: str, _prefix: str) -> str:
    return reverse(f"admin:{name}")


@cache
def _object_page(name: str, _prefix: str) -> tuple[str, str]:
    before, _, after = reverse(f"admin:{name}", args=["0"]).rpartition("/0/")
    return f"{before}/", f"/{after}"


def jobs(**filters: object) -> str:
    """Return the URL of the list of jobs with these filters, parameters of `listing.filters.JobList`."""
    return page("syncjobs_syncjob_changelist") + query(**filters)


def query(**values: object) -> str:
    """Return the values as a query string with its question mark; empty without values."""
    return f"?{urlencode(values)}" if values else ""


def job(job_id: int) -> str:
    """Return the URL of a job's page."""
    return object_page("syncjobs_syncjob_change", job_id)


def band(band_id: int) -> str:
    """Return the URL of a band's page."""
    return object_page("bands_band_change", band_id)


def bands(**filters: object) -> str:
    """Return the URL of the list of bands with these filters."""
    return f"{page('bands_band_changelist')}?{urlencode(filters)}"


def freshness() -> str:
    """Return the URL of the freshness on the dashboard."""
    return f"{page('index')}?part=freshness#part-freshness"


def error(fingerprint: str) -> str:
    """Return the URL of an error group's page."""
    return object_page("syncjobs_errorgroup_change", fingerprint)


STATES = {
    "waiting": {"status": QueuedPart.WAITING.value},
    "active": {"status": JobStatus.IN_PROGRESS.value},
    "delayed": {"status": QueuedPart.DELAYED.value},
    "of_paused_bands": {"status": JobStatus.QUEUED.value, "due": "paused"},
    "completed": {"status": JobStatus.COMPLETED.value},
    "failed": {"status": JobStatus.FAILED.value},
    "cancelled": {"status": JobStatus.CANCELLED.value},
}
"""The states of a queue's jobs, as filters of the list of jobs."""


def of_queue(queue: QueueState, since: dt.datetime) -> dict[str, str]:
    """Return the URLs of a queue card: by state the list of its jobs, and its actions (pause, resume, clear).

    The lists of jobs that have ended have those created since then.
    """
    created = {"start_date": f"{since.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}
    lists = {
        state: jobs(queue=queue.name, **filters, **(created if filters["status"] in TERMINAL_STATUSES else {}))
        for state, filters in STATES.items()
    }
    actions = {"pause": "pause", "resume": "resume", "clear": "clear_failed"}
    return lists | {key: object_page(f"syncjobs_queue_{name}", queue.name) for key, name in actions.items()}
