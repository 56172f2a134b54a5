"""Remove dead workers and schedulers from the list."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..exceptions import Conflict, NotFound
from ..models import Worker


def remove_worker(actor: Actor, name: str) -> None:
    """Delete the row of a worker or scheduler that has stopped reporting. If it still runs, it comes back.

    Its jobs are not touched: their leases expire, and other workers take them over. Raises NotFound, and Conflict if the
    worker is alive.
    """
    with audited(actor, "remove_worker", "worker", name[:120]):
        # Conditional, because the worker may report at this moment.
        if Worker.objects.silent().filter(pk=name).delete()[0]:
            return
        raise alive(get_worker(name))


def alive(worker: Worker) -> Conflict:
    """Return the reason why a worker that reports can't be removed."""
    message = _("Worker %(name)s is alive. Stop its process; then it leaves the list by itself.")
    return Conflict(message % {"name": worker.name}, field="name")


def get_worker(name: str) -> Worker:
    """Return the worker with this name. Raises NotFound."""
    worker = Worker.objects.filter(pk=name).first()
    if worker is None:
        raise NotFound(_("There is no worker “%(name)s”.") % {"name": name[:100]}, field="name")
    return worker
