"""The questions asked of jobs, each defined once. `runnable()` alone knows what "paused" means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now

from ..choices import ACTIVE_STATUSES, AttemptOutcome, JobStatus

if TYPE_CHECKING:
    from .jobs import Attempt, SyncJob  # noqa: F401 - the type arguments below name them


class SyncJobQuerySet(models.QuerySet["SyncJob"]):
    """Jobs by where they stand."""

    def waiting(self) -> Self:
        """Queued and due, whether or not the queue is paused."""
        return self.filter(status=JobStatus.QUEUED, run_at__lte=Now())

    def delayed(self) -> Self:
        """Queued, but not due yet."""
        return self.filter(status=JobStatus.QUEUED, run_at__gt=Now())

    def runnable(self) -> Self:
        """Waiting in a queue that is not paused: what a worker may claim now."""
        return self.waiting().filter(queue__paused_at__isnull=True)

    def in_claim_order(self) -> Self:
        """Next first: by priority, then age."""
        return self.order_by("-priority", "id")

    def active(self) -> Self:
        """Not ended yet."""
        return self.filter(status__in=ACTIVE_STATUSES)

    def in_progress(self) -> Self:
        """Being worked on; for an all-bands job, by its children."""
        return self.filter(status=JobStatus.IN_PROGRESS)

    def failed(self) -> Self:
        """Ended in failure, retried or not."""
        return self.filter(status=JobStatus.FAILED)

    def not_retried(self) -> Self:
        """Without a retry by a person, whatever the retry's status."""
        return self.exclude(Exists(self.model._default_manager.filter(retry_of=OuterRef("pk"))))

    def childless_parents(self) -> Self:
        """All-bands jobs in progress whose own attempt and children have all ended: ready to be completed."""
        children = self.model._default_manager.filter(parent_id=OuterRef("pk"), status__in=ACTIVE_STATUSES)
        waiting = self.in_progress().filter(fans_out=True, checkpoint__fanned_out=True)
        return waiting.exclude(Exists(children)).exclude(attempts__outcome=AttemptOutcome.RUNNING)

    def with_queue_position(self) -> Self:
        """Annotate `queue_position`: 1 is claimed next. NULL for whatever is not waiting."""
        ahead = (
            self.model._default_manager.filter(
                Q(priority__gt=OuterRef("priority")) | Q(priority=OuterRef("priority"), pk__lte=OuterRef("pk")),
                status=JobStatus.QUEUED,
                run_at__lte=Now(),
                queue_id=OuterRef("queue_id"),
            )
            .order_by()
            .values("queue_id")
            .annotate(ahead=Count("pk"))
            .values("ahead")
        )
        return self.annotate(
            queue_position=models.Case(
                models.When(status=JobStatus.QUEUED, run_at__lte=Now(), then=Subquery(ahead)),
                default=None,
                output_field=models.IntegerField(null=True),
            )
        )


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Attempts by how they are doing."""

    def running(self) -> Self:
        """Not ended, as far as anyone has said."""
        return self.filter(outcome=AttemptOutcome.RUNNING)

    def expired(self) -> Self:
        """Running, but its lease has not been renewed in time: its worker is dead or frozen."""
        return self.running().filter(lease_expires_at__lte=Now())
