"""doctor: it names what is broken and says what to do."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now

from syncjobs.choices import ChannelKind
from syncjobs.engine import broker, clock
from syncjobs.management import doctor
from syncjobs.management.doctor import Finding, Level, alerts, postgresql, site
from syncjobs.management.doctor import redis as redis_checks
from syncjobs.models import AlertChannel, AlertDelivery, AlertRound, HubState, QuotaCall, Worker
from syncjobs.operations import queues
from syncjobs.youtube.simulator import Simulator
from tests.alerts.channels import make_channel
from tests.clients import run_command
from tests.factories import PERSON, make_band, queue_job
from tests.processes import ROOT, free_port
from tests.receivers import web_receiver

pytestmark = pytest.mark.django_db
ALL_QUEUES = ["video-sync", "video-processing", "maintenance"]


def _worker(name: str = "w@a", **fields: object) -> Worker:
    values = {"process_id": 1, "queues": ALL_QUEUES, "concurrency": 2} | fields
    return Worker.objects.create(name=name, **values)


def _sound_site() -> None:
    _worker()
    _worker("beat@a", is_scheduler=True, queues=[], concurrency=0)
    AlertRound.objects.update(ended_at=Now())
    make_channel()


SYNCHRONOUS_COMMIT = postgresql._SETTINGS["synchronous_commit"]


def _problems(*, ask_youtube: bool = False) -> dict[str, Finding]:
    """Return the findings that are not OK, by check. Each says what to do."""
    found = {each.check: each for each in doctor.examine(ask_youtube=ask_youtube) if each.level is not Level.OK}
    assert all(each.advice for each in found.values())
    return found


def _sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def quick_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own PostgreSQL doesn't wait for the disk, which is not what they are about."""
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        monkeypatch.delitem(postgresql._SETTINGS, name)


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """Yield a client of the test's Redis, and undo what a test has configured."""
    with broker.redis_client() as client:
        before = client.config_get("maxmemory*")
        yield client
        for name in ("maxmemory", "maxmemory-policy"):
            client.config_set(name, before[name])


def test_a_sound_site_has_no_problem() -> None:
    _sound_site()
    assert _problems() == {}
    text = run_command("doctor")
    assert text.endswith("0 errors, 0 warnings.\n")
    assert "PostgreSQL takes writes." in text
    report = json.loads(run_command("doctor", "--json"))
    assert report["ok"] is True
    assert {"check": "redis.writable", "level": "ok", "message": "Redis takes writes.", "advice": ""} in report[
        "findings"
    ]


def test_an_error_makes_the_exit_code_1_and_a_warning_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    _sound_site()
    queues.pause_queue(PERSON, "maintenance", "cleaning")
    assert "1 warning." in run_command("doctor")
    Worker.objects.all().delete()
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--json")
    assert end.value.code == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_without_postgresql_the_other_checks_still_run() -> None:
    url = f"postgres://nobody@127.0.0.1:{free_port()}/nothing"
    environment = os.environ | {"DATABASE_URL": url, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    command = [sys.executable, "manage.py", "doctor", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    problems = {each["check"]: each for each in json.loads(done.stdout)["findings"] if each["level"] == "error"}
    assert set(problems) == {"postgresql", "redis"}
    assert "does not answer" in problems["postgresql"]["message"]
    assert "DATABASE_URL" in problems["postgresql"]["advice"]
    assert "REDIS_URL" in problems["redis"]["advice"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_read_only() -> None:
    _sound_site()
    _sql("SET default_transaction_read_only = on")
    try:
        found = _problems()
    finally:
        _sql("RESET default_transaction_read_only")
    assert set(found) == {"postgresql.writable"}
    assert "read-only" in found["postgresql.writable"].message


def test_a_role_that_lacks_rights() -> None:
    _sql(
        "CREATE ROLE doctors_patient",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO doctors_patient",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doctors_patient",
        "REVOKE UPDATE, DELETE ON syncjobs_auditentry FROM doctors_patient",
        "REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM doctors_patient",
        "SET LOCAL ROLE doctors_patient",
    )
    [sound] = postgresql.rights()
    assert sound.level is Level.OK
    _sql(
        "RESET ROLE",
        "REVOKE DELETE ON syncjobs_jobdelta FROM doctors_patient",
        "REVOKE ALL ON SEQUENCE syncjobs_syncjob_id_seq FROM doctors_patient",
        "SET LOCAL ROLE doctors_patient",
    )
    [broken] = postgresql.rights()
    assert broken.message == (
        "The database role lacks rights: DELETE on syncjobs_jobdelta; USAGE of its sequence on syncjobs_syncjob."
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER TABLE syncjobs_syncjob DISABLE TRIGGER count_updated", "count_updated of syncjobs_syncjob is disabled"),
        ("DROP TRIGGER change_deleted ON syncjobs_syncjob", "change_deleted of syncjobs_syncjob is missing"),
        (
            "CREATE OR REPLACE TRIGGER audit_is_append_only BEFORE UPDATE ON syncjobs_auditentry FOR EACH ROW"
            " EXECUTE FUNCTION syncjobs_audit_is_append_only_v2()",
            "audit_is_append_only of syncjobs_auditentry is not the one of this release",
        ),
        (
            "CREATE OR REPLACE TRIGGER metric_retried AFTER INSERT ON syncjobs_syncjob FOR EACH ROW"
            " WHEN (NEW.retry_of_id IS NULL) EXECUTE FUNCTION syncjobs_metric_job_v1()",
            "metric_retried of syncjobs_syncjob is not the one of this release",
        ),
        (
            "CREATE OR REPLACE TRIGGER metric_opened AFTER INSERT ON syncjobs_alert FOR EACH STATEMENT"
            " EXECUTE FUNCTION syncjobs_metric_alert_v1()",
            "metric_opened of syncjobs_alert is not the one of this release",
        ),
        (
            "CREATE OR REPLACE TRIGGER metric_ended AFTER UPDATE ON syncjobs_attempt FOR EACH ROW WHEN"
            " (OLD.outcome = 'RUNNING' AND NEW.outcome <> 'RUNNING') EXECUTE FUNCTION syncjobs_metric_attempt_v1()",
            "metric_ended of syncjobs_attempt is not the one of this release",
        ),
        (
            "CREATE OR REPLACE FUNCTION syncjobs_count_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RETURN NULL; END'",
            "syncjobs_count_deleted_v1 is not the one of this release",
        ),
        ("DROP FUNCTION syncjobs_true_counts_v1", "syncjobs_true_counts_v1 is missing"),
    ],
)
def test_triggers_that_are_not_those_of_the_files(statement: str, message: str) -> None:
    [sound] = postgresql.triggers()
    assert sound.level is Level.OK, sound.message
    _sql(statement)
    [broken] = postgresql.triggers()
    assert broken.level is Level.ERROR
    assert message in broken.message


def test_roles_that_lack_the_permissions_of_this_release() -> None:
    _sound_site()
    Group.objects.get(name="MODERATOR").permissions.remove(Permission.objects.get(codename="acknowledge_alert"))
    finding = _problems()["roles"]
    assert "The role MODERATOR lacks 1 of its permissions" in finding.message
    assert finding.advice == "Run: python manage.py setup_roles"
    run_command("setup_roles")
    assert _problems() == {}


def test_migrations_that_are_missing_or_of_another_release() -> None:
    applied = MigrationRecorder(connection).migration_qs
    last = applied.filter(app="syncjobs").order_by("name").last()
    assert last is not None
    applied.filter(pk=last.pk).delete()
    applied.create(app="syncjobs", name="9999_of_the_future")
    missing, unknown = postgresql.migrations()
    assert f"syncjobs.{last.name}" in missing.message
    assert missing.advice == "Run: python manage.py migrate"
    assert "syncjobs.9999_of_the_future" in unknown.message


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SET LOCAL default_transaction_isolation = 'serializable'", "default_transaction_isolation is serializable"),
        ("SET LOCAL session_replication_role = replica", "triggers don't count jobs"),
        ("SET LOCAL synchronous_commit = off", "synchronous_commit is off"),
    ],
)
def test_settings_of_postgresql(statement: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _sound_site()
    monkeypatch.setitem(postgresql._SETTINGS, "synchronous_commit", SYNCHRONOUS_COMMIT)
    _sql("SET LOCAL synchronous_commit = local", statement)
    found = _problems()
    _sql("SET LOCAL session_replication_role = origin")
    assert set(found) == {"postgresql.settings"}
    assert message in found["postgresql.settings"].message


def test_versions_that_are_too_old_and_too_few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    _sound_site()
    monkeypatch.setattr(postgresql, "OLDEST", 990_000)
    monkeypatch.setattr(postgresql, "FREE_CONNECTIONS", 100_000)
    monkeypatch.setattr(redis_checks, "OLDEST", (99, 0))
    found = _problems()
    assert set(found) == {"postgresql.version", "postgresql.connections", "redis.version"}
    assert "Upgrade to PostgreSQL 99" in found["postgresql.version"].advice


def test_a_redis_that_is_full_or_deletes_keys(client: redis.Redis) -> None:
    _sound_site()
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in _problems()["redis.eviction"].message
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    found = _problems()
    assert set(found) == {"redis.writable"}
    assert "maxmemory" in found["redis.writable"].message


def test_a_redis_that_refuses_the_password(client: redis.Redis, settings: LazySettings) -> None:
    client.execute_command("ACL", "SETUSER", "patient", "on", ">right", "+ping")
    socket = settings.REDIS_URL.removeprefix("unix://")
    try:
        for password in ("wrong", "right"):
            settings.REDIS_URL = f"unix://patient:{password}@{socket}"
            [found] = redis_checks.server()
            assert (found.check, found.level) == ("redis", Level.ERROR)
            assert found.message.startswith("Redis refuses us: ")
    finally:
        client.execute_command("ACL", "DELUSER", "patient")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://203.0.113.7:6379/0", ""),
        ("redis://8.8.8.8:6379/0", "is not encrypted"),
        ("rediss://8.8.8.8:6379/0?ssl_cert_reqs=none", "is not verified"),
        ("rediss://8.8.8.8:6379/0?ssl_cert_reqs=required", ""),
        ("redis://10.1.2.3:6379/0", ""),
    ],
)
def test_the_encryption_of_redis(url: str, message: str, settings: LazySettings) -> None:
    settings.REDIS_URL = url
    [found] = redis_checks.encryption()
    assert (found.level is Level.WARNING) == bool(message)
    assert message in found.message


def test_clocks_workers_queues_and_the_scheduler() -> None:
    long_ago = Now() - dt.timedelta(hours=1)
    _worker("dead@a", heartbeat_at=long_ago)
    _worker("fast@b", queues=["maintenance"], clock_skew=7.5)
    _worker("broken@c", failing_since=Now())
    _worker("beat@a", is_scheduler=True, queues=[], heartbeat_at=long_ago)
    queue_job()
    messages = {each.message: each for each in doctor.examine() if each.level is not Level.OK}
    text = "\n".join(messages)
    assert "The clock of fast@b is 7.5 s ahead of the database's." in text
    assert "The worker dead@a has not reported since " in text
    assert "The tasks of the worker broken@c fail" in text
    assert "No live worker consumes the queue video-sync; 1 job of it waits." in text
    assert "No live worker consumes the queue video-processing; 0 jobs of it wait." in text
    assert "No scheduler (beat) is alive" in text
    _worker("beat@b", is_scheduler=True, queues=[])
    _worker("beat@c", is_scheduler=True, queues=[])
    assert "2 schedulers run: beat@b, beat@c." in [each.message for each in site.scheduler()]


def test_static_files_that_are_missing_or_of_another_release(settings: LazySettings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    manifest = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": manifest}}
    [found] = site.static_files()
    assert "is missing and " in found.message
    assert "collectstatic" in found.advice
    call_command("collectstatic", "--no-input", verbosity=0)
    settings.STATIC_ROOT = str(tmp_path)  # Reads the manifest.
    settings.STORAGES = dict(settings.STORAGES)
    [found] = site.static_files()
    assert found.level is Level.OK, found.message
    (tmp_path / "syncjobs/live.js").write_text("// of last year")
    [found] = site.static_files()
    assert "syncjobs/live.js is of another release" in found.message


def test_a_mail_server_that_does_not_answer(settings: LazySettings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    [found] = site.mail()
    assert found.level is Level.ERROR
    assert f"127.0.0.1:{settings.EMAIL_PORT} does not answer" in found.message
    settings.EMAIL_HOST = "localhost"
    [found] = site.mail()
    assert "No mail server is configured" in found.message
    make_channel(kind=ChannelKind.EMAIL)
    settings.EMAIL_PORT = free_port()
    assert f"localhost:{settings.EMAIL_PORT} does not answer" in "".join(each.message for each in alerts.channels())


def test_youtube_is_asked_only_on_request_and_costs_one_unit(youtube: Simulator, settings: LazySettings) -> None:
    _sound_site()
    assert _problems() == {}
    assert QuotaCall.objects.count() == 0
    assert _problems(ask_youtube=True) == {}
    assert QuotaCall.objects.count() == 1
    settings.YOUTUBE_API_KEY = "AIza-another-key-0123456789"
    found = _problems(ask_youtube=True)
    assert QuotaCall.objects.count() == 2
    assert set(found) == {"youtube.answer"}
    assert found["youtube.answer"].message.startswith("YouTube rejects the API key")
    settings.YOUTUBE_API_ENDPOINT = f"http://127.0.0.1:{free_port()}"
    assert "no usable answer" in _problems(ask_youtube=True)["youtube.answer"].message
    settings.YOUTUBE_API_KEY = ""
    assert "is not set" in _problems()["youtube.key"].message


def test_alerts_that_tell_nobody() -> None:
    """No channel, a key that was changed, messages that don't arrive, a dead man's switch that isn't reached."""
    [none] = alerts.channels()
    assert (none.level, "No alert channel is enabled" in none.message) == (Level.WARNING, True)
    lost, silent, good = make_channel("Lost"), make_channel("Silent"), make_channel("Good")
    AlertChannel.objects.filter(pk=lost.pk).update(target="gAAAA-of-another-key")
    make_channel("Ping", kind=ChannelKind.PING, ping_problem="It answered 404.")
    deadline = clock.now() + dt.timedelta(hours=1)
    for channel, state, problem in ((silent, "FAILED", "It answered 500."), (good, "DELIVERED", "")):
        AlertDelivery.objects.create(
            channel=channel, kind="ALERTS", title="x", text="x", deadline_at=deadline, state=state, problem=problem
        )
    found = {each.message: each for each in alerts.channels()}
    assert list(found) == [
        "The alert channel “Lost” can't be read, because SECRET_KEY was changed.",
        "The alert channel “Ping”, the dead man's switch, is not reached: It answered 404.",
        "The alert channel “Silent” doesn't get its messages: It answered 500.",
    ]
    assert all(each.level is Level.ERROR and each.advice for each in found.values())


@pytest.mark.parametrize(("minutes", "level"), [(0, Level.OK), (3, Level.ERROR)])
def test_rules_that_nobody_evaluates(minutes: int, level: Level) -> None:
    AlertRound.objects.update(ended_at=None)
    assert [each.level for each in alerts.rounds()] == [Level.ERROR]
    AlertRound.objects.update(ended_at=Now() - dt.timedelta(minutes=minutes))
    assert [each.level for each in alerts.rounds()] == [level]


def test_push_that_does_not_reach_the_site_or_that_the_hub_refuses(settings: LazySettings) -> None:
    _sound_site()
    assert not [name for name in _problems() if name.startswith("push")]
    make_band("herons", channel_id=f"UC{1:022}")
    with web_receiver() as proxy:
        settings.PUBLIC_URL = f"http://127.0.0.1:{proxy.port}"
        proxy.answer = lambda number: 410
        found = _problems()
        assert "push.callback" not in found
        assert "0 of 1 bands have a subscription that the hub has verified (1 missing)." in found["push.hub"].message
        proxy.answer = lambda number: 403
        assert "answers 403 to a delivery" in _problems()["push.callback"].message
        assert proxy.requests[-1].path == "/websub/doctor"
    settings.PUBLIC_URL = f"http://127.0.0.1:{free_port()}"
    HubState.objects.update(failing_since=Now(), problem="The receiver answered 503.")
    assert _problems()["push.callback"].level is Level.WARNING
    assert any("takes no requests since" in each.message for each in doctor.examine())
