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
    alive = serializers.BooleanField(
        source="is_alive", read_only=True, help_text="Whether it reports and its tasks don't fail."
    )
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
