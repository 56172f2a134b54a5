"""Pausing and resuming bands: the questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..audit.actors import Actor
from ..operations import band_pauses
from .core.pages import Question, ask, report, style
from .queues import PauseForm


def ask_to_pause(request: HttpRequest, bands: Sequence[Band], back: str) -> HttpResponse:
    """Ask for a reason, then pause the bands."""
    if not bands:
        return _nothing(request, back)
    title = ngettext("Pause %(band)s?", "Pause %(n)s bands?", len(bands))
    question = Question(
        title=title % _values(bands),
        text=ngettext(
            "None of its jobs starts until someone resumes it. Running jobs finish.",
            "None of their jobs starts until someone resumes them. Running jobs finish.",
            len(bands),
        ),
        button=_("Pause"),
        back=back,
        parent=_("Bands"),
        icon="pause",
        details=_details(bands, _("Syncs of all bands go on without it.") if len(bands) == 1 else ""),
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        paused = [band for band in bands if band_pauses.pause_band(actor, band.pk, values["reason"])]
        if not paused:
            return _("It was already paused.")
        return ngettext("%(band)s is paused.", "%(n)s bands are paused.", len(paused)) % _values(paused)

    return ask(request, question, do, form=style(PauseForm(request.POST if request.method == "POST" else None)))


def ask_to_resume(request: HttpRequest, bands: Sequence[Band], back: str) -> HttpResponse:
    """Confirm, then resume the bands."""
    if not bands:
        return _nothing(request, back)
    title = ngettext("Resume %(band)s?", "Resume %(n)s bands?", len(bands))
    question = Question(
        title=title % _values(bands),
        text=ngettext("Workers start its queued jobs again.", "Workers start their queued jobs again.", len(bands)),
        button=_("Resume"),
        back=back,
        parent=_("Bands"),
        icon="play",
        details=_details(bands, ""),
    )

    def do(actor: Actor, _cleaned: dict[str, Any]) -> str:
        resumed = [band for band in bands if band_pauses.resume_band(actor, band.pk)]
        if not resumed:
            return _("It was not paused.")
        return ngettext("%(band)s is resumed.", "%(n)s bands are resumed.", len(resumed)) % _values(resumed)

    return ask(request, question, do)


def _values(bands: Sequence[Band]) -> dict[str, object]:
    return {"band": bands[0].name, "n": len(bands)}


def _details(bands: Sequence[Band], more: str) -> list[str]:
    names = [band.name for band in bands] if len(bands) > 1 else []
    return [*names, *([more] if more else [])]


def _nothing(request: HttpRequest, back: str) -> HttpResponse:
    return report(request, _("No band is selected. Select at least one."), back, level="error")
