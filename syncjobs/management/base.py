"""Base class of all commands.

Exit codes: 0 for success, 1 for a refusal or failure with a sentence on standard error, 2 for wrong arguments.
"""

from __future__ import annotations

import datetime as dt
import getpass
import json
import math
import re
import socket
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError

from bands.models import Band
from bands.text import camel_case, escape_controls, is_storable, parse_number, respell_keys
from syncjobs.audit.actors import Actor, for_command

from ..exceptions import DomainError, InvalidFields, InvalidInput, NotFound, one_line, unavailable
from ..listing.base_filters import parse_instant
from ..operations.jobs import get_job
from ..operations.queued_jobs import changes_only_children
from ..youtube.errors import YouTubeError

MAX_LISTED = 10_000


def seconds(text: str) -> float:
    """Parse a number of seconds, as the type of an argument. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds.")
    return number


def instant(text: str) -> dt.datetime:
    """Parse a date or a time, as the type of an argument. Raises ArgumentTypeError."""
    try:
        return parse_instant(text)
    except InvalidInput as error:
        raise ArgumentTypeError(error.message) from None


def how_many(text: str) -> int:
    """Parse how many rows to list at most, as the type of an argument. Raises ArgumentTypeError."""
    number = parse_number(text, maximum=MAX_LISTED)
    if not number:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_LISTED}.")
    return number


class _Parser(CommandParser):
    """A parser that takes an id or slug for one although it begins with a dash, as argparse does after `--` only."""

    dash_argument: re.Pattern[str] | None = None

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Namespace:  # type: ignore[override]
        for argument in args or ():
            if not is_storable(argument):
                self.error(f"{argument!r} is not UTF-8")
        parsed: Namespace = super().parse_args(None if args is None else self._protect(list(args)), namespace)
        return parsed

    def error(self, message: str) -> Any:
        """Refuse the arguments. The message quotes them, and a script may have read them from anywhere."""
        return super().error(escape_controls(message))

    def _protect(self, args: list[str]) -> list[str]:
        """Return the arguments with values as `--option=value`, and ids that begin with a dash after `--`."""
        options = {option: action.nargs for action in self._actions for option in action.option_strings}
        with_value = {option for option, count in options.items() if count is None and option.startswith("--")}
        first: list[str] = []
        ids: list[str] = []
        rest = iter(args)
        for argument in rest:
            if argument == "--":
                break
            has_dash = argument.startswith("-") and argument.partition("=")[0] not in options
            if has_dash and first and first[-1] in with_value:
                first[-1] += f"={argument}"
            elif has_dash and self._is_id(argument, options):
                ids.append(argument)
            else:
                first.append(argument)
        return [*first, "--", *ids, *rest] if ids or "--" in args else first

    def _is_id(self, argument: str, options: Iterable[str]) -> bool:
        """Whether the argument looks like an id, and not like the beginning of an option."""
        if self.dash_argument is None or any(option.startswith(argument) for option in options):
            return False
        return self.dash_argument.fullmatch(argument) is not None


class Command(BaseCommand):
    """A command that calls `operations`. Subclasses define `run`."""

    requires_migrations_checks = False
    dash_argument: re.Pattern[str] | None = None
    """What a positional argument that begins with a dash looks like, if there can be one."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser of the command's arguments."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django has no other way to choose the class of the parser.
        parser.__class__ = _Parser
        parser.dash_argument = self.dash_argument  # type: ignore[attr-defined]
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.run(**options)
        except CommandError as error:
            error.args = (escape_controls(str(error)),)
            raise
        except DomainError as error:
            # The message for several fields names them.
            prefix = f"{error.field}: " if error.field and not isinstance(error, InvalidFields) else ""
            raise CommandError(escape_controls(prefix + error.message)) from None
        except EOFError:
            raise CommandError("The command asked a question, but standard input has ended.") from None
        except YouTubeError as error:
            raise CommandError(escape_controls(f"YouTube: {error.message}")) from None
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
        """Print a line of text. Names and errors come from other people, so a terminal must obey nothing in it."""
        self.stdout.write(escape_controls(text))

    def warn(self, text: str) -> None:
        """Print a line of text on standard error."""
        self.stderr.write(escape_controls(text))

    def print_json(self, value: Any, spell: Callable[[str], str] = camel_case) -> None:
        """Print a JSON value on one line, its keys in camelCase unless `spell` says otherwise."""
        text = json.dumps(respell_keys(value, spell), cls=DjangoJSONEncoder, ensure_ascii=False)
        self.stdout.write(escape_controls(text))

    def changed(self, job_id: int, verb: str, verb_of_many: str) -> str:
        """Return the beginning of a sentence about what a change of a queued job concerns. Raises NotFound."""
        if changes_only_children(job := get_job(job_id)):
            return f"The queued child jobs of {job} {verb_of_many}"
        return f"Job {job} {verb}"

    def band(self, slug: str) -> Band:
        """Return the band with this slug or id. Raises NotFound."""
        band = Band.objects.filter(slug=slug).first()
        if band is None and (number := parse_number(slug)) is not None:
            band = Band.objects.filter(pk=number).first()
        if band is None:
            raise NotFound(f"There is no band “{slug[:100]}”. Give its slug or id.", field="band")
        return band
