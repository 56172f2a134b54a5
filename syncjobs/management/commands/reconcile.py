from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from syncjobs import counters
from syncjobs.engine.reconcile import reconcile
from syncjobs.management import base


class Command(base.Command):
    help = (
        "Recover from crashes: expired attempts, overdue cancellations, finished all-bands jobs and missed wake-ups. "
        "The workers do this every second."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--counts", action="store_true", help="compare all counts of jobs with COUNT(*); exit code 1 if any differs"
        )
        parser.add_argument("--rebuild", action="store_true", help="with --counts: count again if any differs")
        parser.add_argument("--json", action="store_true", help="without --counts: print one JSON object")

    def run(self, **options: Any) -> None:
        if options["rebuild"] and not options["counts"]:
            self.refuse_arguments("Use --rebuild only with --counts.")
        if options["json"] and options["counts"]:
            self.refuse_arguments("Use --json without --counts.")
        if options["counts"]:
            self._check_counts(rebuild=options["rebuild"])
            return
        report = reconcile()
        if options["json"]:
            # Its keys have been in snake_case from the beginning.
            self.print_json(asdict(report), spell=str)
        else:
            self.print(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in asdict(report).items()))

    def _check_counts(self, *, rebuild: bool) -> None:
        wrong = counters.wrong_cells()
        if wrong and rebuild:
            counters.rebuild()
            were = "count was" if wrong == 1 else "counts were"
            self.print(f"{wrong} {were} wrong. All jobs have been counted again.")
        elif wrong:
            differ = "count differs" if wrong == 1 else "counts differ"
            raise CommandError(f"{wrong} {differ} from COUNT(*). Use --rebuild to count again.")
        else:
            self.print("Every count equals COUNT(*).")
