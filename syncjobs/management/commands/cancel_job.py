from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.choices import JobStatus
from syncjobs.management import base
from syncjobs.operations import jobs


class Command(base.Command):
    help = (
        "Cancel a job. A queued job is cancelled at once. A running one stops before its next HTTP call; after a grace period "
        "its process is killed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")

    def run(self, **options: Any) -> None:
        job = jobs.cancel_job(self.actor, options["job"])
        is_cancelled = job.status == JobStatus.CANCELLED
        self.print(f"{job} is cancelled." if is_cancelled else f"{job} is running and has been asked to stop.")
