#!/usr/bin/env python
"""Django's command line. It starts the embedded PostgreSQL and Redis if the environment names no others."""

import os
import sys

# Commands that need no data start no services.
WITHOUT_SERVICES = {"help", "makemessages", "compilemessages", "collectstatic", "run_simulator", "version", "startapp"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "syncmonitor.settings")
    arguments = sys.argv[1:]
    asks_help = not arguments or "--help" in arguments or "-h" in arguments or "--version" in arguments
    needs_services = not asks_help and arguments[0] not in WITHOUT_SERVICES
    try:
        try:
            execute(needs_services)
        finally:
            # A closed pipe must raise here. Otherwise Python reports it at exit, with an exit code of its own.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (such as `| head`) has closed the pipe. Discard the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def execute(needs_services: bool) -> None:
    """Run the command. End with one sentence if the configuration is invalid or the database is away."""
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError, InterfaceError

    from syncjobs.exceptions import one_line, unavailable
    from syncmonitor import embedded

    try:
        if needs_services:
            # Read the settings first: a process that is refused must not start services.
            import syncmonitor.settings  # noqa: F401

            embedded.ensure()
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except (DatabaseError, InterfaceError) as error:
        outage = unavailable(error)
        if outage is None or "--traceback" in sys.argv:
            raise
        sys.exit(f"{outage.message} {one_line(error)}")


if __name__ == "__main__":
    main()
