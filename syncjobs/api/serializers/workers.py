"""Workers."""

from __future__ import annotations

from rest_framework import serializers

from ...models import Worker


class WorkerSerializer(serializers.ModelSerializer[Worker]):
    queues = serializers.ListField(child=serializers.CharField())
    concurrency = serializers.IntegerField()
    startedAt = serializers.DateTimeField(source="started_at")
    heartbeatAt = serializers.DateTimeField(source="heartbeat_at")
    stoppingAt = serializers.DateTimeField(source="stopping_at", allow_null=True)
    alive = serializers.SerializerMethodField()
    failingSince = serializers.DateTimeField(source="failing_since", allow_null=True)
    clockSkewSeconds = serializers.FloatField(source="clock_skew", allow_null=True)

    class Meta:
        model = Worker
        fields = (
            "name",
            "queues",
            "concurrency",
            "startedAt",
            "heartbeatAt",
            "stoppingAt",
            "alive",
            "failingSince",
            "clockSkewSeconds",
        )

    def get_alive(self, worker: Worker) -> bool:
        """Whether it reports and its tasks don't fail."""
        return not worker.is_silent and worker.failing_since is None  # type: ignore[attr-defined]
