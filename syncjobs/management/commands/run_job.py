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
        changed = self.changed(options["job"], "is", "are")
        job = queued_jobs.run_now(self.actor, options["job"])
        starts, queue = ("They start", "their queue") if changed.endswith("are") else ("It starts", "its queue")
        waits = pauses([job.pk]) or f"{starts} when a worker is free, unless {queue} is paused."
        self.print(f"{changed} no longer delayed. {waits}")
