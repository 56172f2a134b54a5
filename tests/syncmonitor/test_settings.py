from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {"SECRET_KEY": "k" * 30 + "A7" * 15 + "_-!x9", "ALLOWED_HOSTS": "example.org"}
OURS = (
    "DEBUG",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "YOUTUBE_",
    "SYNC_",
    "SYNCMONITOR_",
    "DATABASE_URL",
    "REDIS_URL",
    "PORT",
    "METRICS_",
)


def check(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    code = "import django; django.setup(); from django.core.management import call_command as c; c('check', *%r)"
    return subprocess.run(
        [sys.executable, "-c", code % (arguments,)],
        env=environment
        | {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings", "DATABASE_URL": "postgres:///x"}
        | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_passes_djangos_deployment_check() -> None:
    done = check("--deploy", "--fail-level=WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_production_has_no_default_for_a_secret() -> None:
    done = check()
    assert done.returncode
    assert "SECRET_KEY: set it" in done.stderr
    assert "ALLOWED_HOSTS: list" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("YOUTUBE_API_ENDPOINT", "not a url"),
        ("YOUTUBE_QUOTA_MAIN", "many"),
        ("YOUTUBE_QUOTA_RESERVED", "20000"),
        ("YOUTUBE_TIMEOUT_SECONDS", "0"),
        ("SYNC_LEASE_SECONDS", "31"),
        ("SYNC_MAX_ATTEMPTS", "-1"),
        ("SYNC_RETRY_BASE_SECONDS", "3601"),
        ("LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("REDIS_URL", "localhost:6379"),
        ("PORT", "99999"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_ALLOWED_ADDRESSES", "10.0.0.0/8,10.0.0.1/8"),
    ],
)
def test_an_invalid_value_is_refused_with_its_name(name: str, value: str) -> None:
    done = check(**PRODUCTION | {name: value})
    assert done.returncode
    assert f"{name}:" in done.stderr.splitlines()[-1] + done.stderr


def test_all_invalid_values_are_named_at_once() -> None:
    done = check(**PRODUCTION, SYNC_MAX_ATTEMPTS="x", YOUTUBE_QUOTA_STATS="y")
    assert "SYNC_MAX_ATTEMPTS:" in done.stderr
    assert "YOUTUBE_QUOTA_STATS:" in done.stderr


def test_the_documentation_lists_every_variable_and_no_other() -> None:
    source = "".join((ROOT / "syncmonitor" / name).read_text() for name in ("settings.py", "embedded.py"))
    read = set(re.findall(r'(?:env\.\w+|integer|environ\.get)\(\s*"([A-Z_]+)"', source))
    table = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    assert table == read


def test_an_old_variable_name_works_with_a_warning() -> None:
    code = "import django; django.setup(); from django.conf import settings; print(settings.SYNC_JOBS_PER_WAKE_UP)"
    variables = {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings", "DEBUG": "true", "SYNC_JOBS_PER_BELL": "7"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | variables, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"
    assert "SYNC_JOBS_PER_BELL was renamed SYNC_JOBS_PER_WAKE_UP" in done.stderr
