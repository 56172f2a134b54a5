"""Workers and their heartbeats."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Worker
from ..operations.workers import remove_worker
from .core.pagination import Unpaged
from .core.permissions import ModelPermissions
from .core.viewsets import ViewSet
from .serializers.workers import WorkerSerializer


class WorkerViewSet(ListModelMixin, ViewSet):
    queryset = Worker.objects.workers().with_silence()
    serializer_class = WorkerSerializer
    permission_classes = (ModelPermissions,)
    pagination_class = Unpaged
    ordering = ("-heartbeat_at",)

    lookup_field = "name"
    lookup_value_converter = "str"

    @extend_schema(operation_id="listWorkers")
    def list(self, request: Request) -> Response:
        """List workers by their last heartbeat, newest first."""
        return super().list(request)

    @extend_schema(operation_id="removeWorker", responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Remove a worker that has stopped reporting. A worker that is alive is a 409."""
        remove_worker(self.actor, name)
        return Response(status=status.HTTP_204_NO_CONTENT)
