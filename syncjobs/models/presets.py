"""Filters of the list of jobs that somebody saved under a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class FilterPreset(models.Model):
    """A saved filter: its owner's alone, or everybody's when it has no owner."""

    name = models.CharField(_("name"), max_length=80)
    filters = models.JSONField(_("filters"), default=dict, help_text=_("As the list's query parameters."))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False
    )
    created_by = models.CharField(_("created by"), max_length=200, help_text=_("Kept when the person is deleted."))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        ordering = ["name", "id"]
        verbose_name = _("filter preset")
        verbose_name_plural = _("filter presets")
        permissions = [("share_filterpreset", "Can share filter presets")]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="preset_name_once", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        """Whether everybody sees it."""
        return self.owner_id is None
