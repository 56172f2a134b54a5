"""Base class of all commands.

Exit codes: 0 for success, 1 for a refusal or failure with a sentence on standard error, 2 for wrong arguments.
"""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError

from bands.models import Band
from bands.text import camel_case, parse_number, respell_keys
from syncjobs.audit.actors import Actor, for_command

from ..exceptions import DomainError, NotFound, one_line, unavailable
from ..youtube.errors import YouTubeError


class Command(BaseCommand):
    """A command that calls `operations`. Subclasses define `run`."""

    requires_migrations_checks = False

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except DomainError as error:
            prefix = f"{error.field}: " if error.field else ""
            raise CommandError(prefix + error.message) from None
        except EOFError:
            raise CommandError("The command asked a question, but standard input has ended.") from None
        except YouTubeError as error:
            raise CommandError(f"YouTube: {error.message}") from None
        except (DatabaseError, InterfaceError) as error:
            if outage := unavailable(error):
                raise CommandError(f"{outage.message} {one_line(error)}") from None
            raise

    def run(self, **options: Any) -> None:
        """Run the command."""
        raise NotImplementedError

    def refuse_arguments(self, message: str) -> NoReturn:
        """End the command as argparse does, for arguments that it can't refuse itself."""
        raise CommandError(message, returncode=2)

    @property
    def actor(self) -> Actor:
        """The operator who runs the command."""
        try:
            operator = getpass.getuser()
        except (KeyError, OSError):
            operator = "operator"
        return for_command(operator, socket.gethostname())

    def print(self, text: str) -> None:
        """Print a line of text."""
        self.stdout.write(text)

    def print_json(self, value: Any, spell: Callable[[str], str] = camel_case) -> None:
        """Print a JSON value on one line, its keys in camelCase unless `spell` says otherwise."""
        self.stdout.write(json.dumps(respell_keys(value, spell), cls=DjangoJSONEncoder, ensure_ascii=False))

    def band(self, slug: str) -> Band:
        """Return the band with this slug or id. Raises NotFound."""
        band = Band.objects.filter(slug=slug).first()
        if band is None and (number := parse_number(slug)) is not None:
            band = Band.objects.filter(pk=number).first()
        if band is None:
            raise NotFound(f"There is no band “{slug[:100]}”. Give its slug or id.", field="band")
        return band
