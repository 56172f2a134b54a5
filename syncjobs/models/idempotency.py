"""Requests that clients may repeat without doing their work twice."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

KEEP_HOURS = 24
"""How long a key belongs to its request."""


class IdempotencyKey(models.Model):
    """A request that a client sent with a key, and its answer, which a repetition of the request gets as well.

    Only accepted requests are kept. A row without a status is that of a request whose work takes several transactions.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = models.TextField(blank=True, help_text="JSON, with its keys in the order in which they were sent.")
    location = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_age")]

    def __str__(self) -> str:
        return self.key
