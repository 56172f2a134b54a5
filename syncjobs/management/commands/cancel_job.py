from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.choices import JobStatus
from syncjobs.management import base
from syncjobs.operations import jobs


class Command(base.Command):
    help = "Cancel a job: at once if it is queued; a running one stops within one HTTP call, or is killed after a grace period."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")

    def run(self, **options: Any) -> None:
        job = jobs.cancel_job(self.actor, options["job"])
        done = job.status == JobStatus.CANCELLED
        self.say(f"{job} is cancelled." if done else f"{job} is running; it was asked to stop.")
