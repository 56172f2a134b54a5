"""How a person wants the list of jobs: its columns, density and page size."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..models import Preferences
from ..operations import preferences
from .core.job_filters import Filters
from .core.pages import Question, ask, style
from .job_table import COLUMNS, chosen

SIZES = (20, 50, 100)


class LookForm(forms.Form):
    """What the person may choose. The number, status and actions of a job are always there."""

    columns = forms.MultipleChoiceField(
        label=gettext_lazy("Columns"),
        required=False,
        choices=[(column.name, column.label) for column in COLUMNS],
        widget=forms.CheckboxSelectMultiple,
    )
    density = forms.ChoiceField(
        label=gettext_lazy("Density"),
        choices=[
            (Preferences.Density.COMFORTABLE.value, gettext_lazy("Comfortable")),
            (Preferences.Density.COMPACT.value, gettext_lazy("Compact: one line per job")),
        ],
        widget=forms.RadioSelect,
    )
    limit = forms.TypedChoiceField(
        label=gettext_lazy("Jobs per page"),
        coerce=int,
        choices=[(size, str(size)) for size in SIZES],
        widget=forms.RadioSelect,
    )


def look(request: HttpRequest) -> HttpResponse:
    """Ask for the look of the list with the filters in the query string, and keep it. `limit` alone keeps the rest."""
    back = Filters.read(request).url(limit=None)
    if request.method == "POST" and "density" not in request.POST:
        return _keep_limit(request, back)
    kept = preferences.get(request.user)
    initial = {"columns": chosen(kept), "density": kept.job_density, "limit": kept.jobs_per_page}
    form = LookForm(request.POST if request.method == "POST" else None, initial=initial)
    question = Question(
        title=_("How the list looks"),
        text=_("Only for you. A column without any value on the page is left out."),
        button=_("Save"),
        back=back,
    )

    def do(_actor: Actor, values: dict[str, Any]) -> str:
        columns, density, limit = values["columns"], values["density"], values["limit"]
        preferences.save(request.user, job_columns=columns, job_density=density, jobs_per_page=limit)
        return _("The list is as you chose.")

    answer = ask(request, question, do, form=style(form))
    return _relisting(answer, back) if answer.status_code == 204 else answer


def _keep_limit(request: HttpRequest, back: str) -> HttpResponse:
    size = request.POST.get("limit", "")
    if size in map(str, SIZES):
        preferences.save(request.user, jobs_per_page=int(size))
    if request.headers.get("HX-Request"):
        return _relisting(HttpResponse(status=204), back)
    return HttpResponseRedirect(back)


def _relisting(answer: HttpResponse, url: str) -> HttpResponse:
    """Close the dialog and swap the list: see list.js."""
    answer["HX-Trigger"] = json.dumps({"done": True, "relist": url})
    return answer
