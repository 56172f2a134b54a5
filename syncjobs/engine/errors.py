"""Record errors of jobs and put them into groups. Database triggers keep the groups' counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import DateTimeField, F, Func
from django.db.models.functions import Coalesce, Greatest

from ..models import AlertRound, Attempt, ErrorGroup, JobError, SyncJob
from ..youtube.parsing import clean_lines
from .fingerprints import fingerprint, normalize

MAX_MESSAGE = 4000


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error to record. `item_id` is the video or playlist it concerns; `will_retry` means that another attempt follows."""

    reason: str
    message: str
    is_permanent: bool
    item_id: str = ""
    will_retry: bool = False


def without_secrets(text: str) -> str:
    """Remove the API key and characters that PostgreSQL can't store."""
    if settings.YOUTUBE_API_KEY:
        text = text.replace(settings.YOUTUBE_API_KEY, "[API key]")
    return clean_lines(text)


def record(attempt: Attempt, reports: Iterable[ErrorReport]) -> None:
    """Record errors of an attempt. The caller's transaction must have locked the job with `write_fenced`."""
    reports = list(reports)
    keyed = [(fingerprint(report.reason, without_secrets(report.message)), report) for report in reports]
    # The order by fingerprint keeps two transactions that share two groups from deadlocking.
    for key, report in sorted(keyed, key=lambda pair: pair[0]):
        message = without_secrets(report.message)[:MAX_MESSAGE]
        _update_group(key, report, message)
        JobError.objects.create(
            job_id=attempt.job_id,
            attempt_number=attempt.number,
            group_id=key,
            band_id=attempt.job.band_id,
            reason=report.reason[:80],
            message=message,
            item_id=report.item_id[:64],
            will_retry=report.will_retry,
        )
    counted = sum(not report.will_retry for report in reports)
    if counted:
        SyncJob.objects.filter(pk=attempt.job_id).update(error_count=F("error_count") + counted)


def _update_group(key: str, report: ErrorReport, message: str) -> None:
    group = ErrorGroup.objects.filter(pk=key)
    # A temporary error that is retried undoes no decision. After a permanent one, the job waits for a person.
    is_final = report.is_permanent or not report.will_retry
    final = None if is_final else Coalesce("last_final_at", "last_seen_at")
    changes = {
        "sample": message,
        "is_permanent": report.is_permanent,
        "last_seen_at": _after_all_decisions(),
        "last_final_at": final,
    }
    if group.update(**changes):
        return
    new = ErrorGroup(
        fingerprint=key,
        reason=report.reason[:80],
        message=normalize(message),
        sample=message,
        is_permanent=report.is_permanent,
    )
    ErrorGroup.objects.bulk_create([new], ignore_conflicts=True)
    AlertRound.objects.request()
    group.update(**changes)


def _after_all_decisions() -> Greatest:
    """Return the time of an occurrence: later than everything that people have decided about its group so far.

    PostgreSQL evaluates it once the statement has locked the group's row. The time of the statement could be earlier than that
    of somebody who had the row first, and so a resolved group would not regress.
    """
    moment = dt.timedelta(microseconds=1)
    clock = Func(function="clock_timestamp", output_field=DateTimeField())
    return Greatest(clock, F("acknowledged_at") + moment, F("resolved_at") + moment)
