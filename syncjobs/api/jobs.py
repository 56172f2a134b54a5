"""Sync jobs: watch, trigger, retry, cancel and export them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import QueryDict, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from bands.models import Band
from bands.text import camel_case

from ..choices import JobStatus, Priority
from ..engine import clock
from ..exceptions import NotFound, NotPermitted
from ..listing import export
from ..listing.filters import JobFilters, JobList, filters_of, for_display, job_query, query_of
from ..models import BulkAction, SyncJob
from ..operations import bulk, jobs, queued_jobs, triggers
from ..stats import estimates
from ..stats import jobs as job_stats
from .core.etags import with_etag
from .core.files import FILE, FORMAT, IgnoreAccept
from .core.idempotency import idempotent, idempotent_in_steps
from .core.pagination import JobPages
from .core.permissions import requires
from .core.viewsets import NoBody, ViewSet, location
from .serializers.bulk import BulkBody, BulkOutcome, BulkProgress
from .serializers.jobs import (
    Accepted,
    Cancelling,
    Changing,
    DelayBody,
    EstimateResult,
    JobDetailSerializer,
    JobSerializer,
    PriorityBody,
    Running,
    TriggerBody,
    job_as_json,
)

MAX_TIMELINE = 500
"""Events of a timeline in a response: the newest ones."""


class JobExport(JobFilters):
    """The query parameters of the list of jobs as a file."""

    format = FORMAT


class SyncJobViewSet(ViewSet):
    queryset = SyncJob.objects.all()
    serializer_class = JobSerializer
    permission_classes = (requires("syncjobs.view_syncjob"),)
    filterset_class = JobList
    pagination_class = JobPages
    lookup_url_kwarg = "job_id"
    lookup_value_converter = "id"
    field_names = {"band": "bandId", "job": "id"}

    @extend_schema(operation_id="listSyncJobs")
    @with_etag
    def list(self, request: Request) -> Response:
        """List jobs, filtered, sorted and paged. Totals are exact."""
        page = self.paginate_queryset(query_of(self.parameters))  # type: ignore[arg-type]
        return self.get_paginated_response([job_as_json(job) for job in page or ()])

    @extend_schema(operation_id="getSyncJob", responses=JobDetailSerializer)
    @with_etag
    def retrieve(self, request: Request, job_id: int) -> Response:
        """Get a job with its attempts, its timeline and a summary of its children."""
        job = for_display(SyncJob.objects.filter(pk=job_id)).first()
        if job is None:
            raise NotFound(f"There is no job #{job_id}.", field="job")
        return Response(JobDetailSerializer(_with_details(job)).data)

    @extend_schema(operation_id="triggerSync", responses={202: Accepted})
    @action(
        detail=False,
        methods=["post"],
        serializer_class=TriggerBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
        is_limited=True,
    )
    @idempotent
    def trigger(self, request: Request) -> Response:
        """Sync a band, or all active bands."""
        body = self.validated()
        created = triggers.trigger_sync(
            self.actor,
            _band(body.get("bandId")),
            full=body["syncType"] == "FULL",
            force=body["forceSync"],
            priority=body.get("priority"),
        )
        return _accepted(Accepted(created), created.job)

    @extend_schema(operation_id="estimateSync", responses=EstimateResult)
    @action(
        detail=False,
        methods=["post"],
        serializer_class=TriggerBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    def estimate(self, request: Request) -> Response:
        """Estimate what a sync would cost, without triggering it."""
        body = self.validated()
        band = _band(body.get("bandId"))
        estimate = estimates.estimate(
            None if band is None else [band], full=body["syncType"] == "FULL", force=body["forceSync"]
        )
        return Response(EstimateResult(estimate).data)

    @extend_schema(operation_id="bulkSyncJobs", responses={200: BulkOutcome, 202: BulkProgress})
    @action(detail=False, methods=["post"], serializer_class=BulkBody, is_limited=True)
    @idempotent_in_steps
    def bulk(self, request: Request) -> Response:
        """Act on the jobs named, or on all that a filter matches now; more than 1,000 in the background."""
        body = self.validated()
        if not request.user.has_perm(bulk.PERMISSIONS[body["action"]]):
            raise NotPermitted("You don't have permission to do this.")
        ids = body["ids"] if "ids" in body else _matching(body["filter"])
        until = _in_minutes(body["minutes"]) if "minutes" in body else None
        change = queued_jobs.Change(body["action"], until, body.get("priority"))
        outcome = bulk.start(self.actor, body["action"], [int(job_id) for job_id in ids], change)
        if isinstance(outcome, BulkAction):
            headers = location("job-bulk-progress", bulk_id=outcome.pk)
            return Response(BulkProgress(outcome).data, status.HTTP_202_ACCEPTED, headers=headers)
        return Response(BulkOutcome(outcome, context={"action": body["action"]}).data)

    @extend_schema(operation_id="getBulk")
    @action(detail=False, url_path="bulk/<id:bulk_id>", serializer_class=BulkProgress)
    def bulk_progress(self, request: Request, bulk_id: int) -> Response:
        """Get the progress of a bulk action in the background."""
        return Response(BulkProgress(bulk.get_bulk_action(bulk_id)).data)

    @extend_schema(operation_id="exportSyncJobs", responses=FILE)
    @action(detail=False, filterset_class=JobExport, content_negotiation_class=IgnoreAccept, is_file=True)
    def export(self, request: Request) -> StreamingHttpResponse:
        """Download all jobs that the list's filters match."""
        kind = self.parameters["format"]
        return export.file_of(
            export.jobs(query_of(self.parameters).jobs, kind, person=request.user.pk), kind, "sync-jobs"
        )

    @extend_schema(operation_id="retrySyncJob", responses={202: Accepted})
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        permission_classes=[requires("syncjobs.retry_job")],
        is_limited=True,
    )
    @idempotent
    def retry(self, request: Request, job_id: int) -> Response:
        """Run a failed or cancelled job again, as a new job."""
        created = jobs.retry_job(self.actor, job_id)
        return _accepted(Accepted(created), created.job)

    @extend_schema(operation_id="runSyncJob", responses={202: Running})
    @action(
        detail=True, methods=["post"], serializer_class=NoBody, permission_classes=[requires("syncjobs.trigger_sync")]
    )
    @idempotent
    def run(self, request: Request, job_id: int) -> Response:
        """End the delay of a queued job, whatever it waits for; of an all-bands job, also those of its children."""
        job = queued_jobs.run_now(self.actor, job_id)
        return _accepted(Running(job), job)

    @extend_schema(operation_id="delaySyncJob", responses={202: Changing})
    @action(
        detail=True,
        methods=["post"],
        serializer_class=DelayBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    @idempotent
    def delay(self, request: Request, job_id: int) -> Response:
        """Delay a queued job, whatever it waits for now; of an all-bands job, also its queued children."""
        minutes = self.validated()["minutes"]
        job = queued_jobs.delay(self.actor, job_id, _in_minutes(minutes))
        return _changed(job, f"Job {job} is delayed for {minutes} minute{'' if minutes == 1 else 's'}.")

    @extend_schema(operation_id="prioritizeSyncJob", responses={202: Changing})
    @action(
        detail=True,
        methods=["post"],
        serializer_class=PriorityBody,
        permission_classes=[requires("syncjobs.trigger_sync")],
    )
    @idempotent
    def priority(self, request: Request, job_id: int) -> Response:
        """Change the priority of a queued job; of an all-bands job, also that of its queued children."""
        priority = Priority(self.validated()["priority"])
        job = queued_jobs.prioritize(self.actor, job_id, priority)
        return _changed(job, f"Job {job} has the priority {priority.name.lower()}.")

    @extend_schema(operation_id="moveSyncJobToFront", responses={202: Changing})
    @action(
        detail=True, methods=["post"], serializer_class=NoBody, permission_classes=[requires("syncjobs.trigger_sync")]
    )
    @idempotent
    def front(self, request: Request, job_id: int) -> Response:
        """Let a queued job start before all others of its queue; of an all-bands job, also its queued children."""
        job = queued_jobs.move_to_front(self.actor, job_id)
        return _changed(job, f"Job {job} is at the front of its queue.")

    @extend_schema(operation_id="cancelSyncJob", responses={202: Cancelling})
    @action(
        detail=True, methods=["post"], serializer_class=NoBody, permission_classes=[requires("syncjobs.cancel_job")]
    )
    @idempotent
    def cancel(self, request: Request, job_id: int) -> Response:
        """Cancel a queued job at once, or ask a running one to stop."""
        job = jobs.cancel_job(self.actor, job_id)
        return _accepted(Cancelling(job), job)


def _accepted(answer: Serializer[Any], job: SyncJob) -> Response:
    """Answer 202 with the address of the job."""
    return Response(answer.data, status.HTTP_202_ACCEPTED, headers=location("job-detail", job_id=job.pk))


def _changed(job: SyncJob, message: str) -> Response:
    return _accepted(Changing(job, context={"message": message}), job)


def _in_minutes(minutes: int) -> dt.datetime:
    return clock.now() + dt.timedelta(minutes=minutes)


def _with_details(job: Any) -> Any:
    """Set on the job what JobDetailSerializer adds to it."""
    job.add_child_sums()
    job.timeline = list(job.events.order_by("-pk")[:MAX_TIMELINE])[::-1]
    job.band_paused_by = job.band.paused_by if job.status == JobStatus.QUEUED and job.band else ""
    job.children_by_status, job.children_totals = job_stats.children(job)
    return job


def _band(band_id: str | None) -> Band | None:
    """Return the band, or None if no id is given. Raises NotFound."""
    if band_id is None:
        return None
    band = Band.objects.filter(pk=int(band_id)).first()
    if band is None:
        raise NotFound(f"There is no band {band_id}.", field="band")
    return band


def _matching(filters: dict[str, Any]) -> list[int]:
    """Return the ids of the jobs that a filter matches now."""
    data = QueryDict(mutable=True)
    data.update(filters_of(filters, "filter", camel_case))
    ids = job_query(data).jobs.order_by("pk").values_list("pk", flat=True)
    return list(ids[: bulk.MAX_JOBS + 1])
