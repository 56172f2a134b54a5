from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import channels


class Command(base.Command):
    help = "Ask YouTube which channel an id, @handle or URL names. Costs 1 unit of the main quota."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channel", help="channel id, @handle, or the URL of the channel in any form")
        parser.add_argument("--band", metavar="SLUG", help="assign the channel to this band")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        band = None if options["band"] is None else self.band(options["band"])
        channel = channels.resolve_channel(self.actor, options["channel"], band)
        if options["json"]:
            self.print_json(
                {"id": channel.id, "handle": channel.handle, "title": channel.title, "video_count": channel.video_count}
            )
            return
        count = "unknown" if channel.video_count is None else f"{channel.video_count}"
        self.print(f"{channel.id}  {channel.handle}  {channel.title}  (videos: {count})")
        if band is not None:
            self.print(f"{band.name} now has this channel.")
