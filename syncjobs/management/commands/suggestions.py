from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from syncjobs.choices import SuggestionState
from syncjobs.engine import clock
from syncjobs.management import base
from syncjobs.models import ChannelSuggestion
from syncjobs.operations import suggestions

MAX_LISTED = 1000


class Command(base.Command):
    help = (
        "List the channels that people suggest for bands and nobody has decided about, the oldest first. "
        "With --accept, --decline or --withdraw, decide about one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", nargs="?", type=int, help="the id of a suggestion")
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--accept", action="store_true", help="give the band this channel")
        action.add_argument("--decline", metavar="REASON", help="decline it; its author sees the reason")
        action.add_argument("--withdraw", action="store_true", help="take back what you have suggested yourself")
        parser.add_argument(
            "--if-channel", metavar="CHANNEL", help="with --accept: only if the band still has this channel; '' is none"
        )
        parser.add_argument("--band", help="list those for this band alone, by its slug or id")
        parser.add_argument("--all", action="store_true", help="list those that are decided, too, the newest first")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        is_decision = options["accept"] or options["withdraw"] or options["decline"] is not None
        if is_decision != (options["id"] is not None):
            self.refuse_arguments("Give the id of a suggestion together with what to do with it.")
        if options["if_channel"] is not None and not options["accept"]:
            self.refuse_arguments("--if-channel needs --accept.")
        if is_decision and (options["all"] or options["json"] or options["band"]):
            self.refuse_arguments("--band, --all and --json are for lists.")
        if is_decision:
            self._decide(options)
        else:
            self._list(options)

    def _decide(self, options: dict[str, Any]) -> None:
        if options["accept"]:
            band = suggestions.accept(self.actor, options["id"], seen=options["if_channel"])
            self.print(f"Accepted: {band.name} has the channel {band.channel_reference} now.")
            self.print(f"It has not been synced since. To sync it: manage.py sync_bands --band {band.slug}")
        elif options["withdraw"]:
            self.print(f"Withdrawn: {suggestions.withdraw(self.actor, options['id'])}.")
        else:
            self.print(f"Declined: {suggestions.decline(self.actor, options['id'], options['decline'])}.")

    def _list(self, options: dict[str, Any]) -> None:
        rows = ChannelSuggestion.objects.order_by("-pk") if options["all"] else ChannelSuggestion.objects.open()
        if options["band"]:
            rows = rows.filter(band=self.band(options["band"]))
        found = list((rows if options["all"] else rows.order_by("pk")).select_related("band")[:MAX_LISTED])
        if options["json"]:
            self.print_json({"suggestions": [_as_json(each) for each in found], "as_of": clock.now()})
            return
        for each in found:
            title = f" ({each.channel_title})" if each.channel_title else ""
            self.print(
                f"{each.pk}  {each.band.name}: {each.reference}{title}, suggested by {each.author_label} "
                f"at {each.created_at:%Y-%m-%d %H:%M} UTC{_outcome(each)}"
            )
            for line in filter(None, (each.note, each.reason)):
                self.print(f"    {line}")
        if not found:
            self.print("There are no suggestions.")


def _outcome(suggestion: ChannelSuggestion) -> str:
    if suggestion.state == SuggestionState.OPEN:
        return f" in place of {suggestions.present_channel(suggestion.band) or 'no channel'}"
    label = str(SuggestionState(suggestion.state).label).lower()
    return f" · {label} ({suggestion.decided_by}, {suggestion.decided_at:%Y-%m-%d %H:%M} UTC)"


def _as_json(suggestion: ChannelSuggestion) -> dict[str, Any]:
    return {
        "id": str(suggestion.pk),
        "band_id": str(suggestion.band_id),
        "band_name": suggestion.band.name,
        "band_youtube_channel": suggestions.present_channel(suggestion.band),
        "youtube_channel": suggestion.reference,
        "channel_id": suggestion.channel_id or None,
        "channel_title": suggestion.channel_title or None,
        "note": suggestion.note or None,
        "state": suggestion.state,
        "author": suggestion.author_label,
        "created_at": suggestion.created_at,
        "decided_by": suggestion.decided_by or None,
        "decided_at": suggestion.decided_at,
        "reason": suggestion.reason or None,
    }
