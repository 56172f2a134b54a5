"""The keyboard shortcuts."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from .core.pages import show


@require_safe
@permission_required("syncjobs.view_syncjob", raise_exception=True)
def keys(request: HttpRequest) -> HttpResponse:
    """List the keyboard shortcuts; "?" opens them in a dialog."""
    return show(request, "syncjobs/keys.html", {}, title=_("Keyboard shortcuts"))
