from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from syncjobs import counters
from syncjobs.engine.reconcile import reconcile
from syncjobs.management import base


class Command(base.Command):
    help = "Put right what crashes left behind: lost attempts, overdue cancels, finished parents, unheard bells. The workers do so by themselves every second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--counts",
            action="store_true",
            help="prove the counts of jobs equal to COUNT(*); exit code 1 if they are not",
        )
        parser.add_argument("--rebuild", action="store_true", help="with --counts: count anew if they are not")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        if options["counts"]:
            self._prove(rebuild=options["rebuild"])
            return
        report = reconcile()
        if options["json"]:
            self.say_json(asdict(report))
        else:
            self.say(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in asdict(report).items()))

    def _prove(self, *, rebuild: bool) -> None:
        wrong = counters.wrong_cells()
        if wrong and rebuild:
            counters.rebuild()
            were = "count was" if wrong == 1 else "counts were"
            self.say(f"{wrong} {were} wrong; all jobs have been counted anew.")
        elif wrong:
            differ = "count differs" if wrong == 1 else "counts differ"
            raise CommandError(f"{wrong} {differ} from COUNT(*). Count anew with --rebuild.")
        else:
            self.say("Every count equals COUNT(*).")
