"""Executes an attempt: however the work ends, here it becomes the job's next state, in one place."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from django.db import transaction

from bands.models import ChannelProblem

from ..choices import JobType
from ..engine import errors, outcomes, quota
from ..engine.errors import ErrorReport
from ..exceptions import CancelRequested, Fenced, QuotaExhausted, ReleaseRequested
from ..models import Attempt
from ..operations.queues import pause_for_configuration
from ..youtube.costs import Bucket
from ..youtube.errors import Forbidden, Kind, YouTubeError
from . import fan_out, full, incremental, maintenance
from .context import LeaseRenewal, SyncFailed, Work, explain

logger = logging.getLogger(__name__)

_HANDLERS: dict[str, Callable[[Work], None]] = {
    JobType.FULL_SYNC: full.sync_band,
    JobType.INCREMENTAL_SYNC: incremental.sync_band,
    JobType.SINGLE_VIDEO: maintenance.sync_video,
    JobType.ENRICH: maintenance.enrich,
    JobType.STATS_REFRESH: maintenance.refresh_statistics,
    JobType.AVAILABILITY_CHECK: maintenance.check_availability,
    JobType.PRUNE: maintenance.prune,
}


def run_attempt(attempt: Attempt) -> bool:
    """Execute a claimed attempt to its end. False if this worker should claim no other job after it."""
    with LeaseRenewal(attempt):
        try:
            return _run_and_translate(attempt)
        except Fenced:
            logger.warning(
                "Job #%s attempt %s was taken over; nothing more is written.", attempt.job_id, attempt.number
            )
            return False


def _run_and_translate(attempt: Attempt) -> bool:
    try:
        _work_through(attempt)
    except CancelRequested:
        outcomes.acknowledge_cancel(attempt)
    except ReleaseRequested:
        outcomes.release(attempt, "The worker is shutting down.")
        return False
    except QuotaExhausted as stop:
        outcomes.delay(attempt, stop.resets_at, quota.DELAY_REASONS[Bucket(stop.bucket)], stop.message)
    except SyncFailed as failure:
        outcomes.fail(attempt, failure.message, reason=failure.reason)
    except YouTubeError as error:
        return _translate(attempt, error)
    except Fenced:
        raise
    except Exception as error:
        logger.exception("Job #%s attempt %s failed unexpectedly", attempt.job_id, attempt.number)
        text = errors.without_secrets(f"{type(error).__name__}: {error}")
        trace = errors.without_secrets(traceback.format_exc())
        outcomes.retry_later(attempt, text, reason="internalError", trace=trace)
    return True


def _work_through(attempt: Attempt) -> None:
    work = Work(attempt)
    try:
        if attempt.job.fans_out:
            fan_out.queue_children(work)
            outcomes.wait_for_children(attempt)
        else:
            _HANDLERS[attempt.job.job_type](work)
            outcomes.complete(attempt)
    finally:
        work.wait_for_fetches()


def _translate(attempt: Attempt, error: YouTubeError) -> bool:
    message = explain(error)
    if error.kind is Kind.QUOTA:
        bucket = error.bucket or Bucket.MAIN
        resets_at = quota.close(bucket, error.reason)
        outcomes.delay(attempt, resets_at, quota.DELAY_REASONS[bucket], message)
    elif error.kind is Kind.CONFIGURATION:
        with transaction.atomic():
            # In the order in which others lock these: the queue, the job, the error's group.
            pause_for_configuration(message)
            outcomes.release(attempt, message)
            errors.record(attempt, [ErrorReport(error.reason, message, is_permanent=True, will_retry=True)])
        return False
    elif error.kind is Kind.TRANSIENT:
        outcomes.retry_later(attempt, message, reason=error.reason)
    else:
        if isinstance(error, Forbidden) and attempt.job.band_id:
            Work(attempt).flag_channel(ChannelProblem.FORBIDDEN)
        outcomes.fail(attempt, message, reason=error.reason)
    return True
