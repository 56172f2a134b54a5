from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import band_pauses


class Command(base.Command):
    help = (
        "Pause a band until it is resumed: no more of its jobs start, and running ones finish. "
        "New videos that push or its feed reports are still stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("band", help="the band's slug or id")
        parser.add_argument("--reason", default="", help="shown to moderators")

    def run(self, **options: Any) -> None:
        band = self.band(options["band"])
        is_new = band_pauses.pause_band(self.actor, band.pk, options["reason"])
        self.print(f"Paused: {band.name}." if is_new else f"Nothing to do: {band.name} is already paused.")
