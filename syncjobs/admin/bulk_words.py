"""The words of the question about many jobs."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import BulkAction
from ..templatetags.monitor import number

Action = BulkAction.Action
ICONS: dict[str, str] = {
    Action.RETRY: "retry",
    Action.CANCEL: "stop",
    Action.RUN: "play",
    Action.DELAY: "clock",
    Action.PRIORITY: "priority",
    Action.FRONT: "front",
}


def title(action: str, count: int) -> str:
    """Return the question."""
    titles = {
        Action.RETRY: ngettext("Retry %s job?", "Retry %s jobs?", count),
        Action.CANCEL: ngettext("Cancel %s job?", "Cancel %s jobs?", count),
        Action.RUN: ngettext("Run %s job now?", "Run %s jobs now?", count),
        Action.DELAY: ngettext("Delay %s job?", "Delay %s jobs?", count),
        Action.PRIORITY: ngettext("Change the priority of %s job?", "Change the priority of %s jobs?", count),
        Action.FRONT: ngettext("Move %s job to the front?", "Move %s jobs to the front?", count),
    }
    return titles[Action(action)] % number(count)


def text(action: str, able: int, total: int, more: int) -> str:
    """Return what happens, or how many of the selected jobs are affected; `more` have joined since it was asked before."""
    values = {"able": number(able), "total": number(total), "more": number(more)}
    if more:
        pattern = ngettext(
            "Nothing was done: %(more)s more job is selected since you were asked. %(able)s of %(total)s are affected now.",
            "Nothing was done: %(more)s more jobs are selected since you were asked."
            " %(able)s of %(total)s are affected now.",
            more,
        )
        return pattern % values
    if able < total:
        pattern = ngettext(
            "%(able)s of the %(total)s selected jobs is affected.",
            "%(able)s of the %(total)s selected jobs are affected.",
            able,
        )
        return pattern % values
    texts = {
        Action.RETRY: ngettext("It runs again as a new job.", "They run again as new jobs.", able),
        Action.CANCEL: ngettext("It will stop where it is.", "They will stop where they are.", able),
        Action.RUN: ngettext("It no longer waits for its time.", "They no longer wait for their time.", able),
        Action.DELAY: ngettext(
            "It does not start before the time below.", "They do not start before the time below.", able
        ),
        Action.PRIORITY: _("Of two waiting jobs, the one with the higher priority starts first."),
        Action.FRONT: ngettext(
            "It starts before all other jobs of its queue.",
            "They start before all other jobs of their queues, the oldest first.",
            able,
        ),
    }
    return texts[Action(action)]


def details(action: str, able: int, total: int) -> list[str]:
    """Return why some of the selected jobs are excluded, and what else to know."""
    found = []
    if total > able:
        excluded = ngettext("%s is excluded: ", "%s are excluded: ", total - able) % number(total - able)
        found.append(excluded + _reasons()[Action(action)])
    if action == Action.RETRY:
        found.append(_("Jobs that do the same share a new one, unless one that is queued or running does it already."))
    if action == Action.CANCEL:
        found.append(_("Queued jobs are cancelled at once; running jobs stop within one call to YouTube."))
    if action in (Action.RUN, Action.DELAY, Action.PRIORITY, Action.FRONT):
        found.append(_("For all-bands jobs, this applies to their queued child jobs too."))
    return found


def _reasons() -> dict[Action, str]:
    queued = _("only queued jobs can be changed.")
    return {
        Action.RETRY: _("only failed and cancelled jobs can be retried."),
        Action.CANCEL: _("they have already ended or are being cancelled."),
        Action.RUN: _("only delayed jobs can be run now."),
        Action.DELAY: queued,
        Action.PRIORITY: queued,
        Action.FRONT: queued,
    }


def none_of(action: str, total: int) -> str:
    """Return why none of the selected jobs is affected."""
    if action == Action.RETRY:
        pattern = ngettext(
            "The selected job can't be retried: only failed and cancelled jobs can.",
            "None of the %(n)s selected jobs can be retried: only failed and cancelled jobs can.",
            total,
        )
    elif action == Action.CANCEL:
        pattern = ngettext(
            "The selected job can't be cancelled: it has already ended or is being cancelled.",
            "None of the %(n)s selected jobs can be cancelled: they have already ended or are being cancelled.",
            total,
        )
    elif action == Action.RUN:
        pattern = ngettext(
            "The selected job is not delayed.",
            "None of the %(n)s selected jobs is delayed.",
            total,
        )
    else:
        pattern = ngettext(
            "The selected job can't be changed: only queued jobs can.",
            "None of the %(n)s selected jobs can be changed: only queued jobs can.",
            total,
        )
    return pattern % {"n": number(total)}
