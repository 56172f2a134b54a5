from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import queued_jobs
from syncjobs.operations.waiting import pauses


class Command(base.Command):
    help = "End the delay of a queued job, whatever it waits for; of an all-bands job, also those of its children."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")

    def run(self, **options: Any) -> None:
        job = queued_jobs.run_now(self.actor, options["job"])
        waits = pauses([job.pk]) or "It starts when a worker is free, unless its queue is paused."
        self.print(f"Job {job} is no longer delayed. {waits}")
