"""Queues: watch, pause and resume them, clear their failed jobs."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ..choices import QueueName
from ..models import BulkAction
from ..operations import bulk, queues
from ..stats import queues as stats
from .core.etags import with_etag
from .core.idempotency import idempotent_in_steps
from .core.permissions import requires
from .core.viewsets import ViewSet, location
from .serializers import Message
from .serializers.queues import ClearBody, Cleared, Clearing, PauseBody, QueueBody, QueueSerializer


class QueueViewSet(ViewSet):
    permission_classes = (requires("syncjobs.pause_queue"),)

    @extend_schema(operation_id="queueStatus", responses=QueueSerializer(many=True))
    @action(detail=False, serializer_class=QueueSerializer, permission_classes=[requires("syncjobs.view_queue")])
    @with_etag
    def status(self, request: Request) -> Response:
        """Get the figures of each queue; the states of all queues sum to the number of jobs."""
        return Response(QueueSerializer(stats.queues(), many=True).data)

    @extend_schema(operation_id="pauseQueue", responses=Message)
    @action(detail=False, methods=["post"], serializer_class=PauseBody)
    def pause(self, request: Request) -> Response:
        """Pause a queue: none of its jobs starts after the response."""
        body = self.validated()
        paused = queues.pause_queue(self.actor, body.get("queue", QueueName.VIDEO_SYNC), body["reason"])
        return Response({"message": f"Paused: {', '.join(paused)}." if paused else "It was paused already."})

    @extend_schema(operation_id="resumeQueue", responses=Message)
    @action(detail=False, methods=["post"], serializer_class=QueueBody)
    def resume(self, request: Request) -> Response:
        """Resume a queue."""
        resumed = queues.resume_queue(self.actor, self.validated().get("queue", QueueName.VIDEO_SYNC))
        return Response({"message": f"Resumed: {', '.join(resumed)}." if resumed else "It was not paused."})

    @extend_schema(operation_id="clearFailed", responses={200: Cleared, 202: Clearing})
    @action(
        detail=False,
        methods=["post"],
        url_path="clear-failed",
        serializer_class=ClearBody,
        permission_classes=[requires("syncjobs.clear_failed")],
    )
    @idempotent_in_steps
    def clear_failed(self, request: Request) -> Response:
        """Delete failed jobs permanently; more than 5,000 in the background."""
        cleared = bulk.clear_failed(self.actor, self.validated().get("queue", queues.ALL_QUEUES))
        if isinstance(cleared, BulkAction):
            return Response(Clearing(cleared).data, 202, headers=location("job-bulk-progress", bulk_id=cleared.pk))
        return Response(Cleared(cleared).data)
