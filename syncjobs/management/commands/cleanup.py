from __future__ import annotations

from typing import Any

from syncjobs.management import base
from syncjobs.operations.cleanup import delete_expired


class Command(base.Command):
    help = (
        "Delete bulk actions and imports that ended more than 30 days ago, workers that have been dead for a day, error groups "
        "and quota days that are no longer needed, audit entries older than AUDIT_KEEP_DAYS, and expired tokens, sessions, "
        "idempotency keys and cached values. A schedule does this every night."
    )

    def run(self, **options: Any) -> None:
        deleted = delete_expired(self.actor)
        self.print(
            "Deleted: " + ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in deleted.items()) + "."
        )
