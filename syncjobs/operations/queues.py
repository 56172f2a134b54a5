"""Pause and resume queues."""

from __future__ import annotations

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..audit.actors import SYSTEM, Actor
from ..audit.record import audited
from ..choices import QueueName
from ..engine import broker
from ..exceptions import InvalidInput
from ..models import AlertRound, Queue, SyncJob
from .texts import check_text

ALL_QUEUES = "all"
MAX_REASON = 500
KEY_REFUSED = "YouTube rejects the API key"
"""How the reason begins for which the system itself pauses the queues."""


def queue_names(name: str) -> list[str]:
    """Return a queue's name in a list, or every queue's name for "all". Raises InvalidInput for an unknown name."""
    if name == ALL_QUEUES:
        return list(QueueName.values)
    if name not in QueueName.values:
        message = _("There is no queue “%(name)s”. The queues are %(queues)s.")
        known = ", ".join([*QueueName.values, ALL_QUEUES])
        raise InvalidInput(message % {"name": name[:60], "queues": known}, field="queue")
    return [name]


def pause_queue(actor: Actor, name: str, reason: str = "") -> list[str]:
    """Start no more jobs of a queue, or of any queue for "all". Running jobs finish.

    If a person gives a reason for a queue that is already paused, it replaces the recorded one. Return the names of
    the queues that were not paused before. Raises InvalidInput.
    """
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise InvalidInput(_("A reason has at most %(most)s characters.") % {"most": MAX_REASON}, field="reason")
    check_text(reason, "reason")
    with audited(actor, "pause_queue", "queue", name) as span:
        queues = Queue.objects.filter(name__in=queue_names(name)).order_by("name")
        states = dict(queues.select_for_update(no_key=True).values_list("name", "paused_at"))
        paused = [queue for queue, paused_at in states.items() if paused_at is None]
        changes = {"paused_by": actor.label[:150], "pause_reason": reason}
        Queue.objects.filter(name__in=paused).update(paused_at=Now(), **changes)
        if reason and actor.is_personal:
            Queue.objects.filter(name__in=set(states) - set(paused)).update(**changes)
        span.message = reason
        span.data = {"paused": paused}
    return paused


def resume_queue(actor: Actor, name: str) -> list[str]:
    """Start jobs of a queue again, or of every queue for "all"; wake up workers for those that wait.

    Return the names of the queues that were paused. Raises InvalidInput.
    """
    with audited(actor, "resume_queue", "queue", name) as span:
        queues = Queue.objects.filter(name__in=queue_names(name), paused_at__isnull=False).order_by("name")
        resumed = list(queues.select_for_update(no_key=True).values_list("name", flat=True))
        Queue.objects.filter(name__in=resumed).update(paused_at=None, paused_by="", pause_reason="")
        for queue in resumed:
            waiting = (
                SyncJob.objects.waiting().of_unpaused_bands().filter(queue_id=queue)[: broker.MAX_WAKE_UPS].count()
            )
            broker.notify_on_commit(queue, wake_ups=waiting)
        AlertRound.objects.request()
        span.data = {"resumed": resumed}
    return resumed


def pause_for_configuration(message: str) -> None:
    """Pause all queues because YouTube rejects the API key: no job can succeed until a person has fixed it."""
    pause_queue(SYSTEM, ALL_QUEUES, f"{KEY_REFUSED}: {message}"[:MAX_REASON])
    AlertRound.objects.request()
