from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import queues


class Command(base.Command):
    help = "Pause a queue: from now on no job of it starts; running ones finish. It stays paused until it is resumed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="video-sync, video-processing, maintenance, or all")
        parser.add_argument("--reason", default="", help="why; moderators see it")

    def run(self, **options: Any) -> None:
        paused = queues.pause_queue(self.actor, options["queue"], options["reason"])
        self.say(f"Paused: {', '.join(paused)}." if paused else "Nothing to do: paused already.")
