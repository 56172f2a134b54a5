"""Workers."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from rest_framework import serializers

from ...models import Worker
from ...models.workers import WORKER_SILENCE_SECONDS


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    queues = serializers.ListField(child=serializers.CharField())
    concurrency = serializers.IntegerField()
    startedAt = serializers.DateTimeField(source="started_at")
    heartbeatAt = serializers.DateTimeField(source="heartbeat_at")
    stoppingAt = serializers.DateTimeField(source="stopping_at", allow_null=True)
    alive = serializers.SerializerMethodField()

    class Meta:
        model = Worker
        fields = ("name", "queues", "concurrency", "startedAt", "heartbeatAt", "stoppingAt", "alive")

    def get_alive(self, worker: Worker) -> bool:
        return worker.heartbeat_at > timezone.now() - dt.timedelta(seconds=WORKER_SILENCE_SECONDS)
