"""Records errors on jobs, in their groups. Triggers count them there (migration 0006)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from ..models import Attempt, ErrorGroup, JobError, SyncJob
from ..youtube.parsing import clean
from .fingerprints import fingerprint, normalise

MAX_MESSAGE = 4000


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error as it happened. `item_id` names the one item it is about; `will_retry` says another attempt follows."""

    reason: str
    message: str
    is_permanent: bool
    item_id: str = ""
    will_retry: bool = False


def without_secrets(text: str) -> str:
    """The text without the API key, should anything ever have put it there, and without what PostgreSQL can't store."""
    if settings.YOUTUBE_API_KEY:
        text = text.replace(settings.YOUTUBE_API_KEY, "[API key]")
    return clean(text)


def record(attempt: Attempt, reports: Iterable[ErrorReport]) -> None:
    """Write errors of an attempt, in the caller's transaction, which holds the fence."""
    prepared = sorted(
        ((fingerprint(r.reason, without_secrets(r.message)), r) for r in reports), key=lambda pair: pair[0]
    )
    # In the order of fingerprints, so that two transactions that meet in two groups don't deadlock.
    for key, report in prepared:
        message = without_secrets(report.message)[:MAX_MESSAGE]
        _put_in_group(key, report, message)
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
    counted = sum(not report.will_retry for _, report in prepared)
    if counted:
        SyncJob.objects.filter(pk=attempt.job_id).update(error_count=F("error_count") + counted)


def _put_in_group(key: str, report: ErrorReport, message: str) -> None:
    group = ErrorGroup.objects.filter(pk=key)
    changes = {"sample": message, "is_permanent": report.is_permanent, "last_seen_at": Now()}
    if group.update(**changes):
        return
    first = ErrorGroup(
        fingerprint=key,
        reason=report.reason[:80],
        message=normalise(message),
        sample=message,
        is_permanent=report.is_permanent,
    )
    ErrorGroup.objects.bulk_create([first], ignore_conflicts=True)
    group.update(**changes)
