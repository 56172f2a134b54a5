from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError

from bands.models import Band
from syncjobs.choices import FeedState, PushState
from syncjobs.management import base
from syncjobs.operations.subscriptions import renew
from syncjobs.stats.freshness import BandFreshness, Freshness, Times, freshness, of_band, with_bands

_FINE = (PushState.OFF, PushState.MISSING, PushState.PENDING, PushState.UNPROVEN, PushState.TRUSTED)
_FINE_FEEDS = (FeedState.MISSING, FeedState.UNPROVEN, FeedState.TRUSTED)


class Command(base.Command):
    help = (
        "Show how fresh videos are, and what push and the feed of each band are worth. With --check, list only what does not "
        "work, and exit with 1 if anything is listed. With --renew, ask YouTube's hub again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bands", nargs="*", metavar="band", help="slug or id; without any: all bands")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--check", action="store_true", help="list only what does not work, and exit with 1 then")
        action.add_argument("--renew", action="store_true", help="ask the hub again for the subscriptions")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        ids = [self.band(slug).pk for slug in options["bands"]]
        if options["renew"]:
            renewed = renew(self.actor, ids or None)
            if options["json"]:
                self.print_json({"renewed": renewed})
            else:
                self.print(f"Subscriptions to be renewed: {renewed}.")
            return
        rows = _rows(ids)
        wrong = [row for row in rows if _is_wrong(row[1])]
        shown = wrong if options["check"] else rows
        if options["json"]:
            figures = {} if ids else {"freshness": _figures(freshness())}
            self.print_json({**figures, "bands": [_as_json(*row) for row in shown]})
        else:
            self._print(shown, None if ids else freshness())
        if options["check"] and wrong:
            raise CommandError(f"Push or the feed of {len(wrong)} of {len(rows)} bands does not work.")

    def _print(self, rows: Sequence[tuple[Band, BandFreshness]], figures: Freshness | None) -> None:
        if figures:
            self.print(f"videos of the last {figures.days} days, from publication to storage:")
            for source, times in figures.by_source.items():
                self.print(
                    f"  {source:<12}{times.videos:>8} videos   p50 {_seconds(times.p50):>9}   p95 {_seconds(times.p95):>9}"
                )
            working = (
                f"{figures.push_working} of {figures.bands} bands"
                if figures.is_push_on
                else "off, PUBLIC_URL is not set"
            )
            self.print(f"push: {working}; probed once a day only: {figures.daily_probes}")
            if figures.hub and figures.hub.failing_since:
                self.print(f"hub: takes no requests since {_time(figures.hub.failing_since)}: {figures.hub.problem}")
        for band, fresh in rows:
            row, feed = fresh.subscription, fresh.channel_feed
            last, lease = (row.delivered_at, row.lease_ends_at) if row else (None, None)
            following = _time(feed.next_read_at if feed else None)
            self.print(
                f"{band.slug:<32} push {fresh.push:<9} last {_time(last)} lease {_time(lease)}"
                f"  feed {fresh.feed:<9} next {following}"
            )
            for problem in filter(None, (row and row.problem, feed and feed.problem)):
                self.print(f"  {problem}")


def _rows(ids: Sequence[int]) -> list[tuple[Band, BandFreshness]]:
    bands = Band.objects.filter(pk__in=ids) if ids else Band.objects.watched()
    return [(band, of_band(band)) for band in bands.prefetch_related(*with_bands())]


def _is_wrong(fresh: BandFreshness) -> bool:
    return fresh.push not in _FINE or fresh.feed not in _FINE_FEEDS


def _figures(figures: Freshness) -> dict[str, Any]:
    return {
        "days": figures.days,
        "total": _times(figures.total),
        "by_source": {source.value: _times(times) for source, times in figures.by_source.items()},
        "push_on": figures.is_push_on,
        "bands": figures.bands,
        "push": {state.value: number for state, number in figures.push.items()},
        "feeds": {state.value: number for state, number in figures.feeds.items()},
        "daily_probes": figures.daily_probes,
        "hub_failing_since": figures.hub and figures.hub.failing_since,
        "saved_units": figures.saved.units,
        "as_of": figures.as_of,
    }


def _times(times: Times) -> dict[str, Any]:
    return {"videos": times.videos, "p50_seconds": times.p50, "p95_seconds": times.p95}


def _as_json(band: Band, fresh: BandFreshness) -> dict[str, Any]:
    row, feed = fresh.subscription, fresh.channel_feed
    return {
        "id": str(band.pk),
        "slug": band.slug,
        "push": fresh.push,
        "problem": row and row.problem,
        "last_delivery_at": row and row.delivered_at,
        "lease_ends_at": row and row.lease_ends_at,
        "next_request_at": row and row.next_request_at,
        "trusted_at": row and row.trusted_at,
        "trust_lost_at": row and row.trust_lost_at,
        "feed": fresh.feed,
        "feed_problem": feed and feed.problem,
        "last_read_at": feed and feed.read_at,
        "next_read_at": feed and feed.next_read_at,
    }


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} s"


def _time(at: dt.datetime | None) -> str:
    return "never           " if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
