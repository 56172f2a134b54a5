"""Alerts: what is wrong with the site, since when, and what people did about it."""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..choices import AlertRuleName, AlertSubject, Severity

GONE = dt.timedelta(seconds=5)
"""A condition that was found so long before the last round began, and not in it, is gone: perhaps a process restarted."""
_UNSEEN = (Q(acknowledged_at=None) | Q(acknowledged_at__lt=F("escalated_at"))) & (
    Q(snoozed_until=None) | Q(snoozed_until__lte=Now())
)


class AlertQuerySet(models.QuerySet["Alert"]):
    """Alerts by state."""

    def unresolved(self) -> Self:
        """Return the alerts whose condition lasts, or has ended only just now."""
        return self.filter(resolved_at=None)

    def resolved(self) -> Self:
        """Return the alerts that are over."""
        return self.exclude(resolved_at=None)

    def needing_attention(self) -> Self:
        """Return the unresolved alerts that nobody has snoozed, or acknowledged since they became critical."""
        return self.unresolved().filter(_UNSEEN)

    def unrouted(self, overdue: dt.timedelta = dt.timedelta()) -> Self:
        """Return the alerts with a step that channels are yet to be told of, taken longer ago than `overdue`."""
        return self.filter(needs_routing=True, changed_at__lte=Now() - overdue)

    def with_attention(self) -> Self:
        """Annotate `is_unseen`, whether an unresolved alert needs attention, and `is_gone`."""
        return self.annotate(is_unseen=_UNSEEN).with_gone()

    def with_gone(self) -> Self:
        """Annotate `is_gone`: whether the last round has not found the condition of an unresolved alert any more.

        The forecast has rounds of its own, so nothing is said about it.
        """
        last = AlertRound.objects.filter(ended_at__gte=F("began_at"), began_at__gt=OuterRef("last_seen_at") + GONE)
        return self.annotate(is_gone=Q(resolved_at=None) & ~Q(rule=AlertRuleName.QUOTA_FORECAST) & Exists(last))

    def worst_first(self) -> Self:
        """Order by severity, then the newest first."""
        # CRITICAL sorts before WARNING.
        return self.order_by("severity", "-opened_at", "-pk")

    def unresolved_first(self) -> Self:
        """Order those that are not over by severity, then the others, the newest first."""
        return self.order_by(
            F("resolved_at").desc(nulls_first=True), Case(When(resolved_at=None, then="severity")), "-opened_at", "-pk"
        )


class Alert(models.Model):
    """A condition that a rule has found on a subject. `alerts.transitions` opens, escalates and resolves alerts.

    The sentences are in the language of the site; `alerts.words` says them in another one, from the `facts`.
    """

    rule = models.CharField(_("rule"), max_length=40, choices=AlertRuleName.choices)
    subject_type = models.CharField(_("about"), max_length=10, choices=AlertSubject.choices)
    subject_id = models.CharField(
        max_length=200,
        blank=True,
        help_text=_("A queue's or worker's name, a bucket, a fingerprint, or an id; empty for the site."),
    )
    subject_label = models.CharField(_("subject"), max_length=200, blank=True)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity.choices)
    sentence = models.TextField(_("problem"), help_text=_("What is wrong."))
    advice = models.TextField(_("advice"), blank=True, help_text=_("What to do."))
    link = models.CharField(max_length=500, blank=True, help_text=_("A path on this site."))
    facts: models.JSONField[Any, Any] = models.JSONField(
        default=dict, blank=True, help_text=_("The values in the sentence.")
    )

    opened_at = models.DateTimeField(_("opened"), db_default=Now())
    last_seen_at = models.DateTimeField(
        _("last seen"), db_default=Now(), help_text=_("When the condition was last found.")
    )
    escalated_at = models.DateTimeField(_("became critical"), null=True, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=200, blank=True)
    note = models.TextField(_("note"), blank=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    needs_routing = models.BooleanField(
        default=True, db_default=True, help_text=_("Whether channels are yet to be told of its last step.")
    )
    changed_at = models.DateTimeField(db_default=Now(), help_text=_("The last change of anything but `last_seen_at`."))

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        permissions = [("acknowledge_alert", "Can acknowledge and snooze alerts")]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject_type", "subject_id"],
                name="one_unresolved_alert_per_subject",
                condition=Q(resolved_at=None),
            )
        ]
        indexes = [
            models.Index(fields=["-opened_at", "-id"], name="alert_opened"),
            models.Index(fields=["subject_type", "subject_id", "-resolved_at"], name="alert_subject"),
            models.Index(fields=["id"], name="alert_unrouted", condition=Q(needs_routing=True)),
            models.Index(fields=["resolved_at"], name="alert_resolved", condition=Q(resolved_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.sentence


class AlertRule(models.Model):
    """A rule as people have set it. A rule without a row, or a column that is NULL, has the default."""

    name = models.CharField(_("rule"), max_length=40, primary_key=True, choices=AlertRuleName.choices)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    threshold = models.FloatField(_("threshold"), null=True, blank=True)
    resolve_after = models.PositiveIntegerField(
        _("resolves after (s)"), null=True, blank=True, help_text=_("How long the condition must have been gone.")
    )

    class Meta:
        ordering = ["name"]
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")

    def __str__(self) -> str:
        return str(AlertRuleName(self.name).label) if self.name in AlertRuleName.values else self.name


class AlertRoundManager(models.Manager["AlertRound"]):
    """The newest round."""

    def due(self) -> models.QuerySet[AlertRound]:
        """Return the row if a round is due."""
        return self.filter(due_at__lte=Now())

    def request(self) -> None:
        """Let the next round begin after this transaction, because it should see at once what has happened."""
        transaction.on_commit(lambda: self.filter(due_at__gt=Now()).update(due_at=Now()), robust=True)

    def request_about(self, subject_type: AlertSubject, subject_id: int | str) -> None:
        """Do so if there is an unresolved alert about the subject: perhaps it is over."""
        alerts = Alert.objects.unresolved().filter(subject_type=subject_type, subject_id=str(subject_id))
        waiting = self.filter(Exists(alerts), due_at__gt=Now())
        transaction.on_commit(lambda: waiting.update(due_at=Now()), robust=True)


class AlertRound(models.Model):
    """One row: the newest round in which a process evaluated the rules, and when the next one is due.

    `number` is a fencing token: only the round that has the newest number may change alerts.
    """

    number = models.BigIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now())
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # Of the last round that succeeded.

    objects = AlertRoundManager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.number)
