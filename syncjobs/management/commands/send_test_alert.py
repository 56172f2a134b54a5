from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from syncjobs.alerts import deliveries
from syncjobs.choices import DeliveryState
from syncjobs.exceptions import NotFound
from syncjobs.management import base
from syncjobs.models import AlertChannel, AlertDelivery
from syncjobs.operations import alert_channels

WAIT_SECONDS = 40
"""Longer than one attempt takes, which a worker may have begun before this command."""


class Command(base.Command):
    help = "Send a test message to an alert channel, and say whether it was delivered."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("channel", nargs="?", help="its name; without it, all enabled channels are tested")

    def run(self, **options: Any) -> None:
        failed = []
        for channel in self._channels(options["channel"]):
            delivery = self._send(alert_channels.send_test(self.actor, channel.pk))
            if delivery.state == DeliveryState.DELIVERED:
                self.print(f"{channel.name}: delivered to {channel.address}.")
            else:
                failed.append(channel.name)
                self.warn(f"{channel.name}: not delivered to {channel.address}. {delivery.problem}")
        if failed:
            raise CommandError(f"Not delivered: {', '.join(failed)}.")

    def _channels(self, name: str | None) -> list[AlertChannel]:
        channels = AlertChannel.objects.filter(name=name) if name else AlertChannel.objects.filter(is_enabled=True)
        found = list(channels.order_by("name"))
        if not found:
            names = ", ".join(AlertChannel.objects.values_list("name", flat=True)) or "none"
            what = f"There is no alert channel “{name[:80]}”." if name else "There is no enabled alert channel."
            raise NotFound(f"{what} Channels: {names}.", field="channel")
        return found

    def _send(self, delivery: AlertDelivery) -> AlertDelivery:
        """Send it here, unless a worker is quicker, and return it after its first attempt."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            deliveries.deliver_next("send_test_alert", delivery.pk)
            delivery = alert_channels.get_delivery(delivery.pk)
            if delivery.state != DeliveryState.PENDING or delivery.problem:
                break
            time.sleep(0.2)
        return delivery
