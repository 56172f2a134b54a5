"""What goes into the container image and into git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT


def lines(name: str) -> list[str]:
    return [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]


def test_the_image_holds_what_it_runs_and_nothing_else(tmp_path: Path) -> None:
    first, *others = lines(".dockerignore")
    assert first == "*"
    kept = [line[1:] for line in others if line.startswith("!")]
    assert {"tests", "docs", ".git", ".env", ".local"}.isdisjoint(kept)
    assert "**/.env*" in others[len(kept) :]
    for name in kept:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    values = {"DEBUG": "false", "SECRET_KEY": "only-for-collectstatic" * 3, "ALLOWED_HOSTS": "build"}
    variables = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"} | values
    command = [sys.executable, "manage.py", "collectstatic", "--noinput"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="This is not a checkout.")
@pytest.mark.parametrize("name", [".env", ".env.production"])
def test_git_ignores_secrets(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0
