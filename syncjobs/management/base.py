"""What all our commands share: who acts, how errors end them, and what a script may read.

Exit codes: 0 done; 1 refused or failed, with a sentence on standard error; 2 the arguments are wrong.
"""

from __future__ import annotations

import getpass
import json
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from bands.models import Band
from bands.text import parse_number
from syncjobs.audit.actors import Actor, for_command

from ..exceptions import DomainError, NotFound
from ..youtube.errors import YouTubeError


class Command(BaseCommand):
    """A command over `operations`. Subclasses define `run`."""

    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except DomainError as error:
            named = f"{error.field}: " if error.field else ""
            raise CommandError(named + error.message) from None
        except EOFError:
            raise CommandError("It asked, and there was no answer.") from None
        except YouTubeError as error:
            raise CommandError(f"YouTube: {error.message}") from None

    def run(self, **options: Any) -> None:
        """Do it."""
        raise NotImplementedError

    @property
    def actor(self) -> Actor:
        """Whoever runs the command."""
        try:
            operator = getpass.getuser()
        except (KeyError, OSError):
            operator = "operator"
        return for_command(operator, socket.gethostname())

    def say(self, text: str) -> None:
        """A line for a person."""
        self.stdout.write(text)

    def say_json(self, value: Any) -> None:
        """One JSON value on one line, for a script."""
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False))

    def band(self, slug: str) -> Band:
        """The band with this slug, or this id. Raises NotFound."""
        band = Band.objects.filter(slug=slug).first()
        if band is None and (number := parse_number(slug)) is not None:
            band = Band.objects.filter(pk=number).first()
        if band is None:
            raise NotFound(f"There is no band “{slug[:100]}”. Give its slug or its number.", field="band")
        return band
