"""Asking for syncs: what they will cost, and then for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band
from bands.text import parse_numbers

from ..choices import JobType, Priority
from ..engine.enqueue import Created
from ..exceptions import DomainError, RecentlySynced
from ..models import SyncJob
from ..operations import triggers
from ..stats import estimates
from ..templatetags.monitor import number
from ..youtube.costs import Bucket
from .core import links
from .core.job_filters import band_named, why_not
from .core.pages import actor_of, is_part, page, show, told

_TYPES = ((JobType.INCREMENTAL_SYNC, False), (JobType.FULL_SYNC, True))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form says. `bands` is None for all of them."""

    bands: list[Band] | None
    full: bool
    force: bool
    priority: int | None
    problems: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no band is chosen, and not all of them either."""
        return self.bands is not None and not self.bands


def read(data: QueryDict) -> Wanted:
    """The form as sent, or as an address presets it (`band`, ids; `named`, what was typed)."""
    problems = []
    everything = data.get("scope", "some" if "band" in data else "all") == "all"
    ids = set(parse_numbers(data.getlist("band")))
    bands = [] if everything else list(Band.objects.filter(pk__in=ids).order_by("name", "pk"))
    if not everything and len(bands) < len(ids):
        problems.append(_("A band that was chosen is no longer there."))
    if not everything and (text := data.get("named", "").strip()):
        band, problem = band_named(text)
        if band is None:
            problems.append(problem)
        elif band not in bands:
            bands.append(band)
    priority = data.get("priority", "")
    if priority and priority not in map(str, Priority.values):
        problems.append(_("Priority is one of those listed."))
        priority = ""
    return Wanted(
        None if everything else bands,
        data.get("type") == JobType.FULL_SYNC,
        bool(data.get("force")),
        int(priority) if priority else None,
        problems,
    )


@page("syncjobs.trigger_sync", posts=True)
def trigger(request: HttpRequest) -> HttpResponse:
    """The form with its estimate; POST triggers. As a part of the page: the estimate alone."""
    is_post = request.method == "POST"
    wanted = read(request.POST if is_post else request.GET)
    if is_part(request) and not is_post:
        return render(request, "syncjobs/jobs/estimate.html", _estimate(wanted))
    refusals: list[DomainError] = []
    if is_post and not wanted.problems:
        if wanted.is_empty:
            wanted.problems.append(_("Choose a band, or all of them."))
        else:
            try:
                answer, refusals = _trigger(request, wanted)
            except DomainError as error:
                wanted.problems.append(error.message)
            else:
                if answer is not None:
                    return answer
    context = {
        **_estimate(wanted),
        "wanted": wanted,
        "chosen": [(band, why_not(band)) for band in wanted.bands or ()],
        "types": [(kind.value, kind.label, full == wanted.full) for kind, full in _TYPES],
        "priorities": [(value, label, value == wanted.priority) for value, label in Priority.choices],
        "refusals": [error.message for error in refusals],
        "may_force": any(isinstance(error, RecentlySynced) for error in refusals),
        "action": request.path,
        "back": links.jobs(),
    }
    return show(
        request,
        "syncjobs/jobs/trigger.html",
        context,
        title=_("Trigger sync"),
        crumbs=((links.jobs(), _("Sync jobs")),),
        status=422 if is_post else 200,
    )


def _trigger(request: HttpRequest, wanted: Wanted) -> tuple[HttpResponse | None, list[DomainError]]:
    """Where to go on, or None and why nothing was queued."""
    actor, options = actor_of(request), {"full": wanted.full, "force": wanted.force, "priority": wanted.priority}
    if wanted.bands is None:
        return _to(request, [triggers.trigger_sync(actor, None, **options)], []), []  # type: ignore[arg-type]
    outcomes = triggers.trigger_bands(actor, wanted.bands, **options).values()  # type: ignore[arg-type]
    created = [outcome for outcome in outcomes if isinstance(outcome, Created)]
    refused: list[DomainError] = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    return (_to(request, created, refused), []) if created else (None, refused)


def _to(request: HttpRequest, created: list[Created], refused: list[DomainError]) -> HttpResponse:
    """One job is watched on its own page, several in the list."""
    new = [each.job for each in created if each.is_new]
    if len(created) == 1:
        job = created[0].job
        if new:
            text = _("Job #%s is queued.")
        elif created[0].is_raised:
            text = _("Job #%s was queued already, and has taken on the priority or force that you asked for.")
        else:
            text = _("Job #%s does the same already: it was queued or running.")
        text, target = text % job.pk, links.job(job.pk)
    else:
        text = ngettext("%s job is queued.", "%s jobs are queued.", len(new)) % number(len(new))
        if len(new) < len(created):
            text += " " + _("Others of them were queued or running already.")
        target = _new_jobs(new) if new else links.jobs(status="QUEUED,IN_PROGRESS")
    if refused:
        text = " ".join([text, *_first(error.message for error in refused)])
    return told(request, text, target, goes=True)


def _first(messages: Iterable[str], most: int = 3) -> list[str]:
    found = list(messages)
    rest = len(found) - most
    return found if rest <= 0 else [*found[:most], _("And %s more were refused.") % rest]


def _new_jobs(jobs: list[SyncJob]) -> str:
    """The list of exactly these jobs: by who asked for them, and the instants between which they were created."""
    times = [job.created_at for job in jobs]
    end = max(times) + dt.timedelta(microseconds=1)
    return links.jobs(requestedBy=jobs[0].requested_by_label, startDate=min(times).isoformat(), endDate=end.isoformat())


def _estimate(wanted: Wanted) -> dict[str, Any]:
    if wanted.is_empty:
        return {"estimate": None}
    found = estimates.estimate(wanted.bands, full=wanted.full, force=wanted.force)
    return {
        "estimate": found,
        "units": found.units[Bucket.MAIN.value],
        "is_several": bool(wanted.bands and found.bands > 1),
    }


PAGES = (("jobs/trigger/", trigger, "syncjobs_syncjob_add"),)
