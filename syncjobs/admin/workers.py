"""The worker processes."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..choices import QueueName
from ..engine import clock
from ..models import Worker
from ..models.workers import WORKER_SILENCE_SECONDS
from ..operations import workers as operations
from ..stats.queues import schedulers
from ..stats.queues import workers as worker_states
from .core.model_admin import PageAdmin, requires
from .core.pages import Question, ask, is_part, refuse, show
from .site import site


@admin.register(Worker, site=site)
class WorkerAdmin(PageAdmin):
    """The list of workers, each with its state and the jobs it is executing."""

    @requires("delete", post=True)
    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Remove a dead worker or scheduler from the list."""
        worker = operations.get_worker(unquote(object_id))
        question = Question(
            title=_("Remove %(worker)s?") % {"worker": worker.name},
            text=_("It has stopped reporting. This removes it from the list. If it still runs, it comes back.")
            if worker.is_scheduler
            else _(
                "It has stopped reporting. This removes it from the list; its jobs go back to their queues."
                " If it still runs, it comes back."
            ),
            button=_("Remove the scheduler") if worker.is_scheduler else _("Remove the worker"),
            back=reverse("admin:syncjobs_worker_changelist"),
            icon="trash",
            is_danger=True,
        )
        is_alive = not Worker.objects.silent().filter(pk=worker.pk).exists()
        if is_alive and (refusal := refuse(request, operations.alive(worker), question.back)):
            return refusal

        def do(actor: Actor, _values: dict[str, Any]) -> str:
            operations.remove_worker(actor, worker.name)
            return _("%(worker)s is removed.") % {"worker": worker.name}

        return ask(request, question, do)

    @requires("view")
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        states, orphans = worker_states()
        consumed = {queue for each in states if each.state not in ("silent", "failing") for queue in each.worker.queues}
        skew = clock.skew()
        context = {
            "states": states,
            "schedulers": schedulers(),
            "web_skew": skew if clock.is_wrong(skew) else None,
            "orphans": orphans,
            "unserved": [QueueName(name).label for name in QueueName.values if name not in consumed],
            "silence": WORKER_SILENCE_SECONDS,
            "now": clock.approximate(),
        }
        if is_part(request):
            return render(request, "syncjobs/workers/rows.html", context)
        return show(request, "syncjobs/workers/list.html", context, title=_("Workers"), is_live=True)
