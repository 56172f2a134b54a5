from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.operations import queued_jobs


class Command(base.Command):
    help = "Delay a queued job, whatever it waits for now; of an all-bands job, also its queued children."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")
        when = parser.add_mutually_exclusive_group(required=True)
        when.add_argument(
            "--until", type=base.instant, help="a time such as 2026-11-30T06:00Z, in UTC unless it names its zone"
        )
        when.add_argument("--minutes", type=int, help="for so long from now")

    def run(self, **options: Any) -> None:
        until = options["until"]
        if until is None:
            until = clock.now() + dt.timedelta(minutes=min(max(options["minutes"], 0), 10**6))
        changed = self.changed(options["job"], "is", "are")
        queued_jobs.delay(self.actor, options["job"], until)
        self.print(f"{changed} delayed until {until:%Y-%m-%d %H:%M} UTC.")
