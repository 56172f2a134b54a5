from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs import operations
from syncjobs.creation import Created
from syncjobs.management import base


class Command(base.Command):
    help = "Retry failed or cancelled jobs: for each a new job, linked to the old one. Exit code 1 if any could not be."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("job", nargs="*", type=int, default=[], help="numbers of jobs")
        which.add_argument("--failed", action="store_true", help="all failed jobs that were not retried yet")
        which.add_argument(
            "--error", metavar="FINGERPRINT", default="", help="those that failed with this group's error"
        )
        parser.add_argument("--queue", default="", help="with --failed: only of this queue")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        ids = options["job"] or list(
            operations.failed_jobs(queue=options["queue"], fingerprint=options["error"]).values_list("pk", flat=True)
        )
        outcomes = operations.retry_jobs(self.actor, ids)
        refused = {job_id: o for job_id, o in outcomes.items() if not isinstance(o, Created)}
        if options["json"]:
            retried = {str(i): str(o.job.pk) for i, o in outcomes.items() if isinstance(o, Created)}
            self.say_json({"retried": retried, "refused": {str(i): str(o) for i, o in refused.items()}})
        else:
            for job_id, outcome in outcomes.items():
                self.say(f"#{job_id} → {outcome.job}" if isinstance(outcome, Created) else f"#{job_id}: {outcome}")
            self.say(f"{len(outcomes) - len(refused)} retried, {len(refused)} refused.")
        if refused:
            raise CommandError(f"{len(refused)} jobs could not be retried.")
