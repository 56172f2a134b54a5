"""What the README says is true."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import call_command, load_command_class

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [shlex.split(line)[2:] for line in re.findall(r"^python manage\.py .+$", README, re.MULTILINE)]
LOOKS_ONLY = {
    "sync_status",
    "quota",
    "reconcile",
    "setup_roles",
    "pause_queue",
    "resume_queue",
    "prune_jobs",
    "cleanup",
    "clear_failed",
}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.django_db(transaction=True)
def test_every_command_in_it_is_understood(arguments: list[str]) -> None:
    name, *rest = arguments
    command = load_command_class("syncjobs", name)
    command.create_parser("manage.py", name).parse_args(rest)
    if name in LOOKS_ONLY:
        out = io.StringIO()
        call_command(name, *rest, stdout=out)
        assert out.getvalue()


def test_it_names_every_command() -> None:
    shown = {name for name, *_ in COMMANDS}
    assert shown == {path.stem for path in (ROOT / "syncjobs/management/commands").glob("[!_]*.py")}


@pytest.mark.parametrize("target", re.findall(r"`?make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", re.findall(r"`(test_\w+)`", README))
def test_every_test_it_cites_exists(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_file_it_links_exists(path: str) -> None:
    assert (ROOT / path).is_file()
