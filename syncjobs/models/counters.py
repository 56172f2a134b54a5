"""Counts of jobs and errors. Triggers append deltas, `counters.fold()` adds them up: see sql/ and counters/.

Band id 0 stands for no band. The tables refer to bands and groups by id alone, so that a count never blocks a deletion.
"""

from __future__ import annotations

from django.db import models


class JobCount(models.Model):
    """How many jobs share the properties that a grain distinguishes: see `counters.Grain`.

    A grain that ignores a property stores -1 or -infinity for it; a time that the jobs don't have is infinity.
    """

    pk = models.CompositePrimaryKey("grain", "band_id", "since", "across", "job_type", "status")
    grain = models.SmallIntegerField()
    band_id = models.BigIntegerField()
    since = models.DateTimeField()
    across = models.DateTimeField()
    job_type = models.CharField(max_length=20)
    status = models.CharField(max_length=12)
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["grain"], name="jobcount_empty", condition=models.Q(n=0))]

    def __str__(self) -> str:
        return f"{self.pk} {self.n}"


class BandNameCount(models.Model):
    """How many jobs have a band's name, so that a search by name reads no jobs."""

    band_name = models.CharField(max_length=200, primary_key=True)
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.band_name} {self.n}"


class JobDelta(models.Model):
    """Jobs added to (or removed from) the counts by one statement, not folded yet."""

    band_id = models.BigIntegerField()
    band_name = models.CharField(max_length=200)
    hour = models.DateTimeField()
    started = models.DateTimeField()
    ended = models.DateTimeField()
    job_type = models.CharField(max_length=20)
    status = models.CharField(max_length=12)
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.hour} {self.job_type} {self.status} {self.n:+}"


class JobLabelCount(models.Model):
    """How many jobs have a text: `kind` "name" is the name of their band, "by" who requested them."""

    pk = models.CompositePrimaryKey("kind", "label", "with_errors", "job_type", "status")
    kind = models.CharField(max_length=4)
    label = models.CharField(max_length=200)
    with_errors = models.BooleanField()
    job_type = models.CharField(max_length=20)
    status = models.CharField(max_length=12)
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["kind"], name="joblabelcount_empty", condition=models.Q(n=0))]

    def __str__(self) -> str:
        return f"{self.pk} {self.n}"


class JobMarkDelta(models.Model):
    """Jobs added to (or removed from) the counts by label and of jobs with errors by one statement, not folded yet."""

    band_id = models.BigIntegerField()
    band_name = models.CharField(max_length=200)
    requester = models.CharField(max_length=200)
    with_errors = models.BooleanField()
    hour = models.DateTimeField()
    started = models.DateTimeField()
    ended = models.DateTimeField()
    job_type = models.CharField(max_length=20)
    status = models.CharField(max_length=12)
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.hour} {self.job_type} {self.status} {self.n:+}"


class ErrorBandCount(models.Model):
    """How many errors of a group are a band's."""

    pk = models.CompositePrimaryKey("group_id", "band_id")
    group_id = models.CharField(max_length=16)
    band_id = models.BigIntegerField()
    n = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["group_id"], name="errorbandcount_empty", condition=models.Q(n=0))]

    def __str__(self) -> str:
        return f"{self.pk} {self.n}"


class ErrorDelta(models.Model):
    """Errors, and jobs new to their group, added to (or removed from) the counts by one statement, not folded yet."""

    group_id = models.CharField(max_length=16)
    band_id = models.BigIntegerField()
    errors = models.BigIntegerField()
    jobs = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.group_id} {self.errors:+}"
