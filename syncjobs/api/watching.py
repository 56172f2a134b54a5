"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..audit.labels import ACTIONS, RESULTS, TARGETS
from ..listing import export, parameters, query
from ..models import AuditEntry, SyncJob, Worker
from ..operations import schedules
from ..stats import jobs as stats_jobs
from ..stats import quota
from ..stats.queues import WORKER_SILENCE_SECONDS
from . import answers, lists
from .bulk import FILE, FORMAT, FileView, file_of
from .jobs import accepted, validated
from .permissions import TriggerRate, View
from .polling import Polled
from .serializers import Accepted, AuditSerializer, NewScheduleBody, ScheduleBody

_LAST_RUNS = 5
MAX_DAYS = 365


class Metrics(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="jobMetrics", responses=answers.MetricsSerializer)
    def get(self, request: Request) -> Response:
        """Counts by status; success rate, jobs per minute and times of the last 24 hours."""
        return Response(stats_jobs.metrics())


class Trends(Polled):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}
    takes = {"GET": (parameters.choice("period", stats_jobs.PERIODS, "24h"),)}

    @extend_schema(operation_id="jobTrends", responses=answers.TRENDS)
    def get(self, request: Request) -> Response:
        """Jobs by the hour or day of their creation, and what became of them."""
        period = request.query_params.get("period", "24h")
        series = stats_jobs.trends(period)
        for point in series:
            point["inProgress"] = point.pop("in_progress")
        return Response({"period": period, "series": series, "asOf": timezone.now()})


class Stuck(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_syncjob"}

    @extend_schema(operation_id="stuckJobs", responses=answers.STUCK)
    def get(self, request: Request) -> Response:
        """Attempts that run longer than is usual for their type."""
        return Response({"data": stats_jobs.stuck(), "asOf": timezone.now()})


class Workers(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_worker"}

    @extend_schema(operation_id="listWorkers", responses=answers.WORKERS)
    def get(self, request: Request) -> Response:
        """Workers with their last heartbeat, the newest first."""
        silent = timezone.now() - dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
        return Response(
            {
                "data": [
                    {
                        "name": worker.name,
                        "queues": worker.queues,
                        "concurrency": worker.concurrency,
                        "startedAt": worker.started_at,
                        "heartbeatAt": worker.heartbeat_at,
                        "stoppingAt": worker.stopping_at,
                        "alive": worker.heartbeat_at > silent,
                    }
                    for worker in Worker.objects.order_by("-heartbeat_at")
                ],
                "asOf": timezone.now(),
            }
        )


class QuotaHistory(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_quotaday"}

    takes = {"GET": (parameters.whole("days", MAX_DAYS, 30),)}

    @extend_schema(operation_id="quotaHistory", responses=answers.QUOTA_DAYS)
    def get(self, request: Request) -> Response:
        """Units used per bucket and day (America/Los_Angeles), today's last."""
        days = query.whole_number(request, "days", 30, MAX_DAYS)
        return Response({"data": quota.history(days), "asOf": timezone.now()})


_AUDIT_FILTERS = {
    "action": "action",
    "actor": "actor_label",
    "targetType": "target_type",
    "targetId": "target_id",
    "result": "result",
}
_AUDIT_PARAMETERS = (
    parameters.choice("action", ACTIONS),
    parameters.text("actor", "Who did it: a user's name, or “schedule: ” and its name."),
    parameters.choice("targetType", TARGETS),
    parameters.text("targetId", "Of what: the id of a job, a band and so on, the name of a queue."),
    parameters.choice("result", RESULTS, description="ok, or the code of the error."),
    parameters.instant("startDate", "Done from then on."),
    parameters.instant("endDate", "Done before then; a bare date includes its day. Must be after startDate."),
)


class Audit(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}

    takes = {"GET": (*_AUDIT_PARAMETERS, *query.PAGING)}

    @extend_schema(operation_id="listAudit", responses=answers.AUDIT)
    def get(self, request: Request) -> Response:
        """Who did what, the newest first."""
        rows, frame = lists.page_of(request, _audit(request))
        return Response({"data": AuditSerializer(rows, many=True).data, **frame})


def _audit(request: Request) -> QuerySet[AuditEntry]:
    entries = AuditEntry.objects.order_by("-pk")
    for name, column in _AUDIT_FILTERS.items():
        value = request.query_params.get(name)
        if value is not None:
            entries = entries.filter(**{column: value})
    start, end = query.dates(request.query_params)
    if start:
        entries = entries.filter(at__gte=start)
    return entries.filter(at__lt=end) if end else entries


class AuditExport(FileView):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_auditentry"}
    takes = {"GET": (FORMAT, *_AUDIT_PARAMETERS)}

    @extend_schema(operation_id="exportAudit", responses=FILE)
    def get(self, request: Request) -> StreamingHttpResponse:
        """Who did what, the newest first, as a file."""
        kind = request.query_params.get("format", "csv")
        return file_of(export.audit(_audit(request), kind), kind, "audit")


_WRITE = {
    "POST": "django_celery_beat.add_periodictask",
    "PATCH": "django_celery_beat.change_periodictask",
    "DELETE": "django_celery_beat.delete_periodictask",
}


class Schedules(View):
    needs: ClassVar[dict[str, str]] = {"*": "django_celery_beat.view_periodictask", **_WRITE}

    @extend_schema(operation_id="listSchedules", responses=answers.SCHEDULES)
    def get(self, request: Request) -> Response:
        """When what is triggered, with the next run and the jobs of the last ones."""
        found = list(schedules.schedules())
        runs = schedules.last_runs(found, _LAST_RUNS)
        return Response({"data": [_as_json(each, runs[each.pk]) for each in found], "asOf": timezone.now()})

    @extend_schema(operation_id="createSchedule", request=NewScheduleBody, responses={201: answers.ScheduleSerializer})
    def post(self, request: Request) -> Response:
        """Trigger jobs of a type again and again."""
        body = validated(NewScheduleBody, request)
        return Response(_schedule(schedules.save(self.actor(request), None, body)), status.HTTP_201_CREATED)


class ScheduleDetail(View):
    needs: ClassVar[dict[str, str]] = {"*": "django_celery_beat.view_periodictask", **_WRITE}

    @extend_schema(operation_id="changeSchedule", request=ScheduleBody, responses=answers.ScheduleSerializer)
    def patch(self, request: Request, schedule_id: int) -> Response:
        """Change what is given; the rest stays."""
        body = validated(ScheduleBody, request)
        return Response(_schedule(schedules.save(self.actor(request), schedules.get(schedule_id), body)))

    @extend_schema(operation_id="deleteSchedule", responses={204: None})
    def delete(self, request: Request, schedule_id: int) -> Response:
        """It triggers nothing any more; its jobs stay."""
        schedules.delete(self.actor(request), schedule_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduleRun(View):
    needs: ClassVar[dict[str, str]] = {"POST": "django_celery_beat.change_periodictask"}
    bodiless = ("POST",)
    throttle_classes = (TriggerRate,)

    @extend_schema(operation_id="runSchedule", request=None, responses={202: Accepted})
    def post(self, request: Request, schedule_id: int) -> Response:
        """Do at once what it does when it is due."""
        return accepted(schedules.run_now(self.actor(request), schedule_id))


def _schedule(schedule: PeriodicTask) -> dict[str, Any]:
    return _as_json(schedule, schedules.last_runs([schedule], _LAST_RUNS)[schedule.pk])


def _as_json(schedule: PeriodicTask, jobs: list[SyncJob]) -> dict[str, Any]:
    interval = schedule.interval
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "jobType": schedules.job_type_of(schedule),
        "cron": schedules.as_cron(schedule),
        "interval": {"every": interval.every, "period": interval.period} if interval else None,
        "enabled": schedule.enabled,
        "nextRunAt": schedules.next_run(schedule),
        "lastRunAt": schedule.last_run_at,
        "lastRuns": [
            {"jobId": str(job.pk), "status": job.status, "createdAt": job.created_at, "completedAt": job.completed_at}
            for job in jobs
        ],
    }
