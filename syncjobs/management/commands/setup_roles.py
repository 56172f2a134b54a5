from __future__ import annotations

from typing import Any

from syncjobs import roles
from syncjobs.management import base


class Command(base.Command):
    help = "Create the groups MODERATOR, ADMIN and SUPER_ADMIN with their permissions, or set them right. May be run at any time."

    def run(self, **options: Any) -> None:
        for role, permissions in roles.setup().items():
            self.say(f"{role}: {permissions} permissions")
