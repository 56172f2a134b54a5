from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.youtube.simulator import Simulator, World, demo


class Command(base.Command):
    help = (
        "Serve a simulated YouTube API for YOUTUBE_API_ENDPOINT, with demonstration channels or the videos of a file. "
        "Control it by HTTP at /__simulator__/log, faults, quota, world, feeds and hub."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
        parser.add_argument("--port", type=int, default=8900, help="default %(default)s; 0 picks a free one")
        parser.add_argument(
            "--videos", metavar="FILE", help="JSON list of {channelTitle, videos: [{id, title, publishedAt}]}"
        )
        parser.add_argument(
            "--latency", type=base.seconds, default=0.0, metavar="SECONDS", help="delay before each response"
        )
        parser.add_argument(
            "--publish-every",
            type=base.seconds,
            default=0.0,
            metavar="SECONDS",
            help="have a new video in one of the channels so often (default: never)",
        )
        parser.add_argument("--key", default="", help="accept this API key only (default: any)")

    def run(self, **options: Any) -> None:
        try:
            file = options["videos"]
            world = World.from_video_file(Path(file)) if file else demo.demo_world(clock.approximate())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CommandError(f"{options['videos']} can't be used: {type(error).__name__}: {error}") from None
        try:
            simulator = Simulator(world, host=options["host"], port=options["port"], key=options["key"])
        except (OSError, OverflowError) as error:
            raise CommandError(f"Can't listen on {options['host']}:{options['port']}: {error}") from None
        simulator.faults.latency = options["latency"]
        if not options["videos"]:
            simulator.faults.add(*demo.faults())
        if options["publish_every"]:
            demo.publish_in_background(simulator, options["publish_every"])
        self.print(
            f"Simulated YouTube with {len(world.channels)} channels, {len(world.videos)} videos: {simulator.url}"
        )
        self.stdout.flush()
        try:
            simulator.serve_forever()
        except KeyboardInterrupt:
            self.print("Stopped.")
