"""One line in the log when an attempt of a job starts or ends, and when a job ends without one: after the commit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from ..choices import AttemptOutcome, JobStatus
from ..models import Attempt, SyncJob
from . import clock, tracing

logger = logging.getLogger(__name__)

FIGURES = ("videos_found", "videos_added", "videos_updated", "videos_unavailable", "errors", "units")
"""What a line says of the job so far, besides seconds, in the order of sql/queries/end_attempt.sql."""
_WORDS = {
    AttemptOutcome.SUCCEEDED: "completed",
    AttemptOutcome.FAILED: "failed",
    AttemptOutcome.LOST: "lost",
    AttemptOutcome.CANCELLED: "cancelled",
    AttemptOutcome.KILLED: "killed",
    AttemptOutcome.DELAYED: "delayed",
    AttemptOutcome.RELEASED: "released",
}
_BAD = ("failed", "lost", "killed", "retrying")


def fields_of(job: SyncJob) -> dict[str, Any]:
    """Return what each line about the job says of it."""
    return {
        "job": job.pk,
        "job_type": job.job_type,
        "queue": job.queue_id,
        "band": job.band_name or None,
        "band_id": job.band_id,
    }


def fields_of_attempt(attempt: Attempt) -> dict[str, Any]:
    """Return what each line about the attempt says of it."""
    return fields_of(attempt.job) | {"attempt": attempt.number, "worker": attempt.worker}


def started(attempt: Attempt) -> None:
    """Log that an attempt has started, with how long its job was due before that."""
    waited = round((attempt.started_at - attempt.job.run_at).total_seconds(), 3)
    logger.info(
        "Job #%s (%s%s) started attempt %s after waiting %.1f s",
        *_names(attempt.job),
        attempt.number,
        waited,
        extra=fields_of_attempt(attempt) | {"event": "job_started", "waited_seconds": waited},
    )


def ended(
    attempt: Attempt, outcome: AttemptOutcome, figures: Sequence[Any], message: str = "", event: str = "", **more: Any
) -> None:
    """Log after the commit how an attempt has ended. `figures` are its seconds and FIGURES; `event` is the outcome's word."""
    seconds, *numbers = figures
    event = event or _WORDS[outcome]
    values = dict(zip(FIGURES, numbers, strict=True))
    if event == "failed":
        # Of the failure itself, which is recorded next.
        values["errors"] += 1
    extra = fields_of_attempt(attempt) | {"event": f"job_{event}", "seconds": round(seconds, 3), **values, **more}
    if message:
        extra["reason"] = message

    def log() -> None:
        tracing.annotate(event=f"job_{event}", units=values["units"], videos_found=values["videos_found"])
        logger.log(
            logging.WARNING if event in _BAD else logging.INFO,
            "Job #%s (%s%s) %s attempt %s after %.1f s: %s found, %s added, %s updated, %s unavailable, %s errors, %s units%s",
            *_names(attempt.job),
            event,
            attempt.number,
            seconds,
            *values.values(),
            f". {message}" if message else "",
            extra=extra,
        )

    transaction.on_commit(log)


def closed(jobs: Iterable[SyncJob], status: JobStatus, message: str = "") -> None:
    """Log after the commit that jobs have ended of which no attempt runs."""

    def log() -> None:
        for job in jobs:
            began = job.started_at
            seconds = None if began is None else round((clock.approximate() - began).total_seconds(), 3)
            figures = [getattr(job, name) for name in (*FIGURES[:4], "error_count", "quota_used")]
            logger.log(
                logging.WARNING if status == JobStatus.FAILED else logging.INFO,
                "Job #%s (%s%s) %s %s: %s found, %s added, %s updated, %s unavailable, %s errors, %s units%s",
                *_names(job),
                status.value.lower(),
                "before it started" if seconds is None else f"after {seconds:.1f} s",
                *figures,
                f". {message}" if message else "",
                extra=fields_of(job)
                | {"event": f"job_{status.value.lower()}", "seconds": seconds, "attempt": job.attempts_made or None}
                | dict(zip(FIGURES, figures, strict=True))
                | ({"reason": message} if message else {}),
            )

    transaction.on_commit(log)


def _names(job: SyncJob) -> tuple[int, str, str]:
    return job.pk, job.job_type, f", {job.band_name}" if job.band_name else ""
