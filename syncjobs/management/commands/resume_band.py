from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.management import base
from syncjobs.operations import band_pauses


class Command(base.Command):
    help = "Let workers start the jobs of a paused band again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("band", help="the band's slug or id")

    def run(self, **options: Any) -> None:
        band = self.band(options["band"])
        resumed = band_pauses.resume_band(self.actor, band.pk)
        self.print(f"Resumed: {band.name}." if resumed else f"Nothing to do: {band.name} is not paused.")
