from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import workers


class Command(base.Command):
    help = "Remove a worker or scheduler that has stopped reporting from the list. If it still runs, it comes back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="its name, as sync_status prints it")

    def run(self, **options: Any) -> None:
        workers.remove_worker(self.actor, options["name"])
        self.print(f"Removed: {options['name']}.")
