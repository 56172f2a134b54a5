"""Workers and their heartbeats."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Worker
from .core.pagination import Unpaged
from .core.permissions import ModelPermissions
from .core.viewsets import ViewSet
from .serializers.workers import WorkerSerializer


class WorkerViewSet(ListModelMixin, ViewSet):
    queryset = Worker.objects.all()
    serializer_class = WorkerSerializer
    permission_classes = (ModelPermissions,)
    pagination_class = Unpaged
    ordering = ("-heartbeat_at",)

    @extend_schema(operation_id="listWorkers")
    def list(self, request: Request) -> Response:
        """List workers by their last heartbeat, newest first."""
        return super().list(request)
