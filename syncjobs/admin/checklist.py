"""The first steps of a new site, on its dashboard."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from ..audit.actors import Actor
from ..operations import checklist
from ..operations.checklist import Step
from .core import links
from .core.pages import Question, ask

PERMISSION = "bands.add_band"
"""Those who may add bands set a site up. Others have nothing to do here."""
_FEW = 2
_GOOGLE = "https://console.cloud.google.com/apis/credentials"
_TEXTS: dict[Step, tuple[str | Promise, str | Promise]] = {
    Step.KEY: (
        gettext_lazy("YouTube key"),
        gettext_lazy("Create a key of the YouTube Data API v3, and set YOUTUBE_API_KEY on the server."),
    ),
    Step.BAND: (
        gettext_lazy("First band"),
        gettext_lazy("There are no bands yet. Add one with its YouTube channel, or import a list."),
    ),
    Step.WORKER: (gettext_lazy("Worker"), gettext_lazy("Start a worker on the server. It runs the jobs.")),
    Step.SCHEDULE: (
        gettext_lazy("Schedule"),
        gettext_lazy("Without one, bands are synced only when someone triggers a sync."),
    ),
    Step.CHANNEL: (
        gettext_lazy("Alert channel"),
        gettext_lazy("Say who is told, and how, when something needs a person."),
    ),
}


def steps(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the checklist: no rows if there is nothing left to do, and only what is if that is little."""
    done = checklist.remaining() or {}
    is_short = len(done) - sum(done.values()) <= _FEW
    rows = [
        {"code": step.value, "title": title, "text": text, "is_done": done[step], "links": _links(step)}
        for step, (title, text) in _TEXTS.items()
        if step in done and not (is_short and done[step])
    ]
    return {"rows": rows, "done": sum(done.values()), "total": len(done)}


def _links(step: Step) -> list[tuple[str, str]]:
    """Return the (label, URL) of the pages where the step is done."""
    return {
        Step.KEY: [(_("Google console"), _GOOGLE)],
        Step.BAND: [(_("Add a band"), links.page("bands_band_add")), (_("Import bands"), reverse("admin:import"))],
        Step.WORKER: [(_("Workers"), links.page("syncjobs_worker_changelist"))],
        Step.SCHEDULE: [(_("Schedules"), links.page("django_celery_beat_periodictask_changelist"))],
        Step.CHANNEL: [(_("Add channel"), links.page("syncjobs_alertchannel_add"))],
    }[step]


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(PERMISSION, raise_exception=True)
def dismiss(request: HttpRequest) -> HttpResponse:
    """Confirm, then dismiss the checklist for everybody."""
    question = Question(
        title=_("Dismiss the first steps?"),
        text=_("Nobody sees them again. What is still to do can be done on the pages that they link to."),
        button=_("Dismiss"),
        icon="check",
        back=reverse("admin:index"),
    )

    def do(actor: Actor, _values: dict[str, Any]) -> str:
        dismissed = checklist.dismiss(actor)
        return _("The first steps are dismissed.") if dismissed else _("They were dismissed before.")

    return ask(request, question, do, then=question.back)
