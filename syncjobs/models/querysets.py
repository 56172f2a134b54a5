"""Querysets of jobs and attempts: every state is defined once, here."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, Exists, Func, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Now

from bands.models import Band

from ..choices import ACTIVE_STATUSES, AttemptOutcome, JobStatus

if TYPE_CHECKING:
    from .jobs import Attempt, SyncJob  # noqa: F401 - the type arguments below name them


SUMMED = ("videos_found", "videos_added", "videos_updated", "videos_unavailable", "quota_used", "error_count")
"""Columns of which an all-bands job reports its own value plus the sum of its children's."""


BAND_IS_NOT_PAUSED = Q(band=None) | ~Q(band__in=Band.objects.paused().values("pk"))
"""Jobs whose band is not paused, or that have none."""


class SyncJobQuerySet(models.QuerySet["SyncJob"]):
    """Jobs by state."""

    def waiting(self) -> Self:
        """Return queued jobs that are due, whether or not their queue or band is paused."""
        return self.filter(status=JobStatus.QUEUED, run_at__lte=Now())

    def delayed(self) -> Self:
        """Return queued jobs that are not due yet."""
        return self.filter(status=JobStatus.QUEUED, run_at__gt=Now())

    def runnable(self) -> Self:
        """Return the jobs that workers may claim now: waiting, and neither their queue nor their band is paused."""
        # The same as `best` in sql/queries/claim_job.sql.
        return self.waiting().of_unpaused_bands().filter(queue__paused_at__isnull=True)

    def of_paused_bands(self) -> Self:
        """Return the queued jobs, due or not, that wait until somebody resumes their band."""
        return self.filter(status=JobStatus.QUEUED, band__in=Band.objects.paused().values("pk"))

    def of_unpaused_bands(self) -> Self:
        """Leave out the jobs of paused bands. Jobs without a band stay."""
        return self.filter(BAND_IS_NOT_PAUSED)

    def in_claim_order(self) -> Self:
        """Order by priority, then age; the first is claimed next."""
        return self.order_by("-priority", "id")

    def active(self) -> Self:
        """Return jobs that have not ended."""
        return self.filter(status__in=ACTIVE_STATUSES)

    def in_progress(self) -> Self:
        """Return running jobs, and all-bands jobs whose children run."""
        return self.filter(status=JobStatus.IN_PROGRESS)

    def past_cancel_grace(self) -> Self:
        """Return jobs in progress that were asked to stop longer ago than the grace period."""
        grace = dt.timedelta(seconds=settings.SYNC_CANCEL_GRACE_SECONDS)
        return self.in_progress().filter(cancel_requested_at__lte=Now() - grace)

    def failed(self) -> Self:
        """Return failed jobs, retried or not."""
        return self.filter(status=JobStatus.FAILED)

    def not_retried(self) -> Self:
        """Leave out jobs that a person has retried, whatever the status of the retry or of the job that covers it."""
        return self.filter(covered_by=None).exclude(Exists(self.model._default_manager.filter(retry_of=OuterRef("pk"))))

    def completable_parents(self) -> Self:
        """Return all-bands jobs in progress that can be completed: their own attempt and all children have ended.

        They don't wait for children of paused bands: no other all-bands job could start while a band is paused.
        """
        children = self.model._default_manager.filter(parent_id=OuterRef("pk"), status__in=ACTIVE_STATUSES)
        children = children.filter(Q(status=JobStatus.IN_PROGRESS) | BAND_IS_NOT_PAUSED)
        waiting = self.in_progress().filter(fans_out=True, checkpoint__fanned_out=True)
        return waiting.exclude(Exists(children)).exclude(attempts__outcome=AttemptOutcome.RUNNING)

    def with_queue_position(self) -> Self:
        """Annotate `queue_position`: 1 is claimed next, NULL is not waiting, or waits until its band is resumed."""
        waiting = self.model._default_manager.filter(
            Q(priority__gt=OuterRef("priority")) | Q(priority=OuterRef("priority"), pk__lte=OuterRef("pk")),
            status=JobStatus.QUEUED,
            run_at__lte=Now(),
            queue_id=OuterRef("queue_id"),
        ).order_by()
        # While no band is paused, the count reads only an index.
        position = models.Case(
            models.When(Exists(Band.objects.paused()), then=_count(waiting.of_unpaused_bands())),
            default=_count(waiting),
        )
        return self.annotate(
            queue_position=models.Case(
                models.When(BAND_IS_NOT_PAUSED, status=JobStatus.QUEUED, run_at__lte=Now(), then=position),
                default=None,
                output_field=models.IntegerField(null=True),
            )
        )

    def with_child_sums(self) -> Self:
        """Annotate `child_sums`: the children's sums of SUMMED for an all-bands job that has any, otherwise NULL."""
        of_parent = self.model._default_manager.filter(parent=OuterRef("pk")).order_by().values("parent")
        sums = Func(
            *map(Sum, SUMMED),
            function="ARRAY",
            template="%(function)s[%(expressions)s]",
            output_field=ArrayField(models.BigIntegerField()),
        )
        return self.annotate(
            child_sums=models.Case(
                models.When(fans_out=True, then=Subquery(of_parent.annotate(sums=sums).values("sums"))), default=None
            )
        )


def _count(jobs: SyncJobQuerySet) -> Subquery:
    counted = jobs.values("queue_id").annotate(n=Count("pk")).values("n")
    return Subquery(counted, output_field=models.IntegerField())


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Attempts by state."""

    def running(self) -> Self:
        """Return attempts whose end nobody has recorded."""
        return self.filter(outcome=AttemptOutcome.RUNNING)

    def expired(self) -> Self:
        """Return running attempts whose lease was not renewed in time: their worker is dead or frozen."""
        return self.running().filter(lease_expires_at__lte=Now())
