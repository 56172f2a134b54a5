"""What a person can set for themselves."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..audit.actors import Actor
from ..operations import preferences, time_zones
from .core import local_time
from .core.pages import Question, ask, style


class SettingsForm(forms.Form):
    """The time zone."""

    time_zone = forms.CharField(
        required=False,
        max_length=64,
        label=gettext_lazy("Time zone"),
        widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_time_zone(self) -> str:
        """Check that the system knows the time zone."""
        name = str(self.cleaned_data["time_zone"]).strip()
        if name:
            time_zones.check(name)
        return name


def settings(request: HttpRequest) -> HttpResponse:
    """Ask for a person's settings, and keep them."""
    browser = request.COOKIES.get(local_time.COOKIE, "")
    question = Question(
        title=_("Your settings"),
        text=_("Only for you. Times are shown, entered and filtered in this time zone; quota days stay YouTube's."),
        button=_("Save"),
        back=_page_behind(request),
    )

    def do(_actor: Actor, values: dict[str, Any]) -> str:
        preferences.save(request.user, time_zone=values["time_zone"])
        name = values["time_zone"] or (browser if local_time.named(browser) else "UTC")
        return _("Your times are in the time zone %(name)s.") % {"name": name}

    initial = {"time_zone": local_time.chosen_by(request)}
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    form.fields["time_zone"].help_text = (
        _("Type a city. If it is empty, your browser's counts: %(name)s.") % {"name": browser}
        if local_time.named(browser)
        else _("Type a city. If it is empty, your browser's counts.")
    )
    extra = {"zones": time_zones.listed()}
    # All times on the page behind the question change.
    return ask(request, question, do, form=style(form), then=question.back, extra=extra)


def _page_behind(request: HttpRequest) -> str:
    """Return the address of the page from which the dialog was opened."""
    url = request.headers.get("HX-Current-URL", "")
    if url_has_allowed_host_and_scheme(url, {request.get_host()}):
        parts = urlsplit(url)
        page = parts.path + (f"?{parts.query}" if parts.query else "")
        # A path that begins with two slashes would lead to another site.
        if parts.path != request.path and url_has_allowed_host_and_scheme(page, None):
            return page
    return reverse("admin:index")
