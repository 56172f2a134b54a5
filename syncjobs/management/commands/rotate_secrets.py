from __future__ import annotations

from typing import Any

from syncjobs.management import base
from syncjobs.operations import alert_channels


class Command(base.Command):
    help = "Encrypt the addresses and secrets of alert channels with SECRET_KEY, after it was changed."

    def run(self, **options: Any) -> None:
        rotated, unreadable = alert_channels.rotate_secrets(self.actor)
        self.print(f"Encrypted again: {rotated} channels.")
        if unreadable:
            names = ", ".join(unreadable)
            self.warn(f"None of the keys reads the address of: {names}. Enter it again.")
