from __future__ import annotations

import datetime as dt
import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.utils.text import Truncator

from syncjobs.choices import UNHANDLED_STATES, ErrorState
from syncjobs.engine import clock, error_reasons
from syncjobs.exceptions import Conflict, NotFound
from syncjobs.management import base
from syncjobs.models import ErrorNote
from syncjobs.operations import errors
from syncjobs.stats import errors as stats

DEFAULT_WINDOW, DEFAULT_LIMIT = "24h", 20
MAX_NOTES = 100
_LIST_ONLY = ("state", "all", "new", "assignee", "reason", "window", "limit")
_SAMPLE, _BANDS, _NAME = 200, 10, 60
Act = Callable[[str], object]


class Command(base.Command):
    help = (
        "List the error groups that nobody has dealt with, the most frequent first. With the fingerprint of one, show it "
        "with its notes. With --acknowledge, --resolve, --ignore, --reopen, --assign, --unassign or --note, change the given "
        "groups; exit code 1 if any can't be changed. To retry the failed jobs of a group, use retry_jobs --error."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fingerprints", nargs="*", metavar="FINGERPRINT", help="fingerprints of error groups")
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--acknowledge", action="store_true", help="say that somebody takes care of them, until they occur again"
        )
        action.add_argument("--resolve", action="store_true", help="say that their cause is removed")
        action.add_argument(
            "--ignore",
            type=_until,
            metavar="UNTIL",
            help="leave them out of what is to do, whatever occurs: for so long (8h, 7d), or until a date or time, which is "
            "in UTC unless it names its zone (2026-12-01, 2026-12-01T06:00Z)",
        )
        action.add_argument("--reopen", action="store_true", help="undo these decisions")
        action.add_argument("--assign", metavar="USERNAME", help="assign them to a person who may handle errors")
        action.add_argument("--unassign", action="store_true", help="assign them to nobody")
        parser.add_argument("--note", help="a note for others: alone, or with --acknowledge, --resolve or --ignore")
        states = parser.add_mutually_exclusive_group()
        states.add_argument(
            "--state",
            action="append",
            choices=list(map(str, ErrorState)),
            help="list groups in this state; repeatable; default: open and regressed",
        )
        states.add_argument("--all", action="store_true", help="list groups in any state")
        parser.add_argument(
            "--new", action="store_true", help=f"list only open groups first seen within {stats.NEW_HOURS} hours"
        )
        parser.add_argument("--assignee", metavar="USERNAME", help="list only groups of this person, or of nobody")
        parser.add_argument("--reason", help="list only groups with this reason, such as playlistNotFound")
        parser.add_argument(
            "--window",
            type=_window,
            help=f"list and count errors of so many hours (24h) or days (7d), or all; default: {DEFAULT_WINDOW}",
        )
        parser.add_argument("--limit", type=base.how_many, help=f"list so many at most; default: {DEFAULT_LIMIT}")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        fingerprints = list(dict.fromkeys(options["fingerprints"]))
        action = self._action(options)
        for name in _LIST_ONLY if action or fingerprints else ():
            if options[name] not in (None, False):
                self.refuse_arguments(f"Use --{name} for lists only.")
        if action:
            if not fingerprints:
                self.refuse_arguments("Give the fingerprints of the groups together with what to do with them.")
            if options["json"]:
                self.refuse_arguments("Use --json for lists and for showing a group.")
            self._change(fingerprints, *action)
        elif len(fingerprints) > 1:
            self.refuse_arguments("Give one fingerprint to show its group, or say what to do with the groups.")
        elif fingerprints:
            self._show(fingerprints[0], options)
        else:
            self._list(options)

    def _action(self, options: dict[str, Any]) -> tuple[str, Act, str] | None:
        """Return what to say once it is done, what to do with a group, and what to say if there was nothing to do."""
        actor, note, until = self.actor, options["note"], options["ignore"]
        if options["acknowledge"]:
            already = "It is acknowledged already."
            return "Acknowledged", lambda group: errors.acknowledge_errors(actor, group, note), already
        if options["resolve"]:
            return "Resolved", lambda group: errors.resolve_errors(actor, group, note), ""
        if until is not None:
            until = clock.now() + until if isinstance(until, dt.timedelta) else until
            return f"Ignored until {_time(until)}", lambda group: errors.ignore_errors(actor, group, until, note), ""
        is_assigned = options["assign"] is not None or options["unassign"]
        if note is not None and (options["reopen"] or is_assigned):
            self.refuse_arguments("Use --note alone, or with --acknowledge, --resolve or --ignore.")
        if options["reopen"]:
            return "Reopened", lambda group: errors.reopen_errors(actor, group), "There is nothing to reopen."
        if is_assigned:
            if options["assign"] == "":
                self.refuse_arguments("Give --assign a username. To assign them to nobody, use --unassign.")
            name = options["assign"] or ""
            whom = name or "nobody"
            done, already = f"Assigned to {whom}", f"It is assigned to {whom} already."
            return done, lambda group: errors.assign_errors(actor, group, name), already
        return None if note is None else ("Note added", lambda group: errors.add_error_note(actor, group, note), "")

    def _change(self, fingerprints: Sequence[str], done: str, act: Act, already: str) -> None:
        """Change each of the groups. What is wrong with the arguments themselves is raised before any has changed."""
        changed, messages, refused = 0, {}, 0
        for fingerprint in fingerprints:
            try:
                if act(fingerprint) is False:
                    messages[fingerprint] = already
                else:
                    changed += 1
            except (Conflict, NotFound) as error:
                if len(fingerprints) == 1 or error.field not in (None, "fingerprint"):
                    raise
                messages[fingerprint] = error.message
                refused += 1
        self.print(f"{done}: {changed}.")
        for fingerprint, message in messages.items():
            self.print(f"{fingerprint}: {message}")
        if refused:
            raise CommandError(f"{refused} of {len(fingerprints)} error groups could not be changed.")

    def _show(self, fingerprint: str, options: dict[str, Any]) -> None:
        group, notes = stats.group(fingerprint), stats.notes(fingerprint, MAX_NOTES)
        if options["json"]:
            self.print_json(_as_json(group) | {"notes": [_note_as_json(note) for note in notes]})
            return
        meaning = error_reasons.explain(group.reason)
        self.print(_line(group, " since the beginning"))
        self.print(f"    {group.reason}: {group.sample}")
        if group.message != group.sample:
            self.print(f"    Pattern: {group.message}")
        self.print(f"    {meaning.title}. {meaning.text}")
        self.print(f"    What to do: {meaning.advice}")
        if group.bands:
            more = group.bands - len(names := group.band_names[:_BANDS])
            self.print(f"    Bands: {', '.join(names)}{f' and {more} more' if more else ''}")
        if group.recent_jobs:
            self.print(f"    Newest jobs: {', '.join(f'#{job_id}' for job_id in dict.fromkeys(group.recent_jobs))}")
        if stats.retryable([fingerprint]):
            when = " once its cause is removed" if group.is_permanent else ""
            self.print(f"    To retry its failed jobs{when}: manage.py retry_jobs --error {fingerprint}")
        for note in notes:
            self.print(f"{_time(note.created_at)}  {note.author} {stats.word_of(note)}")
            for line in note.text.splitlines():
                self.print(f"    {line}")

    def _list(self, options: dict[str, Any]) -> None:
        window = options["window"] or DEFAULT_WINDOW
        states = None if options["all"] else options["state"] or list(map(str, UNHANDLED_STATES))
        assignee = None if options["assignee"] is None else _assignee(options["assignee"])
        selection = stats.GroupFilter(stats.start_of(window), states, options["reason"], assignee, options["new"])
        page = stats.groups(selection, limit=options["limit"] or DEFAULT_LIMIT)
        if options["json"]:
            self.print_json(
                {
                    "errors": [_as_json(group) for group in page.groups],
                    "total_errors": page.total,
                    "states": page.by_state,
                    "new_groups": page.new,
                    "as_of": clock.now(),
                }
            )
            return
        if page.groups:
            self.print(f"Error groups with their occurrences{_period(window) or ' since the beginning'}:")
        for group in page.groups:
            self.print(_line(group))
            self.print(f"    {group.reason}: {Truncator(group.sample).chars(_SAMPLE)}")
            if group.note:
                self.print(f"    Note: {Truncator(group.note.splitlines()[0]).chars(_SAMPLE)}")
        for line in _summary(options, window, page, states):
            self.print(line)


def _summary(
    options: dict[str, Any], window: str, page: stats.GroupPage, states: Sequence[str] | None
) -> Iterator[str]:
    """Say how many groups there are in each state, and how to see those that are not listed."""
    where = _period(window)
    if options["assignee"]:
        where += f", assigned to {options['assignee']}"
    if options["reason"]:
        where += f", with the reason {options['reason']}"
    total = sum(page.by_state.values())
    if total == 0:
        further = "" if window == "all" else " --window all looks further back."
        yield f"There are no error groups{where}.{further}"
        return
    selected = (
        page.new if options["new"] else sum(n for state, n in page.by_state.items() if not states or state in states)
    )
    if selected == 0:
        yield "No error group is listed."
    elif more := selected - len(page.groups):
        yield f"{more} more {'is' if more == 1 else 'are'} not listed; see --limit."
    counts = ", ".join(f"{n} {state}" for state, n in page.by_state.items() if n)
    hidden = " Use --all to list all of them." if selected < total and not (options["state"] or options["new"]) else ""
    yield f"Error groups{where}: {counts}.{hidden}"


def _until(text: str) -> dt.datetime | dt.timedelta:
    if re.fullmatch(stats.LENGTH, text):
        return stats.length(text)
    try:
        return base.instant(text)
    except ArgumentTypeError:
        message = f"{text!r} is neither a length of time (8h, 7d) nor a date or time (2026-12-01, 2026-12-01T06:00Z)."
        raise ArgumentTypeError(message) from None


def _window(text: str) -> str:
    if not re.fullmatch(stats.WINDOW, text):
        raise ArgumentTypeError(f"{stats.BAD_WINDOW}")
    return text


def _period(window: str) -> str:
    if window == "all":
        return ""
    number, unit = int(window[:-1]), "hour" if window.endswith("h") else "day"
    return f" in the last {unit}" if number == 1 else f" in the last {number} {unit}s"


def _assignee(name: str) -> int:
    """Return the person's id; 0 for nobody. Raises NotFound."""
    if (person := stats.assignee_id(name)) < 0:
        raise NotFound(f"There is no user “{name[:150]}”.", field="assignee")
    return person


def _line(group: stats.GroupFigures, period: str = "") -> str:
    """Return the figures of a group; `period` says of when they are, unless a heading does."""
    kind = "permanent" if group.is_permanent else "temporary"
    occurrences = "1 occurrence" if group.count == 1 else f"{group.count} occurrences"
    bands = "1 band" if group.bands == 1 else f"{group.bands} bands"
    if group.bands == 1 and any(group.band_names):
        bands = Truncator(group.band_names[0]).chars(_NAME)
    seen = f"first seen {_time(group.first_seen_at)}, last seen {_time(group.last_at)}"
    assigned = f"  assigned to {group.assignee}" if group.assignee else ""
    return f"{group.fingerprint}  {_state(group)}  {kind}  {occurrences}{period}, {bands}  {seen}{assigned}"


def _state(group: stats.GroupFigures) -> str:
    if group.state == ErrorState.ACKNOWLEDGED:
        return f"acknowledged by {group.acknowledged_by}"
    if group.state == ErrorState.RESOLVED:
        return f"resolved by {group.resolved_by}"
    if group.state == ErrorState.REGRESSED:
        return f"regressed after {group.resolved_by} resolved it"
    if group.state == ErrorState.IGNORED and group.ignored_until:
        return f"ignored until {_time(group.ignored_until)} by {group.ignored_by}"
    if group.has_come_back and group.acknowledged_by:
        return f"open again after {group.acknowledged_by} acknowledged it"
    return "new" if group.is_new else "open"


def _time(time: dt.datetime) -> str:
    return f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _as_json(group: stats.GroupFigures) -> dict[str, Any]:
    """Return the group with the keys that the API gives it."""
    return {
        "fingerprint": group.fingerprint,
        "reason": group.reason,
        "error_message": group.sample,
        "error_pattern": group.message,
        "is_permanent": group.is_permanent,
        "count": group.count,
        "affected_bands": group.band_names,
        "affected_band_count": group.bands,
        "first_occurred": group.first_seen_at,
        "last_occurred": group.last_at,
        "acknowledged_at": group.acknowledged_at,
        "acknowledged_by": group.acknowledged_by,
        "has_come_back": group.has_come_back,
        "note": group.note,
        "recent_job_ids": [str(job_id) for job_id in group.recent_jobs],
        "state": group.state,
        "is_new": group.is_new,
        "resolved_at": group.resolved_at,
        "resolved_by": group.resolved_by,
        "ignored_until": group.ignored_until,
        "ignored_by": group.ignored_by,
        "assignee": group.assignee,
    }


def _note_as_json(note: ErrorNote) -> dict[str, Any]:
    return {
        "id": str(note.pk),
        "author": note.author,
        "action": note.action,
        "subject": note.subject,
        "text": note.text,
        "created_at": note.created_at,
    }
