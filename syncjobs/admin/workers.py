"""The processes that execute jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from ..choices import QueueName
from ..stats.queues import WORKER_SILENCE_SECONDS
from ..stats.queues import workers as worker_states
from .core.pages import is_part, page, show


@page("syncjobs.view_worker")
def workers(request: HttpRequest) -> HttpResponse:
    """Which workers there are, how they are, and what each executes right now."""
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


PAGES = (("workers/", workers, "syncjobs_worker_changelist"),)
