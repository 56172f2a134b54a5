from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

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


def _environment(variables: dict[str, str]) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return others | {"DJANGO_SETTINGS_MODULE": "syncmonitor.settings", "DATABASE_URL": "postgres:///x"} | variables


def settings_for(**variables: str) -> dict[str, Any]:
    """Return what the settings are with these variables. Raises ImproperlyConfigured."""
    spec = importlib.util.spec_from_file_location("syncmonitor.other_settings", ROOT / "syncmonitor/settings.py")
    assert spec is not None
    assert spec.loader is not None
    settings = importlib.util.module_from_spec(spec)
    with mock.patch.dict(os.environ, _environment(variables), clear=True):
        spec.loader.exec_module(settings)
    return vars(settings)


def check(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Django's check in a new process."""
    code = "import django; django.setup(); from django.core.management import call_command as c; c('check', *%r)"
    return subprocess.run(
        [sys.executable, "-c", code % (arguments,)],
        env=_environment(variables),
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
    with pytest.raises(ImproperlyConfigured, match=f"\n  {name}: "):
        settings_for(**PRODUCTION | {name: value})


def test_all_invalid_values_are_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        settings_for(**PRODUCTION, SYNC_MAX_ATTEMPTS="x", YOUTUBE_QUOTA_STATS="y")
    assert "SYNC_MAX_ATTEMPTS:" in str(caught.value)
    assert "YOUTUBE_QUOTA_STATS:" in str(caught.value)


def test_the_documentation_lists_every_variable_and_no_other() -> None:
    source = "".join((ROOT / "syncmonitor" / name).read_text() for name in ("settings.py", "embedded.py"))
    read = set(re.findall(r'(?:env\.\w+|integer|environ\.get)\(\s*"([A-Z_]+)"', source))
    table = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    assert table == read


def test_an_old_variable_name_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="SYNC_JOBS_PER_BELL was renamed SYNC_JOBS_PER_WAKE_UP"):
        assert settings_for(DEBUG="true", SYNC_JOBS_PER_BELL="7")["SYNC_JOBS_PER_WAKE_UP"] == 7
