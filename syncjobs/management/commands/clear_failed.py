from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.models import BulkAction
from syncjobs.models.querysets import SyncJobQuerySet
from syncjobs.operations import bulk, queues


class Command(base.Command):
    help = (
        "Delete all failed jobs of a queue, including those that have been retried, with their attempts and errors. "
        "If there are many, the workers delete them in the background."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "queue", nargs="?", default="all", help="video-sync, video-processing, maintenance, or all (default)"
        )
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def run(self, **options: Any) -> None:
        queue, until = options["queue"], clock.now()
        if not options["yes"]:
            self._confirm(queue, bulk.failed_jobs(queues.queue_names(queue), until))
        result = bulk.clear_failed(self.actor, queue, until)
        if isinstance(result, BulkAction):
            self.print(f"The workers are deleting {_jobs(result.total)} in the background (bulk action {result.pk}).")
        else:
            self.print(f"{_jobs(result)} deleted.")

    def _confirm(self, queue: str, jobs: SyncJobQuerySet) -> None:
        """State what will be deleted and ask; any answer but "y" ends the command."""
        count = jobs.count()
        if count == 0:
            return
        retried = count - jobs.not_retried().count()
        of_queue = "all queues" if queue == queues.ALL_QUEUES else queue
        question = f"Delete {_jobs(count)} of {of_queue}, {retried} of which have been retried? [y/N] "
        if input(question).strip().lower() != "y":
            raise CommandError("Nothing was deleted.")


def _jobs(count: int) -> str:
    return "1 failed job" if count == 1 else f"{count} failed jobs"
