from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from syncjobs.management import base
from syncjobs.management.doctor import Level, examine


class Command(base.Command):
    help = (
        "Check PostgreSQL, Redis, the clocks, migrations, static files, workers, the scheduler, mail and alerts, and say what to "
        "do about each problem. The exit code is 1 if there is an error; a warning alone leaves it 0."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--youtube", action="store_true", help="also try the YouTube key, which costs 1 unit")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        findings = examine(ask_youtube=options["youtube"])
        errors = sum(finding.level is Level.ERROR for finding in findings)
        if options["json"]:
            self.print_json({"ok": not errors, "findings": [asdict(finding) for finding in findings]})
        else:
            for finding in findings:
                self.print(f"{finding.level.value:<9}{finding.message}")
                if finding.advice:
                    self.print(f"{'':9}{finding.advice}")
            warnings = sum(finding.level is Level.WARNING for finding in findings)
            self.print(f"{_number(errors, 'error')}, {_number(warnings, 'warning')}.")
        if errors:
            self.stdout.flush()
            sys.exit(1)


def _number(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
