from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from syncjobs.management import base
from syncjobs.reconcile import reconcile


class Command(base.Command):
    help = "Put right what crashes left behind: lost attempts, overdue cancels, finished parents, unheard bells. The workers do so by themselves every second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        report = reconcile()
        if options["json"]:
            self.say_json(asdict(report))
        else:
            self.say(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in asdict(report).items()))
