"""The audit log: who did what, when, from where, and with which result. The database refuses to change or delete entries."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..choices import Origin


class AuditEntry(models.Model):
    """One action. It stores the person's name instead of a link, so that deleting a user rewrites no history."""

    at = models.DateTimeField(_("time"), db_default=Now())
    action = models.CharField(_("action"), max_length=40)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_label = models.CharField(_("actor"), max_length=200)
    origin = models.CharField(_("source"), max_length=10, choices=Origin.choices)
    address = models.CharField(_("address"), max_length=200, blank=True)
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(_("target"), max_length=120, blank=True)
    result = models.CharField(_("result"), max_length=40, help_text=_("ok, or the code of the error."))
    message = models.TextField(blank=True)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index(fields=["target_type", "target_id", "-id"], name="audit_target"),
            models.Index(fields=["actor_label", "-id"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label} {self.action} {self.target_id}"
