from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import transaction
from django.db.models.functions import Now

from bands.models import Band, ChannelProblem
from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.management.demo.history import History
from syncjobs.models import AlertRound, SyncJob
from syncjobs.operations import band_pauses, queued_jobs, suggestions, triggers
from syncjobs.youtube.simulator import demo

_RUNNING, _DELAYED, _PAUSED = ("Cedar Hollow", "Pewter Mills", "Bellweather", "Windrow"), "Larkspur", "Tamarack"
"""The cities of some bands."""


class Command(base.Command):
    help = (
        "Fill an empty database with made-up bands and 30 days of their syncs, for a demonstration. `make run` does so at "
        "its first start. Refused unless YouTube is simulated; a database with bands or jobs stays as it is."
    )

    def run(self, **options: Any) -> None:
        if not settings.YOUTUBE_SIMULATED:
            raise CommandError("Only a site with a simulated YouTube can have made-up bands.")
        with transaction.atomic():
            if Band.objects.exists() or SyncJob.objects.exists():
                self.print("The database is not empty. Nothing is changed.")
                return
            history = History(clock.now())
            history.write()
            _begin(history)
        self.print(f"{len(history.members)} bands, {len(history.rows.jobs)} jobs of 30 days.")


def _begin(history: History) -> None:
    """Queue jobs that the workers run as soon as they are up, delay one until tonight, and pause a band."""
    bands = {band.city: band for band in Band.objects.all()}
    for city in _RUNNING:
        triggers.trigger_sync(history.robin, bands[city], full=True, force=True)
    delayed = triggers.trigger_sync(history.kim, bands[_DELAYED], full=True, force=True)
    queued_jobs.delay(history.kim, delayed.job.pk, history.now + dt.timedelta(hours=7))
    band_pauses.pause_band(history.robin, bands[_PAUSED].pk, "New channel on Monday, they say.")
    gone = Band.objects.get(channel_problem=ChannelProblem.NOT_FOUND)
    suggestions.suggest(history.robin, gone.pk, demo.handle(demo.MOVED), "The band's own page links to it.")
    # The workers are not up yet. That is no reason for an alert.
    AlertRound.objects.update(due_at=Now() + dt.timedelta(seconds=45))
