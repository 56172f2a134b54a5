from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import queues


class Command(base.Command):
    help = "Resume a paused queue: its jobs start again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="video-sync, video-processing, maintenance, or all")

    def run(self, **options: Any) -> None:
        resumed = queues.resume_queue(self.actor, options["queue"])
        self.print(f"Resumed: {', '.join(resumed)}." if resumed else "Nothing to do: not paused.")
