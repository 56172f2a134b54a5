"""The notes about what does not answer, for pages that are open."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ..live import health as live_health
from .core import health


@require_safe
@permission_required(health.PERMISSION, raise_exception=True)
def notes(request: HttpRequest) -> HttpResponse:
    """Show what does not answer at the moment."""
    context = {"health": health.context_of(request, live_health.current(), is_quiet="quiet" in request.GET)}
    return render(request, "syncjobs/parts/health.html", context)
