"""A job as a row of a list, with every text formatted, so that the table only places it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from bands.models import Band

from ..choices import ACTIVE_STATUSES, BAND_SYNC_TYPES, RETRYABLE_STATUSES, DelayReason, JobStatus, JobType
from ..engine import clock
from ..listing.rows import JobRow
from ..models import SyncJob
from ..operations.jobs import retry_problem
from ..stats import jobs as stats_jobs
from ..stats import queues as stats_queues
from ..stats.jobs import Again
from ..stats.queues import Readiness, Wait
from ..templatetags.monitor import duration, job_link, meter, number, requester, status_badge, when
from .core import links
from .job_waits import note_of_children

_MAX_ERROR_LENGTH = 200
Job = SyncJob | JobRow


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may do with jobs."""

    retry: bool
    cancel: bool
    run: bool

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Rights:
        """Read the user's permissions."""
        names = ("retry_job", "cancel_job", "trigger_sync")
        return cls(*(user.has_perm(f"syncjobs.{name}") for name in names))  # type: ignore[union-attr]

    @property
    def any(self) -> bool:
        """Whether the user can do anything with selected rows."""
        return self.retry or self.cancel or self.run


@dataclass(frozen=True, slots=True)
class Row:
    """The formatted values of a row."""

    id: int
    url: str
    retry_url: str
    cancel_url: str
    is_sync_of_all: bool
    sooner: tuple[str, str, str] | None
    """URL, icon and label of what lets a queued job start sooner."""
    actions: str
    """What a selection may do with it, as the values of the buttons."""
    badge: SafeString
    note: str
    note_until: SafeString | str
    note_job: SafeString | str
    """A link to the job that the note is about."""
    type: str
    band: str
    band_url: str
    meter: SafeString | str
    progress: str
    found: str
    added: str
    updated: str
    error: str
    more_errors: int
    created: SafeString | str
    by: str
    started: SafeString | str
    ended: SafeString | str
    took: str
    elapsed: SafeString | str
    """Counts on while the job runs."""


def rows_of(jobs: Iterable[Any], rights: Rights, query: str = "") -> list[Row]:
    """Format jobs annotated with `queue_position` and `error_texts`, in the same order. `query` ends their addresses."""
    jobs = list(jobs)
    words = Words.here(jobs)
    return [_row(job, rights, words, query) for job in jobs]


@dataclass(frozen=True, slots=True)
class Words:
    """What the rows of a page share, formatted once."""

    now: dt.datetime
    types: Mapping[str, str]
    all_bands: str
    unresponsive: Collection[int]
    """The jobs whose worker doesn't report any more."""
    last_errors: Mapping[int, str]
    """Of the jobs that wait to be retried."""
    again: Mapping[int, Again]
    """Of the jobs that could be retried if it weren't for the queued or running job that does the same."""
    queues: Mapping[str, Readiness]
    paused_bands: Mapping[int, Band]
    waits: Sequence[Wait]
    """What the child jobs of the all-bands jobs wait for."""
    badges: dict[object, SafeString] = field(default_factory=dict)

    @classmethod
    def here(cls, jobs: Sequence[Any]) -> Words:
        """Translate into the language of the request, and read what is known of all these jobs at once."""
        types = {kind.value: str(kind.label) for kind in JobType}
        parents = [job.pk for job in jobs if job.fans_out and job.status == JobStatus.IN_PROGRESS]
        is_waiting = bool(parents) or any(job.status == JobStatus.QUEUED for job in jobs)
        return cls(
            clock.approximate(),
            types,
            _("All bands"),
            stats_queues.unresponsive([job.pk for job in jobs if job.status == JobStatus.IN_PROGRESS]),
            stats_jobs.last_errors([job.pk for job in jobs if job.delay_reason == DelayReason.RETRY]),
            stats_jobs.active_again({job.pk: job.covered_by_id for job in jobs if can_retry(job)}),
            stats_queues.readiness() if is_waiting else {},
            stats_queues.paused_bands(jobs),
            stats_queues.waits_of_children(parents),
        )

    def badge(self, job: Any) -> SafeString:
        """Return the job's badge; jobs in the same state share one."""
        is_silent = job.pk in self.unresponsive
        key = (job.status, job.run_at > self.now, bool(job.error_count), bool(job.cancel_requested_at), is_silent)
        if key not in self.badges:
            self.badges[key] = status_badge(job, self.now, is_silent)
        return self.badges[key]


def _row(job: Any, rights: Rights, words: Words, query: str) -> Row:
    now = words.now
    note, until = note_of(job, now, words.queues.get(job.queue_id), words.paused_bands.get(job.band_id))
    note = note or note_of_children([wait for wait in words.waits if wait.parent_id == job.pk], words.queues)
    again = words.again.get(job.pk)
    bar, progress = progress_of(job)
    errors = job.error_texts
    if job.pk in words.last_errors:
        errors = [words.last_errors[job.pk], *errors]
    retries, cancels = rights.retry and can_retry(job) and not again, rights.cancel and can_cancel(job)
    return Row(
        id=job.pk,
        url=links.job(job.pk) + query,
        retry_url=links.object_page("syncjobs_syncjob_retry", job.pk) if retries else "",
        cancel_url=links.object_page("syncjobs_syncjob_cancel", job.pk) if cancels else "",
        is_sync_of_all=job.fans_out,
        sooner=_sooner(job, words) if rights.run and job.status == JobStatus.QUEUED else None,
        actions=" ".join(["retry"] * retries + ["cancel"] * cancels + _changes(job, words) * rights.run),
        badge=words.badge(job),
        note=_again(again) if again else note,
        note_until=when(until, "countdown", "") if until else "",
        note_job=job_link(again.job_id) if again else "",
        type=words.types[job.job_type],
        band=job.band_name or (words.all_bands if job.fans_out else ""),
        band_url=links.band(job.band_id) if job.band_id else "",
        meter=bar,
        progress=progress,
        found=number(job.videos_found),
        added=number(job.videos_added),
        updated=number(job.videos_updated),
        error=shortened(errors[0]) if errors else "",
        more_errors=max(0, len(errors) - 1, job.error_count - 1),
        created=when(job.created_at),
        by=requester(job.requested_by_label),
        started=when(job.started_at, "at", ""),
        ended=when(job.completed_at, "at", ""),
        took=took_of(job, now),
        elapsed=when(job.started_at, "elapsed", "") if job.status == JobStatus.IN_PROGRESS else "",
    )


def _again(again: Again) -> str:
    return _("Retried as") if again.is_retry else _("Covered by")


def _changes(job: Any, words: Words) -> list[str]:
    """Return what may be changed of a queued job; of an all-bands job, of its children, which may be queued or delayed."""
    is_parent = job.status == JobStatus.IN_PROGRESS and job.fans_out
    if not is_parent and job.status != JobStatus.QUEUED:
        return []
    return ["front", "priority", "delay"] + ["run"] * (is_parent or job.run_at > words.now)


def _sooner(job: Any, words: Words) -> tuple[str, str, str] | None:
    """Return how to let a queued job start sooner, unless it is the next one or waits for its band."""
    if job.run_at > words.now:
        return links.object_page("syncjobs_syncjob_run", job.pk), "play", _("Run now")
    if job.band_id in words.paused_bands or job.queue_position == 1:
        return None
    return links.object_page("syncjobs_syncjob_front", job.pk), "front", _("Move to front")


def shortened(text: str) -> str:
    """Return the start of an error's text, on one line."""
    line = " ".join(text[: 2 * _MAX_ERROR_LENGTH].split())
    return line if len(line) <= _MAX_ERROR_LENGTH else f"{line[: _MAX_ERROR_LENGTH - 1]}…"


def can_retry(job: Job) -> bool:
    """Return whether the job's status allows a retry, and its band, if it is about one, is still there."""
    has_band = job.band_id is not None or job.fans_out or job.job_type not in BAND_SYNC_TYPES
    return job.status in RETRYABLE_STATUSES and has_band


def retry_url(job: SyncJob, rights: Rights) -> str:
    """Return the address where the job can be retried; empty if the person may not, or if that would be refused."""
    is_possible = rights.retry and can_retry(job) and retry_problem(job) is None
    return links.object_page("syncjobs_syncjob_retry", job.pk) if is_possible else ""


def can_cancel(job: Job) -> bool:
    """Return whether the job is active and nobody has requested its cancellation."""
    return job.status in ACTIVE_STATUSES and job.cancel_requested_at is None


def can_run(job: SyncJob, now: dt.datetime, waits: Sequence[Wait]) -> bool:
    """Return whether the job, or one of its children, is delayed. `waits` are those of its children."""
    is_delayed = job.status == JobStatus.QUEUED and job.run_at > now
    return is_delayed or any(wait.is_for_time for wait in waits)


def can_change(job: SyncJob, waits: Sequence[Wait]) -> bool:
    """Return whether the job, or one of its children, is queued. `waits` are those of its children."""
    return job.status == JobStatus.QUEUED or bool(waits)


def note_of(
    job: Any, now: dt.datetime, queue: Readiness | None = None, paused: Band | None = None
) -> tuple[str, dt.datetime | None]:
    """Return what a queued job is waiting for, and until when if that is known.

    `queue` is its queue's readiness, and `paused` its band if that is paused.
    """
    if job.status != JobStatus.QUEUED:
        return "", None
    if paused is not None:
        return _("Band paused by %s") % paused.paused_by, None
    if job.run_at > now:
        return str(DelayReason(job.delay_reason).label if job.delay_reason else DelayReason.SCHEDULED.label), job.run_at
    if queue and queue.paused_at:
        is_next = job.queue_position == 1
        text = _("Queue paused by %s; next in queue") if is_next else _("Queue paused by %s")
        return text % queue.paused_by, None
    if queue and not queue.has_worker:
        return _("No worker is running"), None
    if job.queue_position:
        return (_("Next in queue") if job.queue_position == 1 else _("Position %s in queue") % job.queue_position), None
    return "", None


def progress_of(job: Job) -> tuple[SafeString | str, str]:
    """Return a progress bar and its text; both empty if there is no progress to show.

    Of an all-bands job that has ended there is none: its child jobs have all ended then, if only by being cancelled.
    """
    if job.status == JobStatus.IN_PROGRESS:
        bar = meter(job.progress_done, job.progress_total, _("Progress of job #%s") % job.pk)
        return bar, _progress_text(job)
    if job.progress_total and job.status != JobStatus.COMPLETED and job.progress_done and not job.fans_out:
        return meter(job.progress_done, job.progress_total, _("Progress of job #%s") % job.pk, "off"), _progress_text(
            job
        )
    return "", ""


def _progress_text(job: Job) -> str:
    if not job.progress_total:
        return _("%s so far") % number(job.progress_done) if job.progress_done else _("Starting")
    return _("%(done)s of %(total)s") % {"done": number(job.progress_done), "total": number(job.progress_total)}


def took_of(job: Job, now: dt.datetime) -> str:
    """Return the job's duration, so far if it is running; empty if it hasn't started."""
    if job.started_at is None:
        return ""
    if job.completed_at is None and job.status != JobStatus.IN_PROGRESS:
        return ""
    return duration((job.completed_at or now) - job.started_at)
