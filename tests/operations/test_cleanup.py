"""The daily cleanup deletes expired rows and nothing else."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from syncjobs import tasks
from syncjobs.models import AuditEntry, BulkAction
from syncjobs.operations.cleanup import delete_expired
from tests.clients import run_command
from tests.factories import PERSON

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
    assert delete_expired(PERSON) == {"bulk_actions": 5, "tokens": 5, "sessions": 5}
    assert set(BulkAction.objects.values_list("pk", flat=True)) == bulks
    assert set(OutstandingToken.objects.values_list("jti", flat=True)) == tokens
    assert BlacklistedToken.objects.count() == 1
    assert Session.objects.get().session_key == "new"
    assert delete_expired(PERSON) == {"bulk_actions": 0, "tokens": 0, "sessions": 0}
    first = AuditEntry.objects.filter(action="housekeep").earliest("pk")
    assert (first.actor_label, first.data) == ("pat", {"bulk_actions": 5, "tokens": 5, "sessions": 5})


def test_the_command_reports_the_deleted_rows() -> None:
    _bulk(timezone.now() - 31 * DAY)
    assert run_command("cleanup") == "Deleted: bulk actions 1, tokens 0, sessions 0.\n"


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
