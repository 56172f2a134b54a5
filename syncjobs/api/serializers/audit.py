"""The audit: who did what."""

from __future__ import annotations

from rest_framework import serializers

from ...models import AuditEntry


class AuditSerializer(serializers.ModelSerializer[AuditEntry]):
    id = serializers.CharField()
    actor = serializers.CharField(source="actor_label")
    targetType = serializers.CharField(source="target_type")
    targetId = serializers.CharField(
        source="target_id", help_text="Empty if there were several; data has their number."
    )

    class Meta:
        model = AuditEntry
        fields = (
            "id", "at", "action", "actor", "origin", "address", "targetType", "targetId", "result", "message", "data",
        )  # fmt: skip
