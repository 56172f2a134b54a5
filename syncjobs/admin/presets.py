"""Saving the filters of the list of jobs as a preset, and deleting presets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..exceptions import InvalidInput
from ..listing import filters as listing_filters
from ..models import FilterPreset
from ..operations import presets
from .core import links
from .core.job_filters import Filters, sentence_of
from .core.model_admin import PageAdmin, id_of, requires
from .core.pages import Question, ask, style
from .site import site


class PresetForm(forms.Form):
    """The name of a preset, and who sees it."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=presets.MAX_NAME)
    shared = forms.BooleanField(
        label=gettext_lazy("Shared: everyone sees it"),
        required=False,
        help_text=gettext_lazy("Otherwise only you see it."),
    )


@admin.register(FilterPreset, site=site)
class PresetAdmin(PageAdmin):
    """Presets are saved and deleted from the list of jobs; `operations.presets` decides who may change which."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("syncjobs.view_syncjob")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("syncjobs.view_syncjob")

    @requires("add", post=True)
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Ask for a name, then save the filters in the query string."""
        filters = Filters(
            {name: value for name, value in Filters.read(request).values.items() if name not in ("page", "limit")}
        )
        form = PresetForm(request.POST if request.method == "POST" else None)
        if not request.user.has_perm("syncjobs.share_filterpreset"):
            del form.fields["shared"]
        question = Question(
            title=_("Save these filters"),
            text=_("They appear next to the list under this name, one click away."),
            button=_("Save"),
            back=filters.url(),
            icon="star",
        )

        def do(actor: Actor, values: dict[str, Any]) -> str:
            saved = presets.save(
                actor, request.user, name=values["name"], filters=_checked(filters), shared=values.get("shared") or None
            )
            return _("The filters are saved as “%s”.") % saved.name

        return ask(request, question, do, form=style(form), then=question.back)

    @requires("delete", post=True)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Confirm, then delete."""
        preset = presets.get(request.user, id_of(object_id))
        question = Question(
            title=_("Delete the preset “%s”?") % preset.name,
            text=_("It is shared: it disappears for everyone.")
            if preset.is_shared
            else _("Only you see it. No job changes."),
            button=_("Delete"),
            back=Filters(preset.filters).url(),
            icon="trash",
            is_danger=True,
        )

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            presets.delete(actor, request.user, preset.pk)
            return _("The preset is deleted.")

        return ask(request, question, do, then=links.jobs())


def _checked(filters: Filters) -> dict[str, str]:
    """Return the filters if the list accepts them. Raises InvalidInput."""
    if not filters.values:
        raise InvalidInput(_("No filter is set, so there is nothing to save."))
    try:
        return listing_filters.filters_of(dict(filters.values), "filters")
    except InvalidInput as error:
        raise InvalidInput(sentence_of(error)) from None
