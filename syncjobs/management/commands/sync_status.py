from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from bands.models import Band
from syncjobs.engine import clock, quota
from syncjobs.management import base
from syncjobs.management.commands.quota import bucket_as_json, describe_bucket
from syncjobs.models import SyncJob
from syncjobs.operations import schedules
from syncjobs.stats import queues as stats_queues

MAX_WAITING = 200


class Command(base.Command):
    help = (
        "Show the queues, the running jobs, today's quota, and whether the scheduler and the workers do their work, with the "
        "schedules that are overdue."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        queues, buckets, workers = stats_queues.queues(), quota.today(), stats_queues.workers()[0]
        active = SyncJob.objects.in_progress().select_related("band").order_by("pk")
        paused = Band.objects.paused().order_by("paused_at", "pk")
        if options["json"]:
            waiting = SyncJob.objects.waiting().with_queue_position().select_related("band")
            waiting = waiting.order_by("queue_id", "-priority", "pk")[:MAX_WAITING]
            self.print_json(
                {
                    "queues": [_queue(queue) for queue in queues],
                    "active": [_job(job) for job in active],
                    "waiting": [_waiting(job) for job in waiting],
                    "paused_bands": [_paused_band(band) for band in paused],
                    "quota": [bucket_as_json(state) for state in buckets],
                    "scheduler_running": stats_queues.scheduler_is_alive(),
                    "overdue": [{"name": name, "since": since} for name, since in _overdue()],
                    "workers": [_worker(each) for each in workers],
                }
            )
            return
        self._print_queues(queues)
        for each in paused:
            why = f": {each.pause_reason}" if each.pause_reason else ""
            self.print(f"band {each.name}: paused by {each.paused_by} since {_time(each.paused_at)}{why}")
        for job in active:
            total = "?" if job.progress_total is None else job.progress_total
            band = job.band_name or "all bands"
            self.print(f"{job}  {job.get_job_type_display()}  {band}  {job.progress_done}/{total}")
        for state in buckets:
            self.print(f"quota {describe_bucket(state)}")
        self._print_processes(workers)

    def _print_processes(self, workers: Sequence[stats_queues.WorkerState]) -> None:
        is_alive = stats_queues.scheduler_is_alive()
        self.print(f"scheduler: {'running' if is_alive else 'NOT RUNNING, schedules trigger nothing'}")
        for name, since in _overdue():
            self.print(f"overdue: {name}, since {_time(since)}")
        for each in (*stats_queues.schedulers(), *workers):
            name = f"{'scheduler' if each.worker.is_scheduler else 'worker'} {each.worker.name}"
            if each.state == "silent":
                self.print(f"{name}: not responding since {_time(each.worker.heartbeat_at)}")
            elif each.worker.failing_since is not None:
                self.print(f"{name}: its tasks fail since {_time(each.worker.failing_since)}")

    def _print_queues(self, queues: Sequence[stats_queues.QueueState]) -> None:
        columns = {"waiting": 9, "active": 8, "delayed": 9, "completed": 11, "failed": 8, "cancelled": 11}
        self.print(f"{'queue':<18}{''.join(f'{name:>{width}}' for name, width in columns.items())}  state")
        for queue in queues:
            figures = "".join(f"{getattr(queue, name):>{width}}" for name, width in columns.items())
            state = f"{queue.workers} worker{'' if queue.workers == 1 else 's'}"
            if queue.paused_at:
                state = f"paused by {queue.paused_by}" + (f": {queue.pause_reason}" if queue.pause_reason else "")
            if queue.of_paused_bands:
                state += f"; {queue.of_paused_bands} queued jobs of paused bands"
            self.print(f"{queue.name:<18}{figures}  {state}")


def _overdue() -> list[tuple[str, dt.datetime]]:
    """Return the names of the schedules that are overdue, and since when."""
    now = clock.now()
    late = [each for each in schedules.list_schedules() if schedules.is_overdue(each, now)]
    return [(each.name, due) for each in late if (due := schedules.next_run(each)) is not None]


def _time(time: dt.datetime | None) -> str:
    """Return the time in UTC, with its date unless that is today."""
    if time is None:
        return "?"
    time = time.astimezone(dt.UTC)
    return f"{time:%H:%M} UTC" if time.date() == clock.approximate().date() else f"{time:%Y-%m-%d %H:%M} UTC"


def _worker(state: stats_queues.WorkerState) -> dict[str, Any]:
    return {
        "name": state.worker.name,
        "state": state.state,
        "queues": state.worker.queues,
        "heartbeat_at": state.worker.heartbeat_at,
        "failing_since": state.worker.failing_since,
    }


def _queue(queue: stats_queues.QueueState) -> dict[str, Any]:
    return {
        "name": queue.name,
        "waiting": queue.waiting,
        "active": queue.active,
        "delayed": queue.delayed,
        "completed": queue.completed,
        "failed": queue.failed,
        "cancelled": queue.cancelled,
        "of_paused_bands": queue.of_paused_bands,
        "paused": queue.is_paused,
        "paused_at": queue.paused_at,
        "paused_by": queue.paused_by or None,
        "pause_reason": queue.pause_reason or None,
        "oldest_runnable_age": queue.oldest_waiting_age,
        "workers": queue.workers,
        "as_of": queue.as_of,
    }


def _job(job: SyncJob) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "job_type": job.job_type,
        "band": job.band.slug if job.band else None,
        "progress": {"done": job.progress_done, "total": job.progress_total},
        "started_at": job.started_at,
    }


def _paused_band(band: Band) -> dict[str, Any]:
    return {
        "band": band.slug,
        "paused_at": band.paused_at,
        "paused_by": band.paused_by,
        "pause_reason": band.pause_reason or None,
    }


def _waiting(job: SyncJob) -> dict[str, Any]:
    return {
        "id": str(job.pk),
        "job_type": job.job_type,
        "band": job.band.slug if job.band else None,
        "queue": job.queue_id,
        "priority": job.priority,
        "queue_position": job.queue_position,  # type: ignore[attr-defined]
    }
