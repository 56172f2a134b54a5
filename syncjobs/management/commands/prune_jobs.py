from __future__ import annotations

from typing import Any

from syncjobs.choices import JobType
from syncjobs.management import base
from syncjobs.operations import triggers


class Command(base.Command):
    help = (
        "Queue a job that deletes jobs which ended more than SYNC_KEEP_JOBS_DAYS ago. A schedule does this every night."
    )

    def run(self, **options: Any) -> None:
        created = triggers.trigger_maintenance(self.actor, JobType.PRUNE)
        self.print(triggers.describe(created))
