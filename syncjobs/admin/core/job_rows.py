"""A job as a row of a list. Everything a row says is put into words here, so that the template only sets it down."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ...choices import ACTIVE_STATUSES, RETRYABLE_STATUSES, DelayReason, JobStatus, JobType
from ...listing.rows import JobRow
from ...models import SyncJob
from ...templatetags.monitor import duration, meter, number, status_badge, when
from . import links

_SHOWN_OF_AN_ERROR = 140
Job = SyncJob | JobRow


@dataclass(frozen=True, slots=True)
class Rights:
    """What a person may do with jobs."""

    retry: bool
    cancel: bool

    @classmethod
    def of(cls, user: AbstractBaseUser | AnonymousUser) -> Rights:
        """By the permissions of the user's roles."""
        return cls(user.has_perm("syncjobs.retry_job"), user.has_perm("syncjobs.cancel_job"))  # type: ignore[union-attr]

    @property
    def any(self) -> bool:
        """Whether choosing rows makes sense for her."""
        return self.retry or self.cancel


@dataclass(frozen=True, slots=True)
class Row:
    """What a row shows, ready to be set down."""

    id: int
    url: str
    badge: SafeString
    note: str
    note_until: SafeString | str
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
    can_retry: bool
    can_cancel: bool


def rows_of(jobs: Iterable[Any], rights: Rights) -> list[Row]:
    """The jobs, each with `queue_position` and `error_texts` annotated, in the order given."""
    words = Words.here()
    return [_row(job, rights, words) for job in jobs]


@dataclass(frozen=True, slots=True)
class Words:
    """What all rows of a page share, put into words once."""

    now: dt.datetime
    base: str
    bands: str
    types: Mapping[str, str]
    all_bands: str
    badges: dict[object, SafeString]

    @classmethod
    def here(cls) -> Words:
        """In the language of the request."""
        types = {kind.value: str(kind.label) for kind in JobType}
        return cls(timezone.now(), links.jobs(), links.page("bands_band_changelist"), types, _("All bands"), {})

    def badge(self, job: Any) -> SafeString:
        """The same badge for all jobs that stand alike."""
        key = (job.status, job.run_at > self.now, bool(job.error_count), bool(job.cancel_requested_at))
        if key not in self.badges:
            self.badges[key] = status_badge(job, self.now)
        return self.badges[key]


def _row(job: Any, rights: Rights, words: Words) -> Row:
    now = words.now
    note, until = note_of(job, now)
    bar, progress = progress_of(job)
    errors = job.error_texts
    return Row(
        id=job.pk,
        url=f"{words.base}{job.pk}/",
        badge=words.badge(job),
        note=note,
        note_until=when(until, "countdown", "") if until else "",
        type=words.types[job.job_type],
        band=job.band_name or (words.all_bands if job.fans_out else ""),
        band_url=f"{words.bands}{job.band_id}/" if job.band_id else "",
        meter=bar,
        progress=progress,
        found=number(job.videos_found),
        added=number(job.videos_added),
        updated=number(job.videos_updated),
        error=shortened(errors[0]) if errors else "",
        more_errors=max(0, len(errors) - 1),
        created=when(job.created_at),
        by=job.requested_by_label,
        started=when(job.started_at, "at", ""),
        ended=when(job.completed_at, "at", ""),
        took=took_of(job, now),
        can_retry=rights.retry and can_retry(job),
        can_cancel=rights.cancel and can_cancel(job),
    )


def shortened(text: str) -> str:
    """The beginning of an error's text, on one line."""
    line = " ".join(text[: 2 * _SHOWN_OF_AN_ERROR].split())
    return line if len(line) <= _SHOWN_OF_AN_ERROR else f"{line[: _SHOWN_OF_AN_ERROR - 1]}…"


def can_retry(job: Job) -> bool:
    """Whether the job's state allows a retry."""
    return job.status in RETRYABLE_STATUSES


def can_cancel(job: Job) -> bool:
    """Whether there is something to cancel that nobody has asked to be cancelled yet."""
    return job.status in ACTIVE_STATUSES and job.cancel_requested_at is None


def note_of(job: Any, now: dt.datetime) -> tuple[str, dt.datetime | None]:
    """What a queued job waits for, and until when, if that is known."""
    if job.status != JobStatus.QUEUED:
        return "", None
    if job.run_at > now:
        return str(DelayReason(job.delay_reason).label if job.delay_reason else DelayReason.SCHEDULED.label), job.run_at
    if job.queue_position:
        return (_("Next in line") if job.queue_position == 1 else _("Number %s in line") % job.queue_position), None
    return "", None


def progress_of(job: Job) -> tuple[SafeString | str, str]:
    """A bar, and its words; neither where nothing is under way or was counted."""
    if job.status == JobStatus.IN_PROGRESS:
        bar = meter(job.progress_done, job.progress_total, _("Progress of job #%s") % job.pk)
        return bar, _progress_text(job)
    if job.progress_total and job.status != JobStatus.COMPLETED and job.progress_done:
        return meter(job.progress_done, job.progress_total, _("Progress of job #%s") % job.pk, "off"), _progress_text(
            job
        )
    return "", ""


def _progress_text(job: Job) -> str:
    if not job.progress_total:
        return _("%s so far") % number(job.progress_done) if job.progress_done else _("Begins")
    return _("%(done)s of %(total)s") % {"done": number(job.progress_done), "total": number(job.progress_total)}


def took_of(job: Job, now: dt.datetime) -> str:
    """How long the job has taken, or has been taking so far; empty before it starts."""
    if job.started_at is None:
        return ""
    if job.completed_at is None and job.status != JobStatus.IN_PROGRESS:
        return ""
    return duration((job.completed_at or now) - job.started_at)
