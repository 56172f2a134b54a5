"""Channels that alerts are sent to, what is to be sent, and the attempts to send it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from ..choices import AlertRuleName, AlertStep, AttemptResult, ChannelKind, DeliveryKind, DeliveryState, Severity
from .alerts import Alert


def _all_severities() -> list[str]:
    return list(Severity.values)


class ChannelQuerySet(models.QuerySet["AlertChannel"]):
    """Channels by what is due, with the database's clock."""

    def to_ping(self, overdue: dt.timedelta = dt.timedelta()) -> Self:
        """Return the dead man's switches whose ping has been due for longer than `overdue`."""
        switches = self.filter(kind=ChannelKind.PING, is_enabled=True)
        return switches.filter(Q(next_ping_at=None) | Q(next_ping_at__lte=Now() - overdue))


class AlertChannel(models.Model):
    """Where alerts are sent, and which ones.

    `target` (an address or URL) and `secret` (which signs webhooks) are encrypted: see `senders.secrets`. `address` is the
    target as people see it. Empty `rules` are all rules, no `bands` all bands. Pings go to a channel of the kind PING, which
    takes no alerts: `next_ping_at`, `pinged_at` and `ping_problem` are its own.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=ChannelKind.choices)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    target = models.TextField()
    address = models.CharField(_("address"), max_length=2000)
    secret = models.TextField(blank=True)
    language = models.CharField(_("language"), max_length=10, default="en")
    severities = ArrayField(
        models.CharField(max_length=8, choices=Severity.choices), verbose_name=_("severities"), default=_all_severities
    )
    rules = ArrayField(
        models.CharField(max_length=40, choices=AlertRuleName.choices),
        verbose_name=_("rules"),
        default=list,
        blank=True,
    )
    bands = models.ManyToManyField(Band, verbose_name=_("bands"), blank=True, related_name="+")
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    quiet_for_critical = models.BooleanField(_("quiet for critical alerts too"), default=False)
    repeat_hours = models.PositiveSmallIntegerField(_("hours between messages about one alert"), default=1)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    next_ping_at = models.DateTimeField(null=True, blank=True)
    pinged_at = models.DateTimeField(_("last ping"), null=True, blank=True)
    ping_problem = models.TextField(blank=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("alert channel")
        verbose_name_plural = _("alert channels")

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(models.QuerySet["AlertDelivery"]):
    """Deliveries by state, with the database's clock."""

    def pending(self) -> Self:
        """Return the deliveries that are neither delivered nor given up."""
        return self.filter(state=DeliveryState.PENDING)

    def due(self, overdue: dt.timedelta = dt.timedelta()) -> Self:
        """Return the pending deliveries whose next attempt has been due for longer than `overdue`."""
        return self.pending().filter(next_attempt_at__lte=Now() - overdue)


class AlertDelivery(models.Model):
    """A message to one channel: `alerts.deliveries` sends it until it is delivered or its deadline has passed.

    An attempt sets `next_attempt_at` to the end of its lease before it sends, so the delivery of a process that dies is due
    again by itself. Each attempt has the same `key`.
    """

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="deliveries")
    key = models.UUIDField(_("idempotency key"), default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=6, choices=DeliveryKind.choices)
    state = models.CharField(_("state"), max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    title = models.TextField(_("title"))
    text = models.TextField(_("text"))
    severity = models.CharField(max_length=8, blank=True)
    payload: models.JSONField[Any, Any] = models.JSONField(default=dict)
    alert_count = models.PositiveIntegerField(_("alerts"), default=0)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    next_attempt_at = models.DateTimeField(_("next attempt"), db_default=Now())
    deadline_at = models.DateTimeField(_("deadline"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    attempts_made = models.PositiveIntegerField(_("attempts"), default=0)
    problem = models.TextField(_("problem"), blank=True, help_text=_("Why the last attempt failed."))

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("alert delivery")
        verbose_name_plural = _("alert deliveries")
        indexes = [
            models.Index(fields=["next_attempt_at"], name="delivery_due", condition=Q(state=DeliveryState.PENDING)),
            models.Index(fields=["channel", "-id"], name="delivery_channel"),
            models.Index(fields=["ended_at"], name="delivery_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.title


class AlertDeliveryAttempt(models.Model):
    """One attempt to deliver. An attempt that has no end when the next one begins is LOST."""

    delivery = models.ForeignKey(AlertDelivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField(_("number"))
    process = models.CharField(_("process"), max_length=200)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    result = models.CharField(_("result"), max_length=9, choices=AttemptResult.choices, default=AttemptResult.RUNNING)
    status = models.PositiveIntegerField(_("status"), null=True, blank=True, help_text=_("Of HTTP or SMTP."))
    problem = models.TextField(_("problem"), blank=True)

    class Meta:
        ordering = ["number"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_once")]

    def __str__(self) -> str:
        return f"{self.delivery_id}/{self.number}"


class NoticeQuerySet(models.QuerySet["AlertNotice"]):
    """Notices by what is due, with the database's clock."""

    def due(self, overdue: dt.timedelta = dt.timedelta()) -> Self:
        """Return the notices that no delivery has although one may since longer than `overdue`."""
        return self.filter(delivery=None, due_at__lte=Now() - overdue)


class AlertNotice(models.Model):
    """A step of an alert that a channel is to be told: pending until a delivery has it.

    `due_at` is when the next digest may have it: after the time in which notices are collected, the quiet hours, and so on.
    """

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="notices")
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    step = models.CharField(max_length=9, choices=AlertStep.choices)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()
    delivery = models.ForeignKey(AlertDelivery, on_delete=models.CASCADE, null=True, blank=True, related_name="notices")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["channel", "alert", "step"], name="notice_once")]
        indexes = [models.Index(fields=["due_at"], name="notice_pending", condition=Q(delivery=None))]

    def __str__(self) -> str:
        return f"{self.step} {self.alert_id} → {self.channel_id}"
