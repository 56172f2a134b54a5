"""The page that triggers syncs, with an estimate of their cost."""

from __future__ import annotations

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
from ..operations.waiting import pauses
from ..stats import estimates
from ..templatetags.monitor import number
from ..youtube.costs import Bucket
from .core import links
from .core.job_filters import band_named, sync_obstacle
from .core.pages import actor_of, is_part, report, show

_TYPES = ((JobType.INCREMENTAL_SYNC, False), (JobType.FULL_SYNC, True))


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """What the form asks for. `bands` is None for all bands."""

    bands: list[Band] | None
    full: bool
    force: bool
    priority: int | None
    problems: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether no band is selected."""
        return self.bands is not None and not self.bands


def read(data: QueryDict) -> TriggerRequest:
    """Read the form, or the query string that presets it (`band`: ids; `named`: a typed name)."""
    problems = []
    everything = data.get("scope", "some" if "band" in data else "all") == "all"
    ids = set(parse_numbers(data.getlist("band")))
    bands = [] if everything else list(Band.objects.filter(pk__in=ids).order_by("name", "pk"))
    if not everything and len(bands) < len(ids):
        problems.append(_("A selected band no longer exists."))
    if not everything and (text := data.get("named", "").strip()):
        band, problem = band_named(text)
        if band is None:
            problems.append(problem)
        elif band not in bands:
            bands.append(band)
    priority = data.get("priority", "")
    if priority and priority not in map(str, Priority.values):
        problems.append(_("Priority must be one of those listed."))
        priority = ""
    return TriggerRequest(
        None if everything else bands,
        data.get("type") == JobType.FULL_SYNC,
        bool(data.get("force")),
        int(priority) if priority else None,
        problems,
    )


def trigger(request: HttpRequest) -> HttpResponse:
    """Show the form with its estimate, or for htmx the estimate alone. POST triggers."""
    is_post = request.method == "POST"
    wanted = read(request.POST if is_post else request.GET)
    if is_part(request) and not is_post:
        return render(request, "syncjobs/jobs/estimate.html", _estimate(wanted))
    refusals: list[DomainError] = []
    if is_post and wanted.is_empty and not wanted.problems:
        wanted.problems.append(_("Select a band, or all bands."))
    if is_post and not wanted.problems:
        try:
            response, refusals = _trigger(request, wanted)
        except DomainError as error:
            wanted.problems.append(error.message)
        else:
            if response is not None:
                return response
    return show(
        request,
        "syncjobs/jobs/trigger.html",
        _context(wanted, refusals) | {"action": request.path},
        title=_("Trigger sync"),
        crumbs=((links.jobs(), _("Sync jobs")),),
        status=422 if is_post else 200,
    )


def _context(wanted: TriggerRequest, refusals: list[DomainError]) -> dict[str, Any]:
    return {
        **_estimate(wanted),
        "wanted": wanted,
        "selected": [(band, sync_obstacle(band)) for band in wanted.bands or ()],
        "types": [(kind.value, kind.label, full == wanted.full) for kind, full in _TYPES],
        "priorities": [(value, label, value == wanted.priority) for value, label in Priority.choices],
        "refusals": [error.message for error in refusals],
        "may_force": any(isinstance(error, RecentlySynced) for error in refusals),
        "has_bands": Band.objects.exists(),
        "back": links.jobs(),
    }


def _trigger(request: HttpRequest, wanted: TriggerRequest) -> tuple[HttpResponse | None, list[DomainError]]:
    """Trigger the syncs. Return the response, or None and the reasons if nothing was queued."""
    actor, options = actor_of(request), {"full": wanted.full, "force": wanted.force, "priority": wanted.priority}
    if wanted.bands is None:
        return _redirect(request, [triggers.trigger_sync(actor, None, **options)], []), []  # type: ignore[arg-type]
    outcomes = triggers.trigger_bands(actor, wanted.bands, **options).values()  # type: ignore[arg-type]
    created = [outcome for outcome in outcomes if isinstance(outcome, Created)]
    refused: list[DomainError] = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    return (_redirect(request, created, refused), []) if created else (None, refused)


def _redirect(request: HttpRequest, created: list[Created], refused: list[DomainError]) -> HttpResponse:
    """Go to the job, or to the list of several jobs, with a message."""
    new = [each.job for each in created if each.is_new]
    if len(created) == 1:
        text, target = triggers.describe(created[0]), links.job(created[0].job.pk)
    else:
        text = ngettext("%s job is queued.", "%s jobs are queued.", len(new)) % number(len(new))
        if others := len(created) - len(new):
            more = ngettext("%s was already queued or running.", "%s were already queued or running.", others)
            text += " " + more % number(others)
        if kept := sum("priority" in each.kept for each in created):
            more = ngettext("%s of them keeps its priority.", "%s of them keep their priority.", kept)
            text += " " + more % number(kept)
        text = f"{text} {pauses({each.job.pk for each in created})}".rstrip()
        target = _new_jobs(new) if new else links.jobs(status="QUEUED,IN_PROGRESS")
    if refused:
        text = " ".join([text, *_first(error.message for error in refused)])
    return report(request, text, target, redirect=True)


def _first(messages: Iterable[str], limit: int = 3) -> list[str]:
    texts = list(messages)
    rest = len(texts) - limit
    return texts if rest <= 0 else [*texts[:limit], _("%s more were refused.") % rest]


def _new_jobs(jobs: list[SyncJob]) -> str:
    """Return the URL of the list of exactly these jobs: by requester and creation time."""
    times = [job.created_at for job in jobs]
    return links.jobs(
        requested_by=jobs[0].requested_by_label, start_date=min(times).isoformat(), end_date=max(times).isoformat()
    )


def _estimate(wanted: TriggerRequest) -> dict[str, Any]:
    if wanted.is_empty:
        return {"estimate": None, "problems": wanted.problems}
    estimate = estimates.estimate(wanted.bands, full=wanted.full, force=wanted.force)
    return {
        "estimate": estimate,
        "units": estimate.units[Bucket.MAIN.value],
        "is_all": wanted.bands is None,
        "active": triggers.active_for_all(full=wanted.full) if wanted.bands is None else None,
        "is_probe": wanted.bands is None and not wanted.full,
        "is_several": bool(wanted.bands and estimate.bands > 1),
    }
