"""The daily cleanup deletes expired rows and nothing else."""

from __future__ import annotations

import datetime as dt
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from syncjobs import tasks
from syncjobs.models import (
    Alert,
    AlertDelivery,
    AlertNotice,
    AuditEntry,
    BulkAction,
    ErrorGroup,
    IdempotencyKey,
    QuotaDay,
    SyncJob,
    Worker,
)
from syncjobs.operations import cleanup
from syncjobs.operations.cleanup import delete_expired
from syncjobs.youtube.costs import quota_day
from tests.alerts.channels import make_channel
from tests.clients import run_command
from tests.factories import PERSON, failed_job, make_alert

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def _bulk(ended_at: dt.datetime | None) -> int:
    made = BulkAction(action="retry", job_ids=[1], total=1, actor_label="pat", origin="API", ended_at=ended_at)
    made.save()
    return made.pk


def _token(expires_at: dt.datetime, *, is_blacklisted: bool) -> str:
    user: Any = get_user_model().objects.get_or_create(username="mo")[0]
    token = RefreshToken.for_user(user)
    if is_blacklisted:
        token.blacklist()
    OutstandingToken.objects.filter(jti=token["jti"]).update(expires_at=expires_at)
    return str(token["jti"])


def test_expired_rows_are_deleted_and_others_kept() -> None:
    now = timezone.now()
    for _ in range(5):
        _bulk(now - 31 * DAY)
        Session.objects.create(session_key=f"old{_}", session_data="", expire_date=now - DAY)
        _token(now - DAY, is_blacklisted=_ % 2 == 0)
    bulks = {_bulk(None), _bulk(now - 29 * DAY)}
    tokens = {_token(now + DAY, is_blacklisted=True), _token(now + DAY, is_blacklisted=False)}
    Session.objects.create(session_key="new", session_data="", expire_date=now + DAY)
    for name, silence in (("killed", 25 * DAY / 24), ("away", 23 * DAY / 24)):
        Worker.objects.create(name=name, process_id=1, queues=[], concurrency=1, heartbeat_at=now - silence)
    owner = get_user_model().objects.create_user("owner")
    for hours in (23, 25):
        created = now - dt.timedelta(hours=hours)
        IdempotencyKey.objects.create(user=owner, key=f"{hours}", request_hash="", created_at=created)
    for days in (89, 91):
        make_alert(subject_id=f"{days}", resolved_at=now - days * DAY)
    lasting = make_alert(opened_at=now - 200 * DAY)
    _deliveries(now, lasting)
    cache.set("old", 1, 60)
    cache.set("new", 2, 60)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncmonitor_cache SET expires = now() - interval '1 s' WHERE cache_key LIKE '%old'")
    expected = {
        "workers": 1,
        "cached": 1,
        "bulk_actions": 5,
        "idempotency_keys": 1,
        "tokens": 5,
        "sessions": 5,
        "log_ins": 0,
        "alerts": 1,
    }
    expected["imports"] = 0
    expected |= {"error_groups": 0, "deliveries": 1, "quota_days": 0, "audit_entries": 0}
    assert delete_expired(PERSON) == expected
    assert set(BulkAction.objects.values_list("pk", flat=True)) == bulks
    assert set(OutstandingToken.objects.values_list("jti", flat=True)) == tokens
    assert BlacklistedToken.objects.count() == 1
    assert Session.objects.get().session_key == "new"
    assert Worker.objects.get().pk == "away"
    assert IdempotencyKey.objects.get().key == "23"
    assert cache.get("new") == 2
    assert sorted(Alert.objects.values_list("subject_id", flat=True)) == ["89", "w@a"]
    assert set(delete_expired(PERSON).values()) == {0}
    first = AuditEntry.objects.filter(action="housekeep").earliest("pk")
    assert (first.actor_label, first.data) == ("pat", expected)


def _deliveries(now: dt.datetime, lasting: Alert) -> None:
    """Make an old delivery, one about an alert that lasts, a new one and one that is pending."""
    channel = make_channel()
    fields = {"channel": channel, "kind": "ALERTS", "title": "x", "text": "x", "deadline_at": now, "state": "DELIVERED"}
    for ended_at in (now - 31 * DAY, now - 29 * DAY, None):
        AlertDelivery.objects.create(ended_at=ended_at, **fields)
    kept = AlertDelivery.objects.create(ended_at=now - 31 * DAY, **fields)
    AlertNotice.objects.create(channel=channel, alert=lasting, step="opened", due_at=now, delivery=kept)


def test_the_command_reports_the_deleted_rows() -> None:
    _bulk(timezone.now() - 31 * DAY)
    assert run_command("cleanup") == (
        "Deleted: workers 0, cached 0, bulk actions 1, idempotency keys 0, imports 0, tokens 0, sessions 0, log ins 0, "
        "alerts 0, error groups 0, deliveries 0, quota days 0, audit entries 0.\n"
    )


def test_beat_runs_the_cleanup_every_day() -> None:
    PeriodicTask.objects.all().delete()
    migration = import_module("syncjobs.migrations.0003_default_schedules")
    migration.install(apps, None)
    task = PeriodicTask.objects.get(name="Cleanup")
    assert (task.task, task.enabled) == (tasks.delete_expired.name, True)
    assert (str(task.crontab.minute), str(task.crontab.hour), str(task.crontab.day_of_week)) == ("45", "2", "*")
    _bulk(timezone.now() - 31 * DAY)
    tasks.delete_expired.apply(headers={"periodic_task_name": task.name}).get()
    assert BulkAction.objects.count() == 0
    PeriodicTask.objects.update(enabled=False)
    migration.install(apps, None)
    assert not PeriodicTask.objects.get(name="Cleanup").enabled


def _audit_entries(*ages: int) -> None:
    now = timezone.now()
    for age in ages:
        AuditEntry.objects.create(
            at=now - age * DAY, action="cancel_job", actor_label=f"{age}", origin="ADMIN", result="ok"
        )


def _ages() -> list[str]:
    return list(AuditEntry.objects.filter(action="cancel_job").order_by("pk").values_list("actor_label", flat=True))


def test_the_audit_is_kept_for_ever_unless_its_retention_is_set(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "_AUDIT_BATCH", 2)
    _audit_entries(9999, 500, 400, 366, 364, 1)
    assert delete_expired(PERSON)["audit_entries"] == 0
    settings.AUDIT_KEEP_DAYS = 365
    assert delete_expired(PERSON)["audit_entries"] == 4
    assert _ages() == ["364", "1"]
    entry = AuditEntry.objects.filter(action="housekeep").latest("pk")
    assert entry.data["audit_entries"] == 4


def _refused(statement: str, *values: object) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
    except ProgrammingError as error:
        return "append-only" in str(error)
    return False


def test_nobody_else_deletes_or_changes_entries_of_the_audit(settings: LazySettings) -> None:
    _audit_entries(500, 1)
    assert _refused("DELETE FROM syncjobs_auditentry")
    assert _refused("UPDATE syncjobs_auditentry SET actor_label = 'mo'")
    settings.AUDIT_KEEP_DAYS = 365
    delete_expired(PERSON)
    assert _ages() == ["1"]
    for days in ("365", "", "0", "-1"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('syncmonitor.audit_keep_days', %s, true)", [days])
            assert _refused("DELETE FROM syncjobs_auditentry")
            assert _refused("UPDATE syncjobs_auditentry SET at = at - interval '9 years'")
            transaction.set_rollback(True)
    assert _ages() == ["1"]


def test_error_groups_without_errors_and_old_quota_days_are_deleted() -> None:
    failed, gone, recent = failed_job("It broke."), failed_job("It also broke."), failed_job("It broke as well.")
    SyncJob.objects.filter(pk__in=[gone.pk, recent.pk]).delete()
    assert ErrorGroup.objects.count() == 3
    old = timezone.now() - 91 * DAY
    ErrorGroup.objects.exclude(sample="It broke as well.").update(last_seen_at=old)
    today = quota_day(timezone.now())
    for age in (0, 399, 402):
        QuotaDay.objects.create(bucket="main", day=today - age * DAY, limit=1)
    deleted = delete_expired(PERSON)
    assert (deleted["error_groups"], deleted["quota_days"]) == (1, 1)
    assert set(ErrorGroup.objects.values_list("sample", flat=True)) == {"It broke.", "It broke as well."}
    assert QuotaDay.objects.count() == 2
    assert failed.job_errors.exists()


def test_the_documentation_says_of_each_table_how_it_grows() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
    chapter = page.split("\n## What grows\n")[1].split("\n## ")[0]
    named = re.findall(r"`((?:syncjobs|syncmonitor|bands|auth|django|token)_\w+)`", chapter)
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor)) - {"django_migrations"}
    assert sorted(named) == sorted(tables)
