"""Channels that alerts are sent to, and the messages to them."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..listing.alert_deliveries import DeliveryList
from ..models import AlertChannel, AlertDelivery
from ..operations import alert_channels
from .core.etags import Versioned
from .core.pagination import Pages, Unpaged
from .core.permissions import ModelPermissions, requires
from .core.viewsets import NoBody, ViewSet, location
from .serializers.alert_channels import (
    ChannelBody,
    ChannelSerializer,
    DeliveryDetailSerializer,
    DeliverySerializer,
    NewChannelBody,
)

_CHANGE = "syncjobs.change_alertchannel"


class AlertChannelViewSet(ListModelMixin, Versioned):
    queryset = AlertChannel.objects.all()
    serializer_class = ChannelSerializer
    permission_classes = (ModelPermissions,)
    pagination_class = Unpaged
    body_classes = {"create": NewChannelBody, "partial_update": ChannelBody}
    lookup_url_kwarg = "channel_id"
    lookup_value_converter = "id"

    def get_queryset(self) -> QuerySet[AlertChannel]:
        return alert_channels.list_channels()

    @extend_schema(operation_id="listAlertChannels")
    def list(self, request: Request) -> Response:
        """List the channels by name, with masked addresses."""
        return super().list(request)

    @extend_schema(operation_id="getAlertChannel")
    def retrieve(self, request: Request, channel_id: int) -> Response:
        """Get a channel, with its address masked."""
        channel = alert_channels.get(channel_id)
        return self.versioned(channel, ChannelSerializer(channel).data)

    @extend_schema(operation_id="createAlertChannel", responses={201: ChannelSerializer})
    def create(self, request: Request) -> Response:
        """Add a channel. If it is a webhook without a secret, one is made, and shown only in this answer."""
        saved = alert_channels.save(self.actor, None, self.validated())
        data = ChannelSerializer(saved.channel, context={"new_secret": saved.new_secret}).data
        headers = location("alert-channel-detail", channel_id=saved.channel.pk)
        return Response(data, status.HTTP_201_CREATED, headers=headers)

    @extend_schema(operation_id="changeAlertChannel", responses=ChannelSerializer)
    def partial_update(self, request: Request, channel_id: int) -> Response:
        """Change the fields given; the others stay."""
        saved = alert_channels.save(self.actor, channel_id, self.validated(), check=self.check)
        data = ChannelSerializer(saved.channel, context={"new_secret": saved.new_secret}).data
        return self.versioned(saved.channel, data)

    @extend_schema(operation_id="deleteAlertChannel", responses={204: None})
    def destroy(self, request: Request, channel_id: int) -> Response:
        """Delete a channel and its deliveries. Those that are pending are not sent."""
        alert_channels.delete(self.actor, channel_id, check=self.check)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="testAlertChannel", responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], serializer_class=NoBody, permission_classes=[requires(_CHANGE)])
    def test(self, request: Request, channel_id: int) -> Response:
        """Send a test message. The answer is its delivery, which says later whether it arrived."""
        delivery = alert_channels.send_test(self.actor, channel_id)
        headers = location("alert-delivery-detail", delivery_id=delivery.pk)
        return Response(DeliverySerializer(delivery).data, status.HTTP_202_ACCEPTED, headers=headers)


class AlertDeliveryViewSet(ListModelMixin, ViewSet):
    queryset = AlertDelivery.objects.select_related("channel")
    serializer_class = DeliverySerializer
    permission_classes = (ModelPermissions,)
    filterset_class = DeliveryList
    pagination_class = Pages
    ordering = ("-pk",)
    lookup_url_kwarg = "delivery_id"
    lookup_value_converter = "id"

    @extend_schema(operation_id="listAlertDeliveries")
    def list(self, request: Request) -> Response:
        """List the messages to channels, the newest first."""
        return super().list(request)

    @extend_schema(operation_id="getAlertDelivery", responses=DeliveryDetailSerializer)
    def retrieve(self, request: Request, delivery_id: int) -> Response:
        """Get a message with its text and the attempts to deliver it."""
        return Response(DeliveryDetailSerializer(alert_channels.get_delivery(delivery_id)).data)

    @extend_schema(operation_id="retryAlertDelivery", responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], serializer_class=NoBody, permission_classes=[requires(_CHANGE)])
    def retry(self, request: Request, delivery_id: int) -> Response:
        """Send a message now that waits for its next attempt, or again if it was given up. 409 if it has arrived."""
        delivery = alert_channels.retry_delivery(self.actor, delivery_id)
        return Response(DeliverySerializer(delivery).data, status.HTTP_202_ACCEPTED)
