from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import queued_jobs


class Command(base.Command):
    help = "Let a queued job start before all others of its queue, once it is due; of an all-bands job, also its queued children."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")

    def run(self, **options: Any) -> None:
        changed = self.changed(options["job"], "is", "are")
        queued_jobs.move_to_front(self.actor, options["job"])
        self.print(f"{changed} at the front of {'their' if changed.endswith('are') else 'its'} queue.")
