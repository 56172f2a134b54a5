from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from tqdm import tqdm

from syncjobs.management import base
from syncjobs.operations.band_files import read_file
from syncjobs.operations.imports import count_outcomes, import_bands


class Command(base.Command):
    help = (
        "Create or update bands from a JSON list of objects or a CSV file. The slug identifies a band. Other columns: "
        "name, school_name, nickname, city, state, conference, founded, search_keywords, band_type, is_active, "
        "is_featured, primary_color, secondary_color, youtube_channel (id, @handle or URL), playlists. Missing columns "
        "keep their values. In CSV, the columns are separated by commas, semicolons or tabs, and the entries of a list by "
        "semicolons; empty rows are skipped. Importing a file again changes nothing. The exit code is 1 if any row is "
        "refused; the other rows are still imported."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a .json or .csv file, in UTF-8")
        parser.add_argument("--dry-run", action="store_true", help="report what would happen, and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        rows = read_file(Path(options["file"]))
        with tqdm(total=len(rows), desc="Bands", disable=not sys.stderr.isatty()) as bar:
            results = import_bands(self.actor, rows, dry_run=options["dry_run"], progress=bar.update)
        counts = count_outcomes(results)
        refused = [result for result in results if result.outcome == "refused"]
        if options["json"]:
            problems = [{"row": r.row, "slug": r.slug, "problems": r.problems} for r in refused]
            self.print_json(counts | {"dry_run": options["dry_run"], "problems": problems})
        else:
            for result in refused:
                self.print(
                    f"Row {result.row}{f' ({result.slug})' if result.slug else ''} refused: {' '.join(result.problems)}"
                )
            self.print(
                ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
                + (" (dry run)" if options["dry_run"] else "")
            )
        if refused:
            raise CommandError(f"{len(refused)} of {len(results)} rows were refused.")
