"""Secrets in files, and passwords with any character."""

from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection

from syncmonitor import settings as project
from syncmonitor import telemetry
from syncmonitor.celery import app as celery_app
from tests.deploy.web import ROOT
from tests.syncmonitor.test_settings import PRODUCTION, settings_for

EVERY_CHARACTER = string.punctuation + " äß漢" + string.ascii_letters + string.digits
VALUES = {
    "SECRET_KEY": PRODUCTION["SECRET_KEY"],
    "SECRET_KEY_FALLBACKS": "an-older-key",
    "METRICS_TOKEN": "a-token-of-metrics-1",
    "EMAIL_HOST_PASSWORD": "p",
    "YOUTUBE_API_KEY": "AIza-from-a-file",
    "DATABASE_URL": "postgres://u:p@h/x",
    "DATABASE_PASSWORD": "p",
    "REDIS_URL": "redis://:p@h:6379/0",
    "REDIS_PASSWORD": "p",
    "SENTRY_DSN": "https://key@sentry.example.org/1",
}


def test_every_secret_may_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable whose name says that it is a secret belongs to SECRETS."""
    monkeypatch.setattr(telemetry, "problems", lambda dsn, endpoint: [])
    monkeypatch.setattr(telemetry, "start_sentry", lambda dsn: None)
    source = Path(project.__file__).read_text()
    names = {name for name in project.__dict__ if f'"{name}"' in source}
    secret = ("KEY", "KEY_FALLBACKS", "TOKEN", "PASSWORD", "SECRET", "DSN", "DATABASE_URL", "REDIS_URL", "EMAIL_URL")
    assert {name for name in names if name.endswith(secret)} == set(project.SECRETS) == set(VALUES)
    urls = {"DATABASE_PASSWORD": {"DATABASE_URL": "postgres://u@h/x"}, "REDIS_PASSWORD": {"REDIS_URL": "redis://h/0"}}
    for name, value in VALUES.items():
        path = tmp_path / name
        path.write_text(f"{value}\n")
        others = {key: text for key, text in PRODUCTION.items() if key != name} | urls.get(name, {})
        if name == "DATABASE_URL":
            others["DATABASE_URL"] = ""
        assert settings_for(**others, **{f"{name}_FILE": str(path)})[name] in (value, [value])


@pytest.mark.parametrize("name", project.SECRETS)
def test_a_file_that_can_not_be_read_is_named(name: str, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    others = {key: value for key, value in PRODUCTION.items() if key != name} | {"DATABASE_URL": ""}
    for path, reason in ((tmp_path / "missing", "No such file"), (tmp_path, "Is a directory"), (empty, "is empty")):
        with pytest.raises(ImproperlyConfigured, match=f"\n  {name}_FILE: {path}.*{reason}"):
            settings_for(**others, **{f"{name}_FILE": str(path)})
    with pytest.raises(ImproperlyConfigured, match="not a text in UTF-8"):
        settings_for(**others, **{f"{name}_FILE": str(binary)})


def test_a_secret_is_set_once(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(PRODUCTION["SECRET_KEY"])
    with pytest.raises(ImproperlyConfigured, match="\n  SECRET_KEY_FILE: SECRET_KEY is set too"):
        settings_for(**PRODUCTION, SECRET_KEY_FILE=str(tmp_path / "key"))
    with pytest.raises(ImproperlyConfigured, match="\n  DATABASE_PASSWORD: DATABASE_URL has a password too"):
        settings_for(**PRODUCTION, DATABASE_URL="postgres://u:p@h/x", DATABASE_PASSWORD="q")
    with pytest.raises(ImproperlyConfigured, match="\n  REDIS_PASSWORD: is only used with REDIS_URL"):
        settings_for(**PRODUCTION, REDIS_PASSWORD="q")


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgres://u:{}@h:5/x?application_name=a@b", "p@ss:w/o?r#d[%zz"),
        ("postgres://u:{}@h/x", "a%b%%c"),
        ("postgres://u:{}@%2Frun%2Fpostgresql/x", "/@/"),
    ],
)
def test_a_password_in_a_url_may_be_written_as_it_is(url: str, password: str) -> None:
    database = settings_for(**PRODUCTION, DATABASE_URL=url.format(password))["DATABASES"]["default"]
    assert (database["USER"], database["PASSWORD"], database["NAME"]) == ("u", password, "x")
    plain = settings_for(**PRODUCTION, DATABASE_URL=url.format("plain"))["DATABASES"]["default"]
    assert database | {"PASSWORD": "plain"} == plain


@pytest.mark.parametrize("url", ["postgres://u@h/x", "postgres://u@h:5/x?application_name=a@b", "postgres://h/x"])
def test_a_password_of_the_database_may_have_any_character(url: str) -> None:
    database = settings_for(**PRODUCTION, DATABASE_URL=url, DATABASE_PASSWORD=EVERY_CHARACTER)["DATABASES"]["default"]
    plain = settings_for(**PRODUCTION, DATABASE_URL=url)["DATABASES"]["default"]
    assert database == plain | {"PASSWORD": EVERY_CHARACTER}


@pytest.mark.parametrize("url", ["redis://{}h:6379/3", "redis://me{}h/3", "rediss://{}h/3"])
@pytest.mark.parametrize("is_in_url", [True, False])
def test_a_password_of_redis_may_have_any_character(url: str, is_in_url: bool) -> None:
    password = EVERY_CHARACTER
    if is_in_url:
        variables = {"REDIS_URL": url.format(f":{password}@")}
    else:
        variables = {"REDIS_URL": url.format("@" if "me" in url else ""), "REDIS_PASSWORD": password}
    settings = settings_for(**PRODUCTION, **variables)
    ours = redis.ConnectionPool.from_url(settings["REDIS_URL"]).connection_kwargs
    assert (ours["password"], ours["host"], ours["db"]) == (password, "h", 3)
    celerys = Connection(settings["CELERY_BROKER_URL"])
    assert (celerys.password, celerys.hostname, celerys.virtual_host) == (password, "h", "3")


def test_a_worker_reads_its_secrets_from_files(tmp_path: Path) -> None:
    """Celery reads the settings before it decides whether to start services of its own."""
    names = {"DATABASE_URL": "postgres://u@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0", "YOUTUBE_API_KEY": ""}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    for name, value in names.items():
        if value:
            (tmp_path / name).write_text(value)
            environment[f"{name}_FILE"] = str(tmp_path / name)
    code = "from syncmonitor.celery import app; app.worker_main(['worker', '--pool', 'solo'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment | {"SYNCMONITOR_INSTANCE": "never-started", "DJANGO_SETTINGS_MODULE": "syncmonitor.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.strip().splitlines()[-1].startswith("YOUTUBE_API_KEY: set it")
    assert not list(ROOT.rglob("never-started"))
    assert celery_app.conf.broker_url


def test_the_documentation_names_every_file() -> None:
    text = (ROOT / "docs/operations.md").read_text().partition("Secrets can be in files:")[2].partition("\n\n")[0]
    assert set(re.findall("`([A-Z_]+)_FILE`", text)) == set(project.SECRETS)


def test_static_files_may_be_anywhere(tmp_path: Path) -> None:
    assert settings_for(**PRODUCTION, STATIC_ROOT=str(tmp_path))["STATIC_ROOT"] == str(tmp_path)
    assert settings_for(**PRODUCTION)["STATIC_ROOT"] == ROOT / "staticfiles"
