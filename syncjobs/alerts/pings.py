"""The dead man's switch: request a URL each minute while the site is healthy.

A service outside, such as healthchecks.io, tells somebody when the requests stop.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..choices import QueueName
from ..models import AlertChannel, AlertRound, Worker
from ..senders import secrets, webhook
from ..senders.messages import SendFailed

logger = logging.getLogger(__name__)

EVERY = dt.timedelta(seconds=60)
AGAIN = dt.timedelta(seconds=15)
"""The pause after a ping that failed, and after a check that found the site unhealthy."""
OLDEST_ROUND = dt.timedelta(minutes=2)
"""If no round of the rules has ended for so long, nobody would be told of anything."""


def ping_next() -> bool:
    """Ping one switch that is due, if the site is healthy. Return False if none is due."""
    due = AlertChannel.objects.to_ping()
    channel = due.order_by("pk").first()
    # Whoever moves the time pings.
    if channel is None or not due.filter(pk=channel.pk).update(next_ping_at=Now() + EVERY):
        return False
    row = AlertChannel.objects.filter(pk=channel.pk)
    if problem := unhealthy():
        row.update(next_ping_at=Now() + AGAIN, ping_problem=problem)
        return True
    try:
        webhook.ping(secrets.decrypt(channel.target), allow_local=settings.ALERTS_ALLOW_LOCAL_ADDRESSES)
    except secrets.Unreadable:
        row.update(ping_problem=_("The address can't be decrypted, because SECRET_KEY was changed. Enter it again."))
    except SendFailed as error:
        logger.warning("The ping of %s failed: %s", channel.name, error.message)
        row.update(next_ping_at=Now() + AGAIN, ping_problem=error.message)
    else:
        row.update(pinged_at=Now(), ping_problem="")
    return True


def unhealthy() -> str:
    """Return why the site is not healthy; empty if it is: the database takes writes, and everything that must run does."""
    alive = Worker.objects.exclude(name__in=Worker.objects.silent().values("name")).filter(failing_since=None)
    served = {queue for queues in alive.workers().values_list("queues", flat=True) for queue in queues}
    if missing := [name for name in QueueName.values if name not in served]:
        return _("No ping: no worker serves %(queues)s.") % {"queues": ", ".join(missing)}
    if not alive.schedulers().exists():
        return _("No ping: no scheduler is running.")
    if not AlertRound.objects.filter(ended_at__gte=Now() - OLDEST_ROUND).exists():
        return _("No ping: the rules of alerts are not evaluated.")
    return ""
