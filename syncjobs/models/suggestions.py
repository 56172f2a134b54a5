"""Channels that moderators, who may not change bands, suggest for them."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from ..choices import SuggestionState


class SuggestionQuerySet(models.QuerySet["ChannelSuggestion"]):
    """Suggestions by state."""

    def open(self) -> Self:
        """Return the suggestions that nobody has decided about."""
        return self.filter(state=SuggestionState.OPEN)


class ChannelSuggestion(models.Model):
    """A channel that somebody suggests for a band, until an admin accepts or declines it."""

    band = models.ForeignKey(Band, on_delete=models.CASCADE, related_name="channel_suggestions")
    reference = models.CharField(max_length=300)
    """An id, @handle or URL, as entered."""
    channel_id = models.CharField(max_length=24, blank=True)
    channel_handle = models.CharField(max_length=120, blank=True)
    channel_title = models.CharField(max_length=200, blank=True)
    """What YouTube said about the channel if the author looked it up; else empty."""
    video_count = models.PositiveBigIntegerField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    author_label = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=SuggestionState.choices, default=SuggestionState.OPEN)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)

    objects = SuggestionQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = _("suggested channel")
        verbose_name_plural = _("suggested channels")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["band"], name="suggestion_open", condition=models.Q(state=SuggestionState.OPEN)),
        ]

    def __str__(self) -> str:
        return self.reference
