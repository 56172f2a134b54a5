from __future__ import annotations

from typing import Any

from syncjobs.management import base
from syncjobs.operations import people


class Command(base.Command):
    help = "Create the groups MODERATOR, ADMIN and SUPER_ADMIN, or reset their permissions. Safe to run at any time."

    def run(self, **options: Any) -> None:
        for role, permissions in people.setup_roles().items():
            self.print(f"{role}: {permissions} permissions")
