"""Rows of jobs that ended in the past, as the engine would have written them.

The engine takes all times from the database's clock, so it can't write a past. These rows go through the same models, and
the same triggers count them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model

from syncjobs import counters
from syncjobs.audit.actors import Actor
from syncjobs.audit.record import Span
from syncjobs.choices import PERSONAL_ORIGINS, AttemptOutcome, DelayReason, EventKind, JobStatus, JobType, Origin
from syncjobs.engine import enqueue, quota
from syncjobs.engine.errors import ErrorReport
from syncjobs.engine.fingerprints import fingerprint, normalize
from syncjobs.models import Attempt, AuditEntry, ErrorGroup, JobError, JobEvent, QuotaCall, QuotaDay, SyncJob
from syncjobs.youtube.costs import Bucket, Operation, bucket_of, quota_day, units_of

M = TypeVar("M", bound=Model)

_BATCH = 2000
_LEASE = dt.timedelta(seconds=20)


class Recorder:
    """Collects rows, and saves them in the order of their times."""

    def __init__(self) -> None:
        self.jobs: list[SyncJob] = []
        self._attempts: list[Attempt] = []
        self._events: list[JobEvent] = []
        self._errors: list[JobError] = []
        self._calls: list[QuotaCall] = []
        self._entries: list[tuple[dt.datetime, Actor, Span]] = []
        self.groups: dict[str, ErrorGroup] = {}

    def queue(self, actor: Actor, job_type: JobType, at: dt.datetime, **fields: Any) -> SyncJob:
        """Queue a job with the fields of `new_job`."""
        job = enqueue.new_job(actor, job_type, **fields)
        job.created_at = job.run_at = at
        self.jobs.append(job)
        self.note(job, EventKind.QUEUED, at, actor.label)
        return job

    def start(self, job: SyncJob, at: dt.datetime, worker: str) -> Attempt:
        """Start an attempt of the job."""
        job.started_at = job.started_at or at
        job.attempts_made += 1
        job.status, job.delay_reason = JobStatus.IN_PROGRESS, DelayReason.NONE
        attempt = Attempt(
            job=job, number=job.attempts_made, worker=worker, process_id=411 + len(self._attempts) % 4, started_at=at
        )
        self._attempts.append(attempt)
        self.note(job, EventKind.STARTED, at, worker, attempt=attempt.number)
        return attempt

    def call(
        self, job: SyncJob, operation: Operation, at: dt.datetime, seconds: float, status: int, reason: str
    ) -> None:
        """Make a call of the job."""
        self._calls.append(
            QuotaCall(
                bucket=bucket_of(operation), day=quota_day(at), operation=operation, units=units_of(operation), job=job,
                job_type=job.job_type, band_id=job.band_id, is_personal=Origin(job.origin) in PERSONAL_ORIGINS, at=at,
                seconds=round(seconds, 3), http_status=status, reason=reason,
            )
        )  # fmt: skip
        job.quota_used += units_of(operation)

    def report(self, attempt: Attempt, report: ErrorReport, at: dt.datetime) -> None:
        """Record an error of the attempt, and update its group."""
        key, job = fingerprint(report.reason, report.message), attempt.job
        group = self.groups.setdefault(
            key,
            ErrorGroup(
                pk=key, reason=report.reason, message=normalize(report.message), first_seen_at=at, last_seen_at=at
            ),
        )
        group.last_final_at = (
            group.last_final_at or group.last_seen_at if report.will_retry and not report.is_permanent else None
        )
        group.sample, group.is_permanent, group.last_seen_at = report.message, report.is_permanent, at
        self._errors.append(
            JobError(
                job=job, attempt_number=attempt.number, group=group, band_id=job.band_id, reason=report.reason,
                message=report.message, item_id=report.item_id, will_retry=report.will_retry, created_at=at,
            )
        )  # fmt: skip
        job.error_count += not report.will_retry

    def retry_later(self, attempt: Attempt, report: ErrorReport, at: dt.datetime, wait: dt.timedelta) -> None:
        """End the attempt with a temporary error. The next one starts after `wait`."""
        job, seconds = attempt.job, round(wait.total_seconds())
        job.failures_in_a_row += 1
        self._end_attempt(attempt, AttemptOutcome.FAILED, at, report)
        data = {"seconds": seconds, "failures": job.failures_in_a_row}
        self.note(job, EventKind.RETRYING, at, report.message, attempt=attempt.number, **data)
        self.report(attempt, report, at)
        job.run_at = at + wait

    def end(self, attempt: Attempt, status: JobStatus, at: dt.datetime, report: ErrorReport | None = None) -> None:
        """End the attempt and its job."""
        outcomes = {JobStatus.COMPLETED: AttemptOutcome.SUCCEEDED, JobStatus.FAILED: AttemptOutcome.FAILED}
        self._end_attempt(attempt, outcomes.get(status, AttemptOutcome.CANCELLED), at, report)
        if report is not None:
            self.report(attempt, report, at)
        self.close(attempt.job, status, at, report.message if report else "", attempt=attempt.number)

    def leave_to_children(self, attempt: Attempt, at: dt.datetime, summary: dict[str, int]) -> None:
        """End the attempt of an all-bands job, whose children are queued."""
        message = f"{summary['queued']} bands queued, {summary['unchanged']} unchanged"
        self.note(attempt.job, EventKind.FANNED_OUT, at, message, attempt=attempt.number, **summary)
        attempt.job.checkpoint = {"fanned_out": True, "enrich": False, **summary}
        self._end_attempt(attempt, AttemptOutcome.SUCCEEDED, at)

    def close(
        self, job: SyncJob, status: JobStatus, at: dt.datetime, message: str = "", *, attempt: int | None = None
    ) -> None:
        """End the job."""
        job.status, job.completed_at = status, at
        if status != JobStatus.FAILED:
            job.failures_in_a_row = 0
        self.note(job, EventKind(status.value), at, message, attempt=attempt)
        if job.parent is not None:
            job.parent.progress_done += 1

    def note(
        self,
        job: SyncJob,
        kind: EventKind,
        at: dt.datetime,
        message: str = "",
        *,
        attempt: int | None = None,
        **data: Any,
    ) -> None:
        """Add an event to the job's timeline."""
        self._events.append(JobEvent(job=job, kind=kind, message=message, attempt_number=attempt, data=data, at=at))

    def audit(
        self, actor: Actor, action: str, target: tuple[str, object], at: dt.datetime, message: str = "", **data: Any
    ) -> None:
        """Add an entry to the audit. Jobs in its target and data stand for their numbers, which they get when all are saved."""
        span = Span(action, target[0], None)
        span.message, span.data = message, {"target": target[1], **data}
        self._entries.append((at, actor, span))

    def save(self) -> None:
        """Save all rows, and add up the counts."""
        self._number_jobs()
        self._create(SyncJob, self.jobs)
        self._create(Attempt, sorted(self._attempts, key=lambda attempt: attempt.started_at))
        self._create(JobEvent, sorted(self._events, key=lambda event: event.at))
        self._create(ErrorGroup, self.groups.values())
        self._create(JobError, sorted(self._errors, key=lambda error: error.created_at))
        self._create(QuotaCall, sorted(self._calls, key=lambda call: call.at))
        self._create(QuotaDay, self._days())
        self._create(AuditEntry, self._audit_entries())
        counters.fold()

    def _create(self, model: type[M], rows: Iterable[M]) -> None:
        model._default_manager.bulk_create(rows, batch_size=_BATCH)

    def _number_jobs(self) -> None:
        """Number the jobs in the order of their creation."""
        self.jobs.sort(key=lambda job: job.created_at)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('syncjobs_syncjob', 'id'))")
            for number, job in enumerate(self.jobs, cursor.fetchone()[0]):
                job.pk = number
            last = self.jobs[-1].pk
            cursor.execute("SELECT setval(pg_get_serial_sequence('syncjobs_syncjob', 'id'), %s)", [last])

    def _audit_entries(self) -> list[AuditEntry]:
        entries = []
        for at, actor, span in sorted(self._entries, key=lambda entry: entry[0]):
            data = {name: value.pk if isinstance(value, SyncJob) else value for name, value in span.data.items()}
            target = data.pop("target")
            span.target_id, span.data = "" if target is None else str(target), data
            entry = span.entry(actor, "ok")
            entry.at = at
            entries.append(entry)
        return entries

    def _days(self) -> list[QuotaDay]:
        used = Counter[tuple[Bucket, dt.date]]()
        for call in self._calls:
            used[Bucket(call.bucket), call.day] += call.units
        return [
            QuotaDay(bucket=b, day=day, used=units, limit=quota.limit_of(b), reserved=quota.reserved_of(b))
            for (b, day), units in sorted(used.items(), key=lambda item: item[0][1])
        ]

    @staticmethod
    def _end_attempt(
        attempt: Attempt, outcome: AttemptOutcome, at: dt.datetime, report: ErrorReport | None = None
    ) -> None:
        attempt.outcome, attempt.ended_at, attempt.lease_expires_at = outcome, at, at + _LEASE
        if report is not None:
            attempt.error, attempt.error_reason = report.message, report.reason
