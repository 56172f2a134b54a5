"""Counters and histograms for Prometheus, which no deletion lowers: triggers append deltas, `counters.fold()` adds them up."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class Metric(models.Model):
    """How many events of a kind there have been: see `counters.metrics.Event`.

    Events with a value (seconds) are counted by the upper bound of their value, infinity beyond the last one, and `total` is
    the sum of their values. The bound of events without a value is -1.
    """

    pk = models.CompositePrimaryKey("name", "label", "second_label", "bound")
    name = models.CharField(max_length=20)
    label = models.CharField(max_length=60)
    second_label = models.CharField(max_length=60)
    bound = models.FloatField()
    n = models.BigIntegerField()
    total = models.FloatField(default=0)
    last_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.pk} {self.n}"


class MetricDelta(models.Model):
    """Events that are not folded yet."""

    name = models.CharField(max_length=20)
    label = models.CharField(max_length=60)
    second_label = models.CharField(max_length=60)
    value = models.FloatField(null=True)
    n = models.IntegerField(db_default=1)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.label} {self.second_label} {self.n:+}"
