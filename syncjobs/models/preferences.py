"""How a person likes their pages."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """The look of the list of jobs and the time zone of one person. A person who has changed nothing has no row."""

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable"
        COMPACT = "compact"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    job_columns: models.JSONField[list[str] | None, list[str] | None] = models.JSONField(null=True, blank=True)
    """Names of columns; NULL for those that everybody sees at first."""
    job_density = models.CharField(max_length=12, choices=Density.choices, default=Density.COMFORTABLE)
    jobs_per_page = models.PositiveSmallIntegerField(default=20)
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")
    """A name such as Europe/Madrid; empty for the browser's."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.pk}"
