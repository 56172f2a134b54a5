#!/usr/bin/env python
"""Django's command line, with the project's own PostgreSQL and Redis started first when none are named."""

import os
import sys

# What neither reads nor writes data starts no services.
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
            # What is held back yet must fail here: Python itself would tell of it at the very end, with a code of its own.
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output (`| head`) has had enough; what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
