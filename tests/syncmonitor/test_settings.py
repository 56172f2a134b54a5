from __future__ import annotations

import importlib.util
import os
import re
import ssl
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import kombu
import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from syncmonitor.celery import app as celery_app

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {"SECRET_KEY": "k" * 30 + "A7" * 15 + "_-!x9", "ALLOWED_HOSTS": "example.org"}
OURS = (
    "DEBUG",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "PUBLIC_URL",
    "FEED_",
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


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new process."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=_environment(variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
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
        ("SECRET_KEY", "a"),
        ("SECRET_KEY", "k7" * 24 + "A"),
        ("SECRET_KEY", "a" * 60),
        ("SECRET_KEY", "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz-0123456789"),
        ("YOUTUBE_API_ENDPOINT", "not a url"),
        ("YOUTUBE_QUOTA_MAIN", "many"),
        ("YOUTUBE_QUOTA_RESERVED", "20000"),
        ("YOUTUBE_TIMEOUT_SECONDS", "0"),
        ("SYNC_LEASE_SECONDS", "31"),
        ("SYNC_MAX_ATTEMPTS", "-1"),
        ("SYNC_RETRY_BASE_SECONDS", "3601"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("REDIS_URL", "localhost:6379"),
        ("PORT", "99999"),
        ("SYNCMONITOR_INSTANCE", "../x"),
        ("SYNCMONITOR_INSTANCE", "a/b"),
        ("CSRF_TRUSTED_ORIGINS", "sync.example.org"),
        ("CORS_ALLOWED_ORIGINS", "https://a.example,https://b.example/path"),
        ("METRICS_TOKEN", "short"),
        ("METRICS_ALLOWED_ADDRESSES", "10.0.0.0/8,10.0.0.1/8"),
        ("PUBLIC_URL", "http://sync.example.org"),
        ("PUBLIC_URL", "https://sync.example.org/path"),
        ("PUBLIC_URL", "https://elsewhere.example.net"),
        ("YOUTUBE_HUB", "hub"),
        ("YOUTUBE_FEED_ENDPOINT", "feeds"),
        ("FEED_POLL_SECONDS", "59"),
    ],
)
def test_an_invalid_value_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"\n  {name}: "):
        settings_for(**PRODUCTION | {name: value})


def test_feeds_and_hub_are_where_youtube_is() -> None:
    real = settings_for(**PRODUCTION | {"PUBLIC_URL": "https://example.org/"})
    assert real["PUBLIC_URL"] == "https://example.org"
    assert real["YOUTUBE_HUB"].startswith("https://pubsubhubbub.appspot.com/")
    assert real["YOUTUBE_FEED_ENDPOINT"] == "https://www.youtube.com/feeds/videos.xml"
    simulated = settings_for(**PRODUCTION | {"YOUTUBE_API_ENDPOINT": "http://127.0.0.1:8900"})
    assert simulated["YOUTUBE_HUB"] == "http://127.0.0.1:8900/hub"
    assert simulated["YOUTUBE_FEED_ENDPOINT"] == "http://127.0.0.1:8900/feeds/videos.xml"
    assert settings_for(DEBUG="true", PUBLIC_URL="http://localhost:8000")["PUBLIC_URL"] == "http://localhost:8000"


def test_a_wildcard_for_hosts_is_warned_of_in_production_only() -> None:
    with pytest.warns(RuntimeWarning, match="ALLOWED_HOSTS"):
        settings_for(**PRODUCTION | {"ALLOWED_HOSTS": "example.org,*"})
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        settings_for(DEBUG="true", ALLOWED_HOSTS="*")
        settings_for(**PRODUCTION)


@pytest.mark.parametrize("value", ["socks5://me:secret@proxy.test:1080", "http://me:secret@proxy.test:port"])
def test_an_unusable_proxy_is_refused_without_its_password(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="\n  https_proxy: ") as refused:
        settings_for(**PRODUCTION | {"YOUTUBE_API_KEY": "x" * 39, "https_proxy": value})
    assert "secret" not in str(refused.value)
    settings_for(**PRODUCTION | {"YOUTUBE_API_KEY": "x" * 39, "https_proxy": value, "no_proxy": ".googleapis.com"})
    simulated = {"YOUTUBE_API_KEY": "x" * 39, "YOUTUBE_API_ENDPOINT": "http://127.0.0.1:8900", "http_proxy": value}
    settings_for(**PRODUCTION | simulated)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgres://u@h:99999/x", "Port out of range"),
        ("postgres://u@h:abc/x", "abc"),
        ("postgres://u@h:0/x", "port"),
        ("postgres://u@h/", "database"),
        ("postgres://u@h/x?sslmod=require", '"sslmod"'),
        ("postgres://u@h/x?sslmode=allways", '"allways"'),
        ("postgres://u@h/x?sslmode=verify-full&sslrootcert=/nowhere.pem", "/nowhere.pem"),
        ("postgres://u@h/x?connect_timeout=soon", "connect_timeout"),
        ("postgres://u@h/x?target_session_attrs=primry", "primry"),
    ],
)
def test_a_database_url_is_checked_without_connecting(url: str, problem: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"\n  DATABASE_URL: .*{re.escape(problem)}"):
        settings_for(**PRODUCTION, DATABASE_URL=url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://h:99999/0", "Port out of range"),
        ("redis://h:abc/0", "abc"),
        ("redis://", "host"),
        ("redis://h/first", "number"),
        ("redis://h/0?sokcet_timeout=3", "sokcet_timeout"),
        ("redis://h/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss://h/0?ssl_cert_reqs=perhaps", "ssl_cert_reqs"),
        ("rediss://h/0?ssl_ca_certs=/nowhere.pem", "/nowhere.pem"),
    ],
)
def test_a_redis_url_is_checked_without_connecting(url: str, problem: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"\n  REDIS_URL: .*{re.escape(problem)}"):
        settings_for(**PRODUCTION, REDIS_URL=url)


@pytest.mark.parametrize(
    ("url", "verify"),
    [
        ("rediss://h/0", ssl.CERT_REQUIRED),
        ("rediss://h/0?ssl_check_hostname=true", ssl.CERT_REQUIRED),
        ("rediss://h/0?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_celery_and_redis_verify_certificates_by_default(url: str, verify: ssl.VerifyMode) -> None:
    settings = settings_for(**PRODUCTION, REDIS_URL=url)
    # What Celery connects with, and what our own client does.
    options = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    channel = kombu.Connection(settings["CELERY_BROKER_URL"], transport_options=options)
    parameters = vars(channel)["ssl"]
    assert parameters["ssl_cert_reqs"] == verify
    ours = redis.ConnectionPool.from_url(settings["REDIS_URL"]).make_connection()
    assert (ours.cert_reqs, ours.check_hostname) == (verify, verify == ssl.CERT_REQUIRED)


def test_connections_notice_a_vanished_host() -> None:
    variables = PRODUCTION | {"DATABASE_URL": "postgres://u@h/x?connect_timeout=2&options=-c%20work_mem%3D9MB"}
    settings = settings_for(**variables, REDIS_URL="redis://h/0")
    options = settings["DATABASES"]["default"]["OPTIONS"]
    assert int(options["connect_timeout"]) == 2
    assert options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"] <= 30
    assert options["tcp_user_timeout"] <= 30_000
    assert options["options"] == "-c idle_in_transaction_session_timeout=5000 -c work_mem=9MB"
    broker = settings["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert broker["socket_connect_timeout"] <= 5
    assert broker["socket_keepalive"]


@pytest.mark.parametrize("key", ["", "  "])
def test_a_worker_does_not_start_without_a_key(key: str) -> None:
    code = "from syncmonitor.celery import app; app.worker_main(['worker', '--pool', 'solo'])"
    unreachable = {"DATABASE_URL": "postgres://u@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=_environment(PRODUCTION | unreachable | {"YOUTUBE_API_KEY": key}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("YOUTUBE_API_KEY: set it")


def test_all_invalid_values_are_named_at_once() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        settings_for(**PRODUCTION, SYNC_MAX_ATTEMPTS="x", YOUTUBE_QUOTA_STATS="y")
    assert "SYNC_MAX_ATTEMPTS:" in str(caught.value)
    assert "YOUTUBE_QUOTA_STATS:" in str(caught.value)


def test_a_command_names_all_invalid_values_without_a_traceback() -> None:
    wrong = {"SYNCMONITOR_INSTANCE": "../x", "DATABASE_URL": "postgres://u@h/x?sslmod=1", "REDIS_URL": "redis://h:0/0"}
    done = manage("sync_status", **PRODUCTION, **wrong)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert lines[0] == "Invalid environment variables:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["SYNCMONITOR_INSTANCE", "DATABASE_URL", "REDIS_URL"]


@pytest.mark.parametrize(
    "command",
    [
        ["uvicorn", "syncmonitor.asgi:application", "--port", "1"],
        ["celery", "-A", "syncmonitor", "worker"],
        ["celery", "-A", "syncmonitor", "beat"],
    ],
)
def test_a_server_names_all_invalid_values_without_a_traceback(command: list[str]) -> None:
    wrong = {"DATABASE_URL": "postgres://u@h/x?sslmod=1", "REDIS_URL": "redis://h:0/0", "SYNC_MAX_ATTEMPTS": "0"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=_environment(PRODUCTION | wrong),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[-4] == "Invalid environment variables:"
    assert [line.split(":")[0].strip() for line in lines[-3:]] == ["SYNC_MAX_ATTEMPTS", "DATABASE_URL", "REDIS_URL"]


def test_celery_connects_again_at_a_steady_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise jobs would wait for 30 s after Redis has come back."""
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda seconds: None)
    pauses: list[float] = []

    def note(error: Exception, pause: float) -> None:
        pauses.append(pause)

    connection = celery_app.connection_for_read("redis://127.0.0.1:1/0")
    with connection, pytest.raises(kombu.exceptions.OperationalError):
        connection.ensure_connection(note, 10)
    assert len(pauses) == 10
    assert max(pauses) <= 2
    assert celery_app.conf.broker_connection_max_retries is None


@pytest.mark.parametrize("command", ["sync_status", "migrate", "quota", "setup_roles"])
def test_a_command_ends_with_one_sentence_if_the_database_is_away(command: str) -> None:
    away = {"DATABASE_URL": "postgres://u@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = manage(command, **PRODUCTION, **away)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "The database is away" in line
    assert "127.0.0.1" in line


def test_the_documentation_lists_every_variable_and_no_other() -> None:
    source = "".join((ROOT / "syncmonitor" / name).read_text() for name in ("settings.py", "embedded.py"))
    read = set(re.findall(r'(?:env\.\w+|integer|environ\.get)\(\s*"([A-Z_]+)"', source))
    table = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    assert table == read


def test_an_old_variable_name_works_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="SYNC_JOBS_PER_BELL was renamed SYNC_JOBS_PER_WAKE_UP"):
        assert settings_for(DEBUG="true", SYNC_JOBS_PER_BELL="7")["SYNC_JOBS_PER_WAKE_UP"] == 7
