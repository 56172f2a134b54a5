from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.engine import quota
from syncjobs.management import base
from syncjobs.models import SyncJob
from syncjobs.stats import queues as stats_queues

MOST_WAITING = 200


class Command(base.Command):
    help = "Show the queues, the jobs that are running and what is left of today's quota."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        queues = stats_queues.queues()
        active = SyncJob.objects.in_progress().select_related("band").order_by("pk")
        waiting = (
            SyncJob.objects.waiting()
            .with_queue_position()
            .select_related("band")
            .order_by("queue_id", "-priority", "pk")
        )
        buckets = quota.today()
        if options["json"]:
            self.say_json(
                {
                    "queues": [_queue(q) for q in queues],
                    "active": [_job(j) for j in active],
                    "waiting": [_waiting(j) for j in waiting[:MOST_WAITING]],
                    "quota": [_bucket(b) for b in buckets],
                }
            )
            return
        self.say(
            f"{'queue':<18}{'waiting':>9}{'active':>8}{'delayed':>9}{'completed':>11}{'failed':>8}{'cancelled':>11}  state"
        )
        for q in queues:
            state = (
                f"paused by {q.paused_by}: {q.pause_reason}"
                if q.paused_at
                else f"{q.workers} worker{'' if q.workers == 1 else 's'}"
            )
            self.say(
                f"{q.name:<18}{q.waiting:>9}{q.active:>8}{q.delayed:>9}{q.completed:>11}{q.failed:>8}{q.cancelled:>11}  {state}"
            )
        for job in active:
            total = "?" if job.progress_total is None else job.progress_total
            self.say(
                f"{job}  {job.get_job_type_display()}  {job.band_name or 'all bands'}  {job.progress_done}/{total}"
            )
        for b in buckets:
            closed = f"  closed by YouTube: {b.closed_reason}" if b.closed_at else ""
            self.say(
                f"quota {b.bucket}: {b.used} of {b.limit} used, {b.reserved} reserved, resets {b.resets_at:%Y-%m-%d %H:%M} UTC{closed}"
            )


def _queue(queue: stats_queues.QueueState) -> dict[str, Any]:
    return {
        "name": queue.name,
        "waiting": queue.waiting,
        "active": queue.active,
        "delayed": queue.delayed,
        "completed": queue.completed,
        "failed": queue.failed,
        "cancelled": queue.cancelled,
        "paused": queue.is_paused,
        "pausedAt": queue.paused_at,
        "pausedBy": queue.paused_by or None,
        "pauseReason": queue.pause_reason or None,
        "oldestRunnableAge": queue.oldest_waiting_age,
        "workers": queue.workers,
        "asOf": queue.as_of,
    }


def _job(job: SyncJob) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "jobType": job.job_type,
        "band": job.band.slug if job.band else None,
        "progress": {"done": job.progress_done, "total": job.progress_total},
        "startedAt": job.started_at,
    }


def _waiting(job: SyncJob) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "jobType": job.job_type,
        "band": job.band.slug if job.band else None,
        "queue": job.queue_id,
        "priority": job.priority,
        "queuePosition": job.queue_position,  # type: ignore[attr-defined]
    }


def _bucket(state: quota.BucketState) -> dict[str, Any]:
    return {
        "bucket": state.bucket,
        "used": state.used,
        "limit": state.limit,
        "reserved": state.reserved,
        "closedAt": state.closed_at,
        "resetsAt": state.resets_at,
    }
