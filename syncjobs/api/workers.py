"""Figures over time, workers, the audit, the quota's history and the schedules."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Worker
from ..stats.queues import WORKER_SILENCE_SECONDS
from .core import responses
from .core.views import View


class Workers(View):
    needs: ClassVar[dict[str, str]] = {"*": "syncjobs.view_worker"}

    @extend_schema(operation_id="listWorkers", responses=responses.WORKERS)
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
