"""What the keys do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from .core.pages import page, show


@page("syncjobs.view_syncjob")
def keys(request: HttpRequest) -> HttpResponse:
    """The keyboard, for who asks with “?”."""
    return show(request, "syncjobs/keys.html", {}, title=_("Keys"))


PAGES = (("keys/", keys, "keys"),)
