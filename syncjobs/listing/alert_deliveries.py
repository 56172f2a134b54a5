"""The list of messages about alerts: its query parameters."""

from __future__ import annotations

from ..choices import DeliveryKind, DeliveryState
from .base_filters import Choice, Id, Paged


class DeliveryList(Paged):
    """The query parameters of the deliveries."""

    channel_id = Id("channel")
    state = Choice("state", choices=DeliveryState.values)
    kind = Choice("kind", choices=DeliveryKind.values)
