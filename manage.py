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
    if not asks_help and arguments[0] not in WITHOUT_SERVICES:
        from syncmonitor import embedded

        embedded.ensure()
    from django.core.management import execute_from_command_line

    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            # A closed pipe must raise here. Otherwise Python reports it at exit, with an exit code of its own.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (such as `| head`) has closed the pipe. Discard the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
