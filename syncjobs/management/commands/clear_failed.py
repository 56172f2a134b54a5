from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs.management import base
from syncjobs.operations import errors, queues


class Command(base.Command):
    help = "Delete the failed jobs of a queue, for good. Their errors no longer show."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "queue", nargs="?", default="all", help="video-sync, video-processing, maintenance, or all (default)"
        )
        parser.add_argument("--yes", action="store_true", help="don't ask")

    def run(self, **options: Any) -> None:
        if not options["yes"]:
            count = errors.unretried_jobs(queue=options["queue"]).count()
            if input(f"Delete the failed jobs of {options['queue']} (at least {count})? [y/N] ").strip().lower() != "y":
                raise CommandError("Nothing was deleted.")
        cleared = queues.clear_failed(self.actor, options["queue"])
        self.say(f"{cleared} failed {'job' if cleared == 1 else 'jobs'} deleted.")
