"""Send the deliveries that are due: at least once, in the order of their channel, until a deadline.

An attempt is claimed in one transaction, the message is sent outside of any, and the result is written in another. The
claim makes the delivery due again after LEASE, so one whose process died is sent by another process.
"""

from __future__ import annotations

import datetime as dt
import logging
import random

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from ..choices import AttemptResult, ChannelKind, DeliveryKind, DeliveryState
from ..engine import clock, database
from ..models import AlertChannel, AlertDelivery, AlertDeliveryAttempt
from ..senders import chat, mail, secrets, webhook
from ..senders.messages import Message, SendFailed

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=60)
"""How long an attempt may take: longer than a sender waits."""
FIRST_PAUSE_SECONDS = 10.0
MAX_PAUSE_SECONDS = 600.0
IN_ORDER_ATTEMPTS = 5
"""A message waits for the earlier ones of its channel until they have been tried so often."""


def due(overdue: dt.timedelta = dt.timedelta()) -> QuerySet[AlertDelivery]:
    """Return the deliveries that may be sent now and could for longer than `overdue`, the oldest first.

    "It is over" must not arrive before what it is about. A receiver that is away is asked about one message only; after a
    few attempts the others are tried too, in case it refuses only that one.
    """
    earlier = AlertDelivery.objects.pending().filter(
        channel=OuterRef("channel"),
        pk__lt=OuterRef("pk"),
        kind=DeliveryKind.ALERTS,
        attempts_made__lt=IN_ORDER_ATTEMPTS,
    )
    ready = AlertDelivery.objects.due(overdue)
    return ready.filter(Q(kind=DeliveryKind.TEST) | ~Exists(earlier)).order_by("pk")


def deliver_next(process: str, delivery_id: int | None = None) -> bool:
    """Claim and send one delivery that is due, the given one if there is an id. Return False if there is none.

    Waits for a database that is away.
    """
    delivery = database.when_back(_claim, process, delivery_id)
    if delivery is None:
        return False
    number = delivery.attempts_made
    try:
        status = _send(delivery)
    except SendFailed as error:
        logger.warning("Delivery %s to channel %s failed: %s", delivery.key, delivery.channel.name, error.message)
        database.when_back(_fail, delivery, number, error)
    else:
        database.when_back(_succeed, delivery, number, status)
    return True


def _claim(process: str, delivery_id: int | None = None) -> AlertDelivery | None:
    claimable = due() if delivery_id is None else due().filter(pk=delivery_id)
    with transaction.atomic():
        while True:
            rows = claimable.select_related("channel").select_for_update(of=("self",), skip_locked=True, no_key=True)
            delivery = rows.first()
            if delivery is None:
                return None
            attempts = AlertDeliveryAttempt.objects.filter(delivery=delivery)
            attempts.filter(result=AttemptResult.RUNNING).update(
                result=AttemptResult.LOST, ended_at=Now(), problem=_("The process that sent it has died.")
            )
            is_test = delivery.kind == DeliveryKind.TEST
            if not delivery.channel.is_enabled and not is_test:
                _end(delivery, DeliveryState.CANCELLED, _("The channel was disabled."))
            elif AlertDelivery.objects.filter(pk=delivery.pk, deadline_at__lte=Now()).exists():
                _end(delivery, DeliveryState.FAILED, delivery.problem or _("It was not sent before its deadline."))
            else:
                delivery.attempts_made += 1
                AlertDelivery.objects.filter(pk=delivery.pk).update(
                    attempts_made=delivery.attempts_made, next_attempt_at=Now() + LEASE
                )
                attempts.create(delivery=delivery, number=delivery.attempts_made, process=process[:200])
                return delivery


def _end(delivery: AlertDelivery, state: DeliveryState, problem: str) -> None:
    AlertDelivery.objects.filter(pk=delivery.pk).update(state=state, ended_at=Now(), problem=problem)


def _send(delivery: AlertDelivery) -> int | None:
    """Send the message by the channel's sender; return the HTTP status, if there is one. Raises SendFailed."""
    channel, allow_local = delivery.channel, settings.ALERTS_ALLOW_LOCAL_ADDRESSES
    try:
        target, secret = secrets.decrypt(channel.target), secrets.decrypt(channel.secret)
    except secrets.Unreadable:
        raise SendFailed(
            _(
                "The channel's address can't be decrypted, because SECRET_KEY was changed. Enter the address again, or add"
                " the old key to SECRET_KEY_FALLBACKS."
            )
        ) from None
    message = Message(str(delivery.key), delivery.title, delivery.text, delivery.severity, delivery.payload)
    if channel.kind == ChannelKind.WEBHOOK:
        return webhook.send(target, secret, message, clock.approximate(), allow_local=allow_local)
    if channel.kind == ChannelKind.APPRISE:
        chat.send(target, message, allow_local=allow_local)
    elif channel.kind == ChannelKind.EMAIL:
        mail.send(target, message)
    else:
        return webhook.ping(target, allow_local=allow_local)
    return None


def _succeed(delivery: AlertDelivery, number: int, status: int | None) -> None:
    """Note that the message has arrived, even if another attempt has begun meanwhile."""
    with transaction.atomic():
        AlertDelivery.objects.pending().filter(pk=delivery.pk).update(
            state=DeliveryState.DELIVERED, ended_at=Now(), problem=""
        )
        _end_attempt(delivery, number, AttemptResult.DELIVERED, status, "")
        _try_others_now(delivery.channel)


def _fail(delivery: AlertDelivery, number: int, error: SendFailed) -> None:
    """Note the failure, and when to try again, unless another attempt has begun meanwhile."""
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (number - 1), MAX_PAUSE_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    pause = max(pause, error.retry_after or 0.0)
    with transaction.atomic():
        current = AlertDelivery.objects.pending().filter(pk=delivery.pk, attempts_made=number)
        if error.is_final:
            current.update(state=DeliveryState.FAILED, ended_at=Now(), problem=error.message)
        else:
            current.update(next_attempt_at=Now() + dt.timedelta(seconds=pause), problem=error.message)
        _end_attempt(delivery, number, AttemptResult.FAILED, error.status, error.message)


def _end_attempt(delivery: AlertDelivery, number: int, result: AttemptResult, status: int | None, problem: str) -> None:
    AlertDeliveryAttempt.objects.filter(delivery=delivery, number=number).update(
        result=result, ended_at=Now(), status=status, problem=problem
    )


def _try_others_now(channel: AlertChannel) -> None:
    """Make the channel's other deliveries due: its receiver works again."""
    sending = AlertDeliveryAttempt.objects.filter(delivery=OuterRef("pk"), result=AttemptResult.RUNNING)
    waiting = AlertDelivery.objects.pending().filter(channel=channel, attempts_made__gt=0, next_attempt_at__gt=Now())
    waiting.filter(~Exists(sending)).update(next_attempt_at=Now())
