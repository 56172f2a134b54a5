"""Run an attempt. Whatever ends its work becomes the job's next state here, in one place."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from django.db import transaction

from ..choices import JobType
from ..engine import database, errors, job_log, log_context, outcomes, quota, tracing
from ..engine.errors import ErrorReport
from ..exceptions import CancelRequested, Fenced, QuotaExhausted, ReleaseRequested, is_away
from ..models import Attempt
from ..operations.queues import pause_for_configuration
from ..youtube.costs import Bucket
from ..youtube.errors import Kind, YouTubeError
from . import fan_out, full, incremental, maintenance
from .context import JobContext, JobMeter, LeaseRenewal, SyncFailed

logger = logging.getLogger(__name__)

_HANDLERS: dict[str, Callable[[JobContext], None]] = {
    JobType.FULL_SYNC: full.sync_band,
    JobType.INCREMENTAL_SYNC: incremental.sync_band,
    JobType.SINGLE_VIDEO: maintenance.sync_video,
    JobType.ENRICH: maintenance.enrich,
    JobType.STATS_REFRESH: maintenance.refresh_statistics,
    JobType.AVAILABILITY_CHECK: maintenance.check_availability,
    JobType.PRUNE: maintenance.prune,
}


def run_attempt(attempt: Attempt) -> bool:
    """Run a claimed attempt to its end. Return False if this worker should not claim another job after it."""
    meter = JobMeter(attempt)
    fields = job_log.fields_of_attempt(attempt)
    with log_context.bound(**fields), tracing.attempt_span(attempt), LeaseRenewal(attempt, meter):
        try:
            return _run_and_record_outcome(attempt, meter)
        except Fenced:
            logger.warning("Job #%s attempt %s lost its lease or was superseded", attempt.job_id, attempt.number)
            return False
        except database.ERRORS as error:
            if not is_away(error):
                raise
            return _release_after_outage(attempt, error)


def _release_after_outage(attempt: Attempt, error: Exception) -> bool:
    """Wait for the database and release the job, which goes on from its checkpoint."""
    logger.warning(
        "Job #%s attempt %s lost the database: %s", attempt.job_id, attempt.number, database.first_line(error)
    )
    try:
        database.when_back(outcomes.release_after_outage, attempt)
    except Fenced:
        # The attempt had ended already: its outcome was committed, or its lease expired meanwhile.
        logger.warning(
            "Job #%s attempt %s had ended or was superseded; it writes nothing", attempt.job_id, attempt.number
        )
    return True


def _run_and_record_outcome(attempt: Attempt, meter: JobMeter) -> bool:
    try:
        _run(attempt, meter)
    except CancelRequested:
        outcomes.acknowledge_cancel(attempt)
    except ReleaseRequested:
        outcomes.release(attempt, "The worker is shutting down.")
        return False
    except QuotaExhausted as error:
        outcomes.delay(attempt, error.retry_at, quota.DELAY_REASONS[Bucket(error.bucket)], error.message)
    except SyncFailed as error:
        outcomes.fail(attempt, error.message, reason=error.reason)
    except YouTubeError as error:
        return _record_youtube_error(attempt, error)
    except Fenced:
        raise
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("Job #%s attempt %s failed unexpectedly", attempt.job_id, attempt.number)
        message = errors.without_secrets(f"{type(error).__name__}: {error}")
        trace = errors.without_secrets(traceback.format_exc())
        outcomes.retry_later(attempt, message, reason="internalError", trace=trace)
    return True


def _run(attempt: Attempt, meter: JobMeter) -> None:
    context = JobContext(attempt, meter)
    try:
        work = fan_out.queue_children if attempt.job.fans_out else _HANDLERS[attempt.job.job_type]
        work(context)
    finally:
        context.end_calls()
    if attempt.job.fans_out:
        outcomes.wait_for_children(attempt)
    else:
        outcomes.complete(attempt)


def _record_youtube_error(attempt: Attempt, error: YouTubeError) -> bool:
    """Delay, release, retry or fail the job, by the kind of error. The result is that of `run_attempt`."""
    message = errors.without_secrets(error.message or error.reason)
    if error.kind is Kind.QUOTA:
        bucket = error.bucket or Bucket.MAIN
        retry_at = quota.refuse(bucket, error.reason)
        outcomes.delay(attempt, retry_at, quota.DELAY_REASONS[bucket], message)
    elif error.kind is Kind.CONFIGURATION:
        with transaction.atomic():
            # The order in which others lock these rows: the queue, the job, the error group.
            pause_for_configuration(message)
            outcomes.release(attempt, message)
            errors.record(attempt, [ErrorReport(error.reason, message, is_permanent=True, will_retry=True)])
        return False
    elif error.kind is Kind.TRANSIENT:
        outcomes.retry_later(attempt, message, reason=error.reason)
    else:
        outcomes.fail(attempt, message, reason=error.reason)
    return True
