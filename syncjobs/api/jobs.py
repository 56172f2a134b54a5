"""Sync jobs: watch them, trigger, retry, cancel."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Count, Sum
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from bands.models import Band

from ..choices import JobStatus
from ..engine.enqueue import Created
from ..exceptions import NotFound
from ..listing import rows
from ..listing.pages import Order
from ..listing.query import JobList as JobListParameters
from ..models import Attempt, JobEvent, SyncJob
from ..operations import jobs, triggers
from .core import lists, responses
from .core.etags import Polled
from .core.views import TriggerRate, View
from .serializers import Accepted, AttemptSerializer, Cancelling, EventSerializer, TriggerBody, job_as_json

MAX_TIMELINE = 500
"""Newest lines of a timeline that are told."""
_SUMMED = {
    "videosFound": "videos_found",
    "videosAdded": "videos_added",
    "videosUpdated": "videos_updated",
    "quotaUsed": "quota_used",
    "errors": "error_count",
}


class JobList(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    takes = {"GET": JobListParameters}

    @extend_schema(operation_id="listSyncJobs", responses=responses.JOBS)
    def get(self, request: Request) -> Response:
        """Jobs, filtered, sorted and paged; totals are exact."""
        found, order, frame = lists.jobs_page(self.parameters)
        return Response({"data": [job_as_json(job) for job in rows.read(found, order)], **frame})


class JobDetail(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="getSyncJob", responses=responses.JobDetailSerializer)
    def get(self, request: Request, job_id: int) -> Response:
        """One job, with its attempts, its timeline and a summary of its children."""
        found = rows.read(SyncJob.objects.filter(pk=job_id), Order())
        if not found:
            raise NotFound(f"There is no job #{job_id}.", field="id")
        (job,) = found
        attempts = Attempt.objects.filter(job_id=job_id).order_by("number")
        newest = list(JobEvent.objects.filter(job_id=job_id).order_by("-pk")[:MAX_TIMELINE])
        body = job_as_json(job)
        body["attemptHistory"] = AttemptSerializer(attempts, many=True).data
        body["timeline"] = EventSerializer(newest[::-1], many=True).data
        body |= _of_children(job_id) if job.fans_out else {"children": {}, "childrenTotals": dict.fromkeys(_SUMMED, 0)}
        return Response(body)


def _of_children(job_id: int) -> dict[str, Any]:
    """How many children there are in each status, and what all of them have done so far."""
    by_status: dict[str, int] = {}
    totals = dict.fromkeys(_SUMMED, 0)
    children = SyncJob.objects.filter(parent_id=job_id).order_by().values("status")
    summed = children.annotate(n=Count("pk"), **{name: Sum(column) for name, column in _SUMMED.items()})
    for status_of, n, *sums in summed.values_list("status", "n", *_SUMMED):
        by_status[status_of] = n
        totals = {name: total + more for (name, total), more in zip(totals.items(), sums, strict=True)}
    return {"children": by_status, "childrenTotals": totals}


class JobRetry(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.retry_job"}
    bodiless = ("POST",)
    throttle_classes = (TriggerRate,)

    @extend_schema(operation_id="retrySyncJob", request=None, responses={202: Accepted})
    def post(self, request: Request, job_id: int) -> Response:
        """Run a failed or cancelled job again, as a new job."""
        return accepted(jobs.retry_job(self.actor(request), job_id))


class JobCancel(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.cancel_job"}
    bodiless = ("POST",)

    @extend_schema(operation_id="cancelSyncJob", request=None, responses={202: Cancelling})
    def post(self, request: Request, job_id: int) -> Response:
        """Cancel a queued job at once, or ask a running one to stop."""
        job = jobs.cancel_job(self.actor(request), job_id)
        done = "is cancelled" if job.is_terminal else "was asked to stop"
        return Response({"message": f"Job {job} {done}.", "jobId": str(job.pk)}, status.HTTP_202_ACCEPTED)


class Trigger(View):
    needs: ClassVar[dict[str, str]] = {"POST": "syncjobs.trigger_sync"}
    throttle_classes = (TriggerRate,)
    refers = True

    @extend_schema(operation_id="triggerSync", request=TriggerBody, responses={202: Accepted})
    def post(self, request: Request) -> Response:
        """Sync a band, or all active bands."""
        body = validated(TriggerBody, request)
        created = triggers.trigger_sync(
            self.actor(request),
            band_of(body.get("bandId")),
            full=body["syncType"] == "FULL",
            force=body["forceSync"],
            priority=body.get("priority"),
        )
        return accepted(created)


def accepted(created: Created) -> Response:
    """202, with the job that is to be watched."""
    job = created.job
    if created.is_new:
        message = f"Job {job} is queued."
    elif created.is_raised:
        message = f"Job {job} was queued already, and has taken on the priority or force that you asked for."
    elif job.status == JobStatus.QUEUED:
        message = f"Job {job} was queued already."
    else:
        message = f"Job {job} is running already, as it was asked for before."
    body = {"message": message, "jobId": str(job.pk), "isNew": created.is_new}
    return Response(body, status.HTTP_202_ACCEPTED)


def validated(serializer: Any, request: Request) -> dict[str, Any]:
    """The request's body as the serializer reads it. Raises ValidationError."""
    checked = serializer(data=request.data)
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def band_of(band_id: str | None) -> Band | None:
    """The band with this id; None for none. Raises NotFound."""
    if band_id is None:
        return None
    band = Band.objects.filter(pk=int(band_id)).first()
    if band is None:
        raise NotFound(f"There is no band {band_id}.", field="bandId")
    return band
