"""What clients send and receive, a module per resource."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Message(serializers.Serializer[Any]):
    message = serializers.CharField()
