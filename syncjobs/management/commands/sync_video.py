from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import triggers


class Command(base.Command):
    help = "Trigger the sync of one video. Costs 1 unit of the main quota."
    dash_argument = re.compile("[A-Za-z0-9_-]{11}")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("video", help="the video's id (11 characters) or any YouTube URL of it")
        parser.add_argument("--band", metavar="SLUG", help="the band of the video; required if no band has its channel")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        band = None if options["band"] is None else self.band(options["band"])
        created = triggers.trigger_video(self.actor, options["video"], band)
        if options["json"]:
            self.print_json({"job_id": str(created.job.pk), "new": created.is_new})
        else:
            self.print(triggers.describe(created))
