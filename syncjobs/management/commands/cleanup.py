from __future__ import annotations

from dataclasses import asdict
from typing import Any

from syncjobs.management import base
from syncjobs.operations.cleanup import delete_expired


class Command(base.Command):
    help = (
        "Delete bulk actions that ended more than 30 days ago, and tokens and sessions that have expired. "
        "A schedule does so every night."
    )

    def run(self, **options: Any) -> None:
        deleted = delete_expired(self.actor)
        self.say(
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in asdict(deleted).items()) + " deleted."
        )
