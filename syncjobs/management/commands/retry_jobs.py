from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs.management import base
from syncjobs.models import BulkAction
from syncjobs.operations import bulk, errors


class Command(base.Command):
    help = "Retry failed or cancelled jobs: for each a new job, linked to the old one. Exit code 1 if any could not be."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("job", nargs="*", type=int, default=[], help="numbers of jobs")
        which.add_argument("--failed", action="store_true", help="all failed jobs that were not retried yet")
        which.add_argument(
            "--error", metavar="FINGERPRINT", default="", help="those that failed with this group's error"
        )
        parser.add_argument("--queue", default="all", help="with --failed: only of this queue")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        ids = options["job"] or list(
            errors.unretried_jobs(queue=options["queue"], fingerprint=options["error"]).values_list("pk", flat=True)
        )
        outcome = bulk.apply(self.actor, BulkAction.Action.RETRY, ids)
        if options["json"]:
            retried = {str(job_id): str(new) for job_id, new in outcome.retried.items()}
            self.say_json(
                {"retried": retried, "refused": {str(job_id): why for job_id, why in outcome.refused.items()}}
            )
        else:
            for job_id, new in outcome.retried.items():
                self.say(f"#{job_id} → #{new}")
            for job_id, why in outcome.refused.items():
                self.say(f"#{job_id}: {why}")
            self.say(f"{len(outcome.retried)} retried, {len(outcome.refused)} refused.")
        if refused := len(outcome.refused):
            raise CommandError(f"{refused} {'job' if refused == 1 else 'jobs'} could not be retried.")
