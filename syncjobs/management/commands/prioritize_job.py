from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.choices import Priority
from syncjobs.management import base
from syncjobs.operations import queued_jobs


class Command(base.Command):
    help = "Change the priority of a queued job; of an all-bands job, also that of its queued children."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")
        parser.add_argument("priority", choices=[priority.name.lower() for priority in Priority])

    def run(self, **options: Any) -> None:
        changed = self.changed(options["job"], "has", "have")
        queued_jobs.prioritize(self.actor, options["job"], Priority[options["priority"].upper()])
        self.print(f"{changed} the priority {options['priority']}.")
