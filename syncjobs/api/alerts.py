"""Alerts: list, acknowledge and snooze them, and change the rules that open them."""

from __future__ import annotations

import datetime as dt

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from ..alerts import rules
from ..listing.alerts import AlertList
from ..models import Alert, AlertRule
from ..operations import alert_rules, alerts
from .core.pagination import Pages
from .core.permissions import ModelPermissions, requires
from .core.viewsets import ViewSet
from .serializers.alerts import (
    AcknowledgeBody,
    AlertSerializer,
    BulkAlertsBody,
    BulkAlertsOutcome,
    RuleBody,
    RuleSerializer,
    SnoozeBody,
)

_ACT = "syncjobs.acknowledge_alert"


class AlertViewSet(ListModelMixin, ViewSet):
    queryset = Alert.objects.all()
    serializer_class = AlertSerializer
    permission_classes = (ModelPermissions,)
    filterset_class = AlertList
    pagination_class = Pages
    ordering = ("-opened_at", "-pk")
    lookup_url_kwarg = "alert_id"
    lookup_value_converter = "id"
    field_names = {"length": "minutes"}

    @extend_schema(operation_id="listAlerts")
    def list(self, request: Request) -> Response:
        """List alerts, the newest first."""
        return super().list(request)

    @extend_schema(operation_id="getAlert")
    def retrieve(self, request: Request, alert_id: int) -> Response:
        """Get an alert."""
        return self._alert(alert_id)

    @extend_schema(operation_id="acknowledgeAlert", responses=AlertSerializer)
    @action(detail=True, methods=["post"], serializer_class=AcknowledgeBody, permission_classes=[requires(_ACT)])
    def acknowledge(self, request: Request, alert_id: int) -> Response:
        """Acknowledge an alert, so that it needs no attention unless it becomes critical. One that is over is a 409."""
        alerts.acknowledge(self.actor, [alert_id], self.validated().get("note"))
        return self._alert(alert_id)

    @extend_schema(operation_id="reopenAlert", responses={204: None})
    @acknowledge.mapping.delete
    def reopen(self, request: Request, alert_id: int) -> Response:
        """Undo the acknowledgement of an alert; its note stays."""
        alerts.reopen(self.actor, [alert_id])
        return Response(status=204)

    @extend_schema(operation_id="snoozeAlert", responses=AlertSerializer)
    @action(detail=True, methods=["post"], serializer_class=SnoozeBody, permission_classes=[requires(_ACT)])
    def snooze(self, request: Request, alert_id: int) -> Response:
        """Keep an alert out of sight for a while. One that is over is a 409."""
        alerts.snooze(self.actor, [alert_id], dt.timedelta(minutes=self.validated()["minutes"]))
        return self._alert(alert_id)

    @extend_schema(operation_id="unsnoozeAlert", responses={204: None})
    @snooze.mapping.delete
    def unsnooze(self, request: Request, alert_id: int) -> Response:
        """End the snooze of an alert."""
        alerts.unsnooze(self.actor, [alert_id])
        return Response(status=204)

    @extend_schema(operation_id="bulkAlerts", responses=BulkAlertsOutcome)
    @action(detail=False, methods=["post"], serializer_class=BulkAlertsBody, permission_classes=[requires(_ACT)])
    def bulk(self, request: Request) -> Response:
        """Acknowledge, reopen, snooze or unsnooze up to 1,000 alerts at once. 409 if all of them are over."""
        body = self.validated()
        kind, ids = body["action"], [int(alert_id) for alert_id in body["ids"]]
        if kind == "acknowledge":
            changed = alerts.acknowledge(self.actor, ids, body.get("note"))
        elif kind == "snooze":
            changed, _until = alerts.snooze(self.actor, ids, dt.timedelta(minutes=body["minutes"]))
        else:
            changed = (alerts.reopen if kind == "reopen" else alerts.unsnooze)(self.actor, ids)
        return Response(BulkAlertsOutcome(changed, context={"action": kind}).data)

    def _alert(self, alert_id: int) -> Response:
        return Response(AlertSerializer(alerts.get(alert_id)).data)


class AlertRuleViewSet(ViewSet):
    queryset = AlertRule.objects.all()
    serializer_class = RuleSerializer
    permission_classes = (ModelPermissions,)
    body_classes = {"partial_update": RuleBody}
    lookup_url_kwarg = "rule"
    lookup_value_converter = "slug"

    @extend_schema(operation_id="listAlertRules", responses=RuleSerializer(many=True))
    def list(self, request: Request) -> Response:
        """List the rules as they are in effect."""
        return Response(RuleSerializer(rules.in_effect(), many=True).data)

    @extend_schema(operation_id="changeAlertRule", responses=RuleSerializer)
    def partial_update(self, request: Request, rule: str) -> Response:
        """Switch a rule on or off, or change its threshold."""
        alert_rules.set_rule(self.actor, rule, self.validated())
        changed = next(each for each in rules.in_effect() if each.rule == rule)
        return Response(RuleSerializer(changed).data)
