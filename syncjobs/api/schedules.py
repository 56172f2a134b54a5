"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import SyncJob
from ..operations import schedules
from .core import responses
from .core.views import TriggerRate, View
from .jobs import accepted, validated
from .serializers import Accepted, NewScheduleBody, ScheduleBody

_LAST_RUNS = 5


_WRITE = {
    "POST": "django_celery_beat.add_periodictask",
    "PATCH": "django_celery_beat.change_periodictask",
    "DELETE": "django_celery_beat.delete_periodictask",
}


class Schedules(View):
    needs: ClassVar[dict[str, str]] = {"*": "django_celery_beat.view_periodictask", **_WRITE}

    @extend_schema(operation_id="listSchedules", responses=responses.SCHEDULES)
    def get(self, request: Request) -> Response:
        """When what is triggered, with the next run and the jobs of the last ones."""
        found = list(schedules.list_schedules())
        runs = schedules.last_runs(found, _LAST_RUNS)
        return Response({"data": [_as_json(each, runs[each.pk]) for each in found], "asOf": timezone.now()})

    @extend_schema(
        operation_id="createSchedule", request=NewScheduleBody, responses={201: responses.ScheduleSerializer}
    )
    def post(self, request: Request) -> Response:
        """Trigger jobs of a type again and again."""
        body = validated(NewScheduleBody, request)
        return Response(_schedule(schedules.save(self.actor(request), None, body)), status.HTTP_201_CREATED)


class ScheduleDetail(View):
    needs: ClassVar[dict[str, str]] = {"*": "django_celery_beat.view_periodictask", **_WRITE}

    @extend_schema(operation_id="changeSchedule", request=ScheduleBody, responses=responses.ScheduleSerializer)
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
