"""The worker processes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from ..choices import QueueName
from ..models import Worker
from ..models.workers import WORKER_SILENCE_SECONDS
from ..stats.queues import workers as worker_states
from .core.model_admin import PageAdmin, requires
from .core.pages import is_part, show
from .site import site


@admin.register(Worker, site=site)
class WorkerAdmin(PageAdmin):
    """The list of workers, each with its state and the jobs it is executing."""

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        states, orphans = worker_states()
        consumed = {queue for each in states if each.state != "silent" for queue in each.worker.queues}
        context = {
            "states": states,
            "orphans": orphans,
            "unserved": [QueueName(name).label for name in QueueName.values if name not in consumed],
            "silence": WORKER_SILENCE_SECONDS,
            "now": timezone.now(),
        }
        if is_part(request):
            return render(request, "syncjobs/workers/rows.html", context)
        return show(request, "syncjobs/workers/list.html", context, title=_("Workers"), is_live=True)
