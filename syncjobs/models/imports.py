"""Imports of bands in the background."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ..choices import Origin


class BandImport(models.Model):
    """A file of bands that a worker imports, chunk by chunk.

    A chunk's bands and `done` change in one transaction, so a crash repeats and skips no row.
    """

    name = models.CharField(max_length=200)
    packed = models.BinaryField(null=True)
    """The file, compressed by zlib; NULL once the import has ended."""
    is_csv = models.BooleanField()
    total = models.PositiveIntegerField()
    """Rows of the file, blank ones too."""
    done = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)
    """Row, slug and problem of the first refused rows."""
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_label = models.CharField(max_length=200)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    address = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("import of bands")
        verbose_name_plural = _("imports of bands")
        indexes = [models.Index(fields=["id"], name="import_unfinished", condition=models.Q(ended_at=None))]

    def __str__(self) -> str:
        return self.name
