"""Schedules: list, change and run them."""

from __future__ import annotations

from typing import Any

from django_celery_beat.models import PeriodicTask
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..engine import clock
from ..operations import schedules
from .core.etags import Versioned
from .core.idempotency import idempotent
from .core.pagination import Unpaged
from .core.permissions import ModelPermissions, requires
from .core.viewsets import NoBody, location
from .serializers.jobs import Accepted
from .serializers.schedules import NewScheduleBody, ScheduleBody, ScheduleSerializer

_LAST_RUNS = 5


class ScheduleViewSet(Versioned):
    queryset = PeriodicTask.objects.all()
    serializer_class = ScheduleSerializer
    permission_classes = (ModelPermissions,)
    pagination_class = Unpaged
    body_classes = {"create": NewScheduleBody, "partial_update": ScheduleBody}
    lookup_url_kwarg = "schedule_id"
    lookup_value_converter = "id"

    @extend_schema(operation_id="listSchedules")
    def list(self, request: Request) -> Response:
        """List schedules with their next run and recent jobs."""
        rows = self.paginate_queryset(schedules.list_schedules())
        return self.get_paginated_response(_serialized(rows, many=True))

    @extend_schema(operation_id="getSchedule")
    def retrieve(self, request: Request, schedule_id: int) -> Response:
        """Get a schedule with its next run and recent jobs."""
        schedule = schedules.get(schedule_id)
        return self.versioned(schedule, _serialized(schedule))

    @extend_schema(operation_id="createSchedule", responses={201: ScheduleSerializer})
    def create(self, request: Request) -> Response:
        """Add a schedule, which triggers jobs of a type regularly."""
        schedule = schedules.save(self.actor, None, self.validated())
        headers = location("schedule-detail", schedule_id=schedule.pk)
        return Response(_serialized(schedule), status.HTTP_201_CREATED, headers=headers)

    @extend_schema(operation_id="changeSchedule", responses=ScheduleSerializer)
    def partial_update(self, request: Request, schedule_id: int) -> Response:
        """Change the fields given; the others stay."""
        body = self.validated()
        schedule = schedules.save(self.actor, schedules.get(schedule_id), body, check=self.check)
        return self.versioned(schedule, _serialized(schedule))

    @extend_schema(operation_id="deleteSchedule", responses={204: None})
    def destroy(self, request: Request, schedule_id: int) -> Response:
        """Delete a schedule; its jobs stay."""
        schedules.delete(self.actor, schedule_id, check=self.check)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="runSchedule", responses={202: Accepted})
    @action(
        detail=True,
        methods=["post"],
        serializer_class=NoBody,
        permission_classes=[requires("django_celery_beat.change_periodictask")],
        is_limited=True,
    )
    @idempotent
    def run(self, request: Request, schedule_id: int) -> Response:
        """Run a schedule's job now."""
        created = schedules.run_now(self.actor, schedule_id)
        headers = location("job-detail", job_id=created.job.pk)
        return Response(Accepted(created).data, status.HTTP_202_ACCEPTED, headers=headers)


def _serialized(rows: Any, *, many: bool = False) -> Any:
    last_runs = schedules.last_runs(rows if many else [rows], _LAST_RUNS)
    return ScheduleSerializer(rows, many=many, context={"last_runs": last_runs, "now": clock.now()}).data
