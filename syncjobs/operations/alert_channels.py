"""Add, change, test and delete channels of alerts, and start a delivery again."""

from __future__ import annotations

import datetime as dt
import secrets as random_secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import gettext as _

from bands.models import Band
from bands.text import camel_case, respell_keys

from ..audit.actors import Actor
from ..audit.record import audited
from ..choices import AlertRuleName, ChannelKind, DeliveryKind, DeliveryState, Severity
from ..engine import broker, clock
from ..exceptions import Conflict, InvalidFields, InvalidInput, NotFound
from ..freshness import subscriptions
from ..models import AlertChannel, AlertDelivery
from ..senders import chat, mail, secrets, webhook
from ..senders.addresses import ForbiddenAddress
from ..senders.messages import SendFailed
from . import time_zones
from .texts import check_text

MAX_NAME = 80
MAX_ADDRESS = 2000
MIN_SECRET, MAX_SECRET = 16, 200
MAX_CHANNELS = 50
MAX_REPEAT_HOURS = 168
MAX_BANDS = 1000
TEST_DEADLINE = dt.timedelta(minutes=5)
AGAIN_DEADLINE = dt.timedelta(hours=24)
_PLAIN = (
    *("is_enabled", "language", "severities", "rules", "time_zone", "quiet_from", "quiet_until"),
    *("quiet_for_critical", "repeat_hours"),
)
Check = Callable[[AlertChannel], None]


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved channel, and the secret that was made for it, which is shown this once."""

    channel: AlertChannel
    new_secret: str = ""


def list_channels() -> QuerySet[AlertChannel]:
    """Return the channels by name, with their bands."""
    return AlertChannel.objects.prefetch_related("bands").order_by("name")


def get(channel_id: int) -> AlertChannel:
    """Return the channel with this id. Raises NotFound."""
    channel = list_channels().filter(pk=channel_id).first()
    if channel is None:
        raise NotFound(_("There is no alert channel %(id)s.") % {"id": channel_id}, field="id")
    return channel


def _lock(channel_id: int) -> AlertChannel:
    """Return the channel with its row locked, so that no message is made from half of a change. Raises NotFound."""
    AlertChannel.objects.select_for_update(no_key=True).filter(pk=channel_id).first()
    return get(channel_id)


def save(
    actor: Actor, channel_id: int | None, values: Mapping[str, Any], *, check: Check = lambda channel: None
) -> Saved:
    """Add a channel, or change the given fields of the one with `channel_id`.

    `values` has columns of AlertChannel, and: `address`, the plain address or URL; `secret` of a webhook, which is made if it
    is empty; `band_ids`. `check` gets the channel with its row locked, and raises Outdated if it is not the one that the
    person saw. Raises NotFound, InvalidFields, and Conflict if the name is taken or there are MAX_CHANNELS.
    """
    with audited(actor, "create_channel" if channel_id is None else "change_channel", "channel", channel_id) as span:
        channel = AlertChannel(language=settings.LANGUAGE_CODE) if channel_id is None else _lock(channel_id)
        check(channel)
        old_kind = channel.kind
        problems = _fill(channel, values)
        new_secret = _set_target(channel, values, old_kind, problems)
        if problems:
            raise InvalidFields(problems)
        if channel_id is None and AlertChannel.objects.count() >= MAX_CHANNELS:
            raise Conflict(_("There are already %(n)s channels. Delete one first.") % {"n": MAX_CHANNELS})
        _save(channel, values.get("band_ids"))
        span.target_id, span.message = str(channel.pk), channel.name
        span.data = {"kind": channel.kind, "address": channel.address, "changed": sorted(map(camel_case, values))}
    return Saved(get(channel.pk), new_secret)


def _fill(channel: AlertChannel, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Set the columns that need no encryption; return what is wrong with them."""
    problems: list[tuple[str, str]] = []
    if "name" in values or not channel.pk:
        channel.name = str(values.get("name", "")).strip()
        if not 1 <= len(channel.name) <= MAX_NAME:
            message = _("Must have 1 to %(most)s characters, not only spaces.") % {"most": MAX_NAME}
            problems.append(("name", message))
        try:
            check_text(channel.name, "name")
        except InvalidInput as error:
            problems.append(("name", error.message))
    if "kind" in values or not channel.pk:
        channel.kind = values.get("kind", "")
        if channel.kind not in ChannelKind.values:
            problems.append(("kind", _one_of(ChannelKind.values)))
    for name in _PLAIN:
        if name in values:
            setattr(channel, name, values[name])
    problems += _routing_problems(channel)
    return problems


def _routing_problems(channel: AlertChannel) -> list[tuple[str, str]]:
    problems = []
    if not channel.severities or set(channel.severities) - set(Severity.values):
        problems.append(("severities", _one_of(Severity.values)))
    if set(channel.rules) - set(AlertRuleName.values):
        problems.append(("rules", _one_of(AlertRuleName.values)))
    if channel.language not in dict(settings.LANGUAGES):
        problems.append(("language", _one_of([code for code, _name in settings.LANGUAGES])))
    if channel.time_zone not in time_zones.NAMES:
        problems.append(("time_zone", time_zones.unknown()))
    if (channel.quiet_from is None) != (channel.quiet_until is None):
        field = "quiet_from" if channel.quiet_from is None else "quiet_until"
        problems.append((field, _("Quiet hours need both a beginning and an end.")))
    if not 0 <= channel.repeat_hours <= MAX_REPEAT_HOURS:
        message = _("Must be a whole number from 0 to %(max)s.") % {"max": MAX_REPEAT_HOURS}
        problems.append(("repeat_hours", message))
    return problems


def _one_of(choices: list[str]) -> str:
    return _("Must be one of %(choices)s.") % {"choices": ", ".join(choices)}


def _set_target(
    channel: AlertChannel, values: Mapping[str, Any], old_kind: str, problems: list[tuple[str, str]]
) -> str:
    """Set the encrypted address and secret, and add what is wrong with them. Return a secret that was made."""
    address, secret = str(values.get("address") or "").strip(), str(values.get("secret") or "").strip()
    if address or channel.kind != old_kind:
        try:
            channel.address = _check_address(channel.kind, address)[:MAX_ADDRESS]
            channel.target = secrets.encrypt(address)
            channel.next_ping_at = channel.pinged_at = None
            channel.ping_problem = ""
        except (SendFailed, ForbiddenAddress) as error:
            problems.append(("address", str(error)))
    if channel.kind != ChannelKind.WEBHOOK:
        channel.secret = ""
        return ""
    if secret and not MIN_SECRET <= len(secret) <= MAX_SECRET:
        message = _("Must have %(least)s to %(most)s characters.") % {"least": MIN_SECRET, "most": MAX_SECRET}
        problems.append(("secret", message))
    is_made = not secret and not channel.secret
    if is_made:
        secret = random_secrets.token_urlsafe(32)
    if secret:
        channel.secret = secrets.encrypt(secret)
    return secret if is_made else ""


def _check_address(kind: str, address: str) -> str:
    """Return the address as people see it. Raises SendFailed and ForbiddenAddress."""
    allow_local = settings.ALERTS_ALLOW_LOCAL_ADDRESSES
    if kind == ChannelKind.EMAIL:
        mail.check(address)
        return ", ".join(mail.split(address))
    if kind == ChannelKind.APPRISE:
        chat.check(address, allow_local=allow_local)
        return chat.mask(address)
    webhook.check(address, allow_local=allow_local)
    return webhook.mask(address)


def _save(channel: AlertChannel, band_ids: list[int] | None) -> None:
    try:
        with transaction.atomic():
            channel.save()
    except IntegrityError:
        message = _("There is already an alert channel called “%(name)s”.")
        raise Conflict(message % {"name": channel.name}, field="name") from None
    if band_ids is None:
        return
    known = set(Band.objects.filter(pk__in=band_ids[:MAX_BANDS]).values_list("pk", flat=True))
    if unknown := sorted(set(band_ids) - known):
        raise NotFound(_("There is no band %(id)s.") % {"id": unknown[0]}, field="band_ids")
    channel.bands.set(known)


def delete(actor: Actor, channel_id: int, *, check: Check = lambda channel: None) -> None:
    """Delete a channel that passes `check`, with its deliveries; those that are pending are not sent. Raises NotFound."""
    with audited(actor, "delete_channel", "channel", channel_id) as span:
        channel = _lock(channel_id)
        check(channel)
        span.message = channel.name
        channel.delete()


def send_test(actor: Actor, channel_id: int) -> AlertDelivery:
    """Make a test message, even for a disabled channel. It is sent at once, and tried for a few minutes. Raises NotFound."""
    with audited(actor, "test_channel", "channel", channel_id) as span:
        channel = get(channel_id)
        key, now = uuid.uuid4(), clock.now()
        with translation.override(channel.language):
            title = _("Test message of the sync monitor")
            text = _("The channel “%(channel)s” works. No alert is behind this message.") % {"channel": channel.name}
        payload = {
            "type": "test",
            "key": str(key),
            "site": settings.SITE_URL,
            "channel": channel.name,
            "created_at": now.isoformat(),
            "title": title,
            "total": 0,
            "alerts": [],
        }
        delivery = AlertDelivery.objects.create(
            channel=channel,
            key=key,
            kind=DeliveryKind.TEST,
            title=title,
            text="\n\n".join(filter(None, (text, settings.SITE_URL))),
            payload=respell_keys(payload, camel_case),
            deadline_at=now + TEST_DEADLINE,
        )
        delivery.refresh_from_db()
        span.message, span.data = channel.name, {"delivery": str(delivery.pk)}
        broker.notify_deliveries_on_commit()
    return delivery


def get_delivery(delivery_id: int) -> AlertDelivery:
    """Return the delivery with this id, with its channel. Raises NotFound."""
    delivery = AlertDelivery.objects.select_related("channel").filter(pk=delivery_id).first()
    if delivery is None:
        raise NotFound(_("There is no delivery %(id)s.") % {"id": delivery_id}, field="id")
    return delivery


def retry_delivery(actor: Actor, delivery_id: int) -> AlertDelivery:
    """Send a delivery that waits for its next attempt now, or one that has failed again, until a new deadline.

    Raises NotFound, and Conflict if it has been delivered or an attempt is running.
    """
    with audited(actor, "retry_delivery", "delivery", delivery_id) as span:
        delivery = get_delivery(delivery_id)
        span.message = delivery.channel.name
        rows = AlertDelivery.objects.filter(pk=delivery_id)
        # Conditional, because a worker may deliver it, or begin an attempt, at this moment.
        is_done = (
            rows.exclude(state=DeliveryState.DELIVERED)
            .exclude(attempts__result="RUNNING")
            .update(
                state=DeliveryState.PENDING, next_attempt_at=Now(), deadline_at=Now() + AGAIN_DEADLINE, ended_at=None
            )
        )
        if not is_done:
            raise Conflict(_("The message has been delivered, or is being sent at this moment."), field="id")
        broker.notify_deliveries_on_commit()
    return get_delivery(delivery_id)


def rotate_secrets(actor: Actor) -> tuple[int, list[str]]:
    """Encrypt with SECRET_KEY what a fallback has encrypted, of channels and of subscriptions at YouTube's hub.

    Return how many channels were encrypted again, and the names of those that none of the keys reads.
    """
    rotated, unreadable = 0, []
    with audited(actor, "rotate_secrets") as span:
        for channel in AlertChannel.objects.select_for_update(no_key=True).order_by("pk"):
            try:
                target, secret = secrets.rotate(channel.target), secrets.rotate(channel.secret)
            except secrets.Unreadable:
                unreadable.append(channel.name)
                continue
            if (target, secret) != (channel.target, channel.secret):
                AlertChannel.objects.filter(pk=channel.pk).update(target=target, secret=secret)
                rotated += 1
        subscribed, replaced = subscriptions.rotate_secrets()
        span.data = {"rotated": rotated, "unreadable": len(unreadable)}
        span.data |= {"subscriptions_rotated": subscribed, "subscriptions_replaced": replaced}
    return rotated, unreadable
