"""Saving the filters of the list of jobs under a name, and deleting what was saved."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..exceptions import InvalidInput
from ..listing import query
from ..operations import presets
from .core import links
from .core.job_filters import Filters, sentence_of
from .core.pages import Question, ask, page, style


class PresetForm(forms.Form):
    """Under which name the filters are saved, and for whom."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=presets.MAX_NAME)
    shared = forms.BooleanField(
        label=gettext_lazy("Shared: everybody sees it"),
        required=False,
        help_text=gettext_lazy("Otherwise only you do."),
    )


@page("syncjobs.view_syncjob", posts=True)
def save(request: HttpRequest) -> HttpResponse:
    """Ask for a name, and save what the address narrows the list to."""
    values = {name: value for name, value in Filters.read(request.GET).values.items() if name not in ("page", "limit")}
    form = PresetForm(request.POST if request.method == "POST" else None)
    if not request.user.has_perm("syncjobs.share_filterpreset"):
        del form.fields["shared"]
    back = Filters(values).url()
    question = Question(
        title=_("Save these filters"),
        text=_("They are kept under a name beside the list, for one click."),
        button=_("Save"),
        back=back,
        icon="star",
    )
    return ask(
        request, question, lambda actor, given: _save(actor, request, values, given), form=style(form), then=back
    )


def _save(actor: Actor, request: HttpRequest, values: dict[str, str], given: dict[str, Any]) -> str:
    if not values:
        raise InvalidInput(_("No filter is set, so there is nothing to save."))
    try:
        filters = query.filters_of(values, "filters")
    except InvalidInput as error:
        raise InvalidInput(sentence_of(error)) from None
    saved = presets.save(actor, request.user, name=given["name"], filters=filters, shared=given.get("shared") or None)
    return _("The filters are saved as “%s”.") % saved.name


@page("syncjobs.view_syncjob", posts=True)
def delete(request: HttpRequest, preset_id: int) -> HttpResponse:
    """Ask, then delete."""
    preset = presets.get(request.user, preset_id)
    question = Question(
        title=_("Delete the preset “%s”?") % preset.name,
        text=_("Everybody loses it: it is shared.") if preset.is_shared else _("Only you see it. No job changes."),
        button=_("Delete"),
        back=Filters(preset.filters).url(),
        icon="trash",
        is_danger=True,
    )
    return ask(request, question, lambda actor, _values: _delete(actor, request, preset_id), then=links.jobs())


def _delete(actor: Actor, request: HttpRequest, preset_id: int) -> str:
    presets.delete(actor, request.user, preset_id)
    return _("The preset is deleted.")


PAGES = (
    ("jobs/presets/save/", save, "syncjobs_filterpreset_add"),
    ("jobs/presets/<id:preset_id>/delete/", delete, "syncjobs_filterpreset_delete"),
)
