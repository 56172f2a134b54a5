from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs.management import base
from syncjobs.models import BulkAction
from syncjobs.operations import bulk, errors, queues
from syncjobs.operations.queued_jobs import Change


class Command(base.Command):
    help = (
        "Retry failed or cancelled jobs, each as a new job linked to the old one. Exit code 1 if any can't be retried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("job", nargs="*", type=int, default=[], help="job numbers")
        which.add_argument("--failed", action="store_true", help="all failed jobs that have not been retried")
        which.add_argument(
            "--error",
            metavar="FINGERPRINT",
            help="failed jobs of this error group that have not been retried",
        )
        parser.add_argument("--queue", help="with --failed or --error: only this queue")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        ids, queue, fingerprint = list(dict.fromkeys(options["job"])), options["queue"], options["error"]
        if ids and queue is not None:
            self.refuse_arguments("Use --queue with --failed or --error, not with job numbers.")
        if fingerprint is not None:
            errors.get_error_group(fingerprint)
        if not ids:
            queue = queues.ALL_QUEUES if queue is None else queue
            failed = errors.unretried_jobs(queue=queue, fingerprint=fingerprint or "")
            ids = list(failed.values_list("pk", flat=True))
        change = Change(BulkAction.Action.RETRY, once=not options["job"])
        result = bulk.apply(self.actor, BulkAction.Action.RETRY, ids, change)
        if options["json"]:
            self.print_json(
                {
                    "retried": {str(job_id): str(new) for job_id, new in result.retried.items()},
                    "queued": result.queued,
                    "covered_by": {str(job_id): str(other) for job_id, other in result.covered_by.items()},
                    "refused": {str(job_id): reason for job_id, reason in result.refused.items()},
                }
            )
        else:
            for job_id, new in result.retried.items():
                self.print(f"#{job_id} {'is covered by' if job_id in result.covered_by else '→'} #{new}")
            for job_id, reason in result.refused.items():
                self.print(f"#{job_id}: {reason}")
            self.print(bulk.summary(BulkAction.Action.RETRY, result))
        if refused := len(result.refused):
            raise CommandError(f"{refused} {'job' if refused == 1 else 'jobs'} could not be retried.")
