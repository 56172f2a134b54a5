"""Saved filters of the list of jobs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class FilterPreset(models.Model):
    """A filter saved under a name, for its owner alone, or for everybody if it has no owner."""

    name = models.CharField(_("name"), max_length=80)
    filters = models.JSONField(_("filters"), default=dict, help_text=_("The query parameters of the list."))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_index=False
    )
    created_by = models.CharField(_("created by"), max_length=200, help_text=_("Kept when the user is deleted."))
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        ordering = ["name", "id"]
        verbose_name = _("filter preset")
        verbose_name_plural = _("filter presets")
        permissions = [("share_filterpreset", "Can share filter presets")]
        constraints = [
            # NULLs are distinct here. `nulls_distinct=False` needs PostgreSQL 15; on 14, Django leaves the constraint out.
            models.UniqueConstraint(fields=["owner", "name"], name="own_preset_name_once"),
            models.UniqueConstraint(fields=["name"], condition=models.Q(owner=None), name="shared_preset_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        """Whether everybody sees it."""
        return self.owner_id is None
