"""What does not answer at the moment, in words: the notes on top of every live page; and how many alerts there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...choices import QueueName
from ...live import health as live_health
from ...live.health import AlertCounts, Health, Problem

_SHOWN = 3
_NOTED = "syncjobs.health"
PERMISSION = "syncjobs.view_queue"


@dataclass(frozen=True, slots=True)
class Note:
    """One sentence about all problems of a kind, and since when the first of them lasts."""

    text: str
    urgent: bool
    since: dt.datetime | None = None
    url: str = ""
    link: str = ""


def note(request: HttpRequest) -> Health:
    """Read the health of the site before the view does anything, and keep it for the rest of the request."""
    request.META[_NOTED] = known = live_health.current()
    return known


def noted(request: HttpRequest) -> Health | None:
    """Return the health of the site as it was noted before the view began, if it was."""
    known: Health | None = request.META.get(_NOTED)
    return known


def health_of(request: HttpRequest) -> Health:
    """Return the health of the site, which is read only once for a request."""
    return noted(request) or note(request)


def alert_counts(request: HttpRequest) -> AlertCounts | None:
    """Return how many alerts there are, if the user may know it."""
    return health_of(request).alerts if request.user.has_perm("syncjobs.view_alert") else None


def context_of(request: HttpRequest, health: Health, *, is_quiet: bool = False) -> dict[str, Any]:
    """Return what the template of the notes shows: nothing if the page `is_quiet`, because it has the strip of alerts."""
    return {
        "version": health.version,
        "is_urgent": any(problem.urgent for problem in health.problems),
        "problems": [] if is_quiet else notes_of(request, health.problems),
        "url": reverse("admin:health") + ("?quiet=1" if is_quiet else ""),
    }


def notes_of(request: HttpRequest, found: Sequence[Problem]) -> list[Note]:
    """Return a note for each kind of problem, the urgent ones first."""
    kinds: dict[tuple[str, bool], list[Problem]] = {}
    for problem in found:
        kinds.setdefault((problem.code, problem.urgent), []).append(problem)
    notes = [_note(request, code, urgent, problems) for (code, urgent), problems in kinds.items()]
    return sorted(notes, key=lambda note: not note.urgent)


def _note(request: HttpRequest, code: str, urgent: bool, problems: Sequence[Problem]) -> Note:
    since = min((problem.since for problem in problems if problem.since), default=None)
    text = _TEXTS[code](problems)
    if code in ("worker_silent", "worker_failing") and not urgent:
        text += " " + _("Other workers serve the same queues.")
    if code in ("worker_silent", "worker_failing", "no_worker") and request.user.has_perm("syncjobs.view_worker"):
        return Note(text, urgent, since, reverse("admin:syncjobs_worker_changelist"), _("Workers"))
    return Note(text, urgent, since)


def _silent(problems: Sequence[Problem]) -> str:
    pattern = ngettext("Worker %(names)s does not respond.", "%(n)s workers do not respond: %(names)s.", len(problems))
    return pattern % {"n": len(problems), "names": _names(problems)}


def _failing(problems: Sequence[Problem]) -> str:
    pattern = ngettext(
        "Worker %(names)s reports, but its tasks fail.",
        "%(n)s workers report, but their tasks fail: %(names)s.",
        len(problems),
    )
    return pattern % {"n": len(problems), "names": _names(problems)}


def _unserved(problems: Sequence[Problem]) -> str:
    names = ", ".join(str(QueueName(problem.name).label) for problem in problems)
    return _("No worker is running for %(queues)s, so the jobs there wait.") % {"queues": names}


def _no_scheduler(_problems: Sequence[Problem]) -> str:
    return _("No scheduler is running, so schedules trigger nothing.")


def _youtube(_problems: Sequence[Problem]) -> str:
    return _("YouTube does not answer. Jobs retry automatically.")


def _alerts_late(_problems: Sequence[Problem]) -> str:
    return _("Alerts are not evaluated, so some may be missing. Read the workers' logs.")


_TEXTS = {
    "worker_silent": _silent,
    "worker_failing": _failing,
    "no_worker": _unserved,
    "no_scheduler": _no_scheduler,
    "youtube_silent": _youtube,
    "alerts_late": _alerts_late,
}


def _names(problems: Sequence[Problem]) -> str:
    names = ", ".join(problem.name for problem in problems[:_SHOWN])
    return names + ", …" if len(problems) > _SHOWN else names
