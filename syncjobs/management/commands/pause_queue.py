from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import queues


class Command(base.Command):
    help = "Pause a queue until it is resumed: no more of its jobs start, and running ones finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="video-sync, video-processing, maintenance, or all")
        parser.add_argument("--reason", default="", help="shown to moderators")

    def run(self, **options: Any) -> None:
        paused = queues.pause_queue(self.actor, options["queue"], options["reason"])
        self.print(f"Paused: {', '.join(paused)}." if paused else "Nothing to do: already paused.")
