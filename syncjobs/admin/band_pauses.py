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
from .core.pages import Question, ask, refuse, report, style
from .queues import PauseForm, not_paused, paused_already


class BandPauseForm(PauseForm):
    """The reason for a pause, shown to everyone who sees the band."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].help_text = _("Shown next to the band and kept in the audit log.")


def ask_to_pause(request: HttpRequest, bands: Sequence[Band], back: str, parent: str = "") -> HttpResponse:
    """Ask for a reason, then pause the bands."""
    if not bands:
        return nothing_selected(request, back)
    unpaused = [band for band in bands if band.paused_at is None]
    if not unpaused and (refusal := refuse(request, _paused_already(bands), back)):
        return refusal
    bands = unpaused or bands
    many = ngettext("Pause %(n)s band?", "Pause %(n)s bands?", len(bands))
    question = Question(
        title=_named(bands, _("Pause %(band)s?"), many),
        text=ngettext(
            "None of its jobs starts until someone resumes it. Running jobs finish.",
            "None of their jobs starts until someone resumes them. Running jobs finish.",
            len(bands),
        ),
        button=_("Pause"),
        back=back,
        parent=parent,
        icon="pause",
        details=[
            *_names(bands),
            *([_("Syncs of all bands go on without it.")] if len(bands) == 1 else []),
            _("New videos that push or a feed reports are still stored: they cost no quota."),
        ],
    )

    def do(actor: Actor, values: dict[str, Any]) -> str:
        paused = [band for band in bands if band_pauses.pause_band(actor, band.pk, values["reason"])]
        if not paused:
            return _("It was already paused.")
        many = ngettext("%(n)s band is paused.", "%(n)s bands are paused.", len(paused))
        return _named(paused, _("%(band)s is paused."), many)

    return ask(request, question, do, form=style(BandPauseForm(request.POST if request.method == "POST" else None)))


def ask_to_resume(request: HttpRequest, bands: Sequence[Band], back: str, parent: str = "") -> HttpResponse:
    """Confirm, then resume the bands."""
    if not bands:
        return nothing_selected(request, back)
    paused = [band for band in bands if band.paused_at is not None]
    if not paused and (refusal := refuse(request, _not_paused(bands), back)):
        return refusal
    bands = paused or bands
    many = ngettext("Resume %(n)s band?", "Resume %(n)s bands?", len(bands))
    question = Question(
        title=_named(bands, _("Resume %(band)s?"), many),
        text=ngettext("Workers start its queued jobs again.", "Workers start their queued jobs again.", len(bands)),
        button=_("Resume"),
        back=back,
        parent=parent,
        icon="play",
        details=_names(bands),
    )

    def do(actor: Actor, _cleaned: dict[str, Any]) -> str:
        resumed = [band for band in bands if band_pauses.resume_band(actor, band.pk)]
        if not resumed:
            return _("It was not paused.")
        many = ngettext("%(n)s band is resumed.", "%(n)s bands are resumed.", len(resumed))
        return _named(resumed, _("%(band)s is resumed."), many)

    return ask(request, question, do)


def _paused_already(bands: Sequence[Band]) -> str:
    if len(bands) > 1:
        return _("The selected bands are paused already.")
    return paused_already(bands[0].name, bands[0])


def _not_paused(bands: Sequence[Band]) -> str:
    return _("None of the selected bands is paused.") if len(bands) > 1 else not_paused(bands[0].name)


def _named(bands: Sequence[Band], one: str, many: str) -> str:
    """Name the band, or say how many there are."""
    return one % {"band": bands[0].name} if len(bands) == 1 else many % {"n": len(bands)}


def _names(bands: Sequence[Band]) -> list[str]:
    return [band.name for band in bands] if len(bands) > 1 else []


def nothing_selected(request: HttpRequest, back: str) -> HttpResponse:
    """Report that no band is selected."""
    return report(request, _("No band is selected. Select at least one."), back, level="error")
