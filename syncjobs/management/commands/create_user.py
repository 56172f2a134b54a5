from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from syncjobs.choices import Role
from syncjobs.management import base
from syncjobs.operations import people


class Command(base.Command):
    help = "Create a user, or set the role and password of an existing one. Asks for the password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the username")
        parser.add_argument("--role", required=True, choices=Role.values, help="what the person may do")
        parser.add_argument("--email", default="", help="the person's email address")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def run(self, **options: Any) -> None:
        password = sys.stdin.readline().rstrip("\r\n") if options["password_stdin"] else getpass.getpass("Password: ")
        created = people.save_user(self.actor, options["name"], password, Role(options["role"]), options["email"])
        self.print(f"{options['name']} {'created' if created else 'updated'}, {options['role']}.")
