"""create_user and setup_roles"""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from syncjobs.models import AuditEntry
from tests.clients import run_command

pytestmark = pytest.mark.django_db


def test_people_and_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MODERATOR" in run_command("setup_roles")

    def create(name: str, password: str, role: str = "MODERATOR") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        return run_command("create_user", name, "--role", role, "--password-stdin")

    assert "created" in create("mo", "correct horse battery")
    user: Any = get_user_model().objects.get(username="mo")
    assert user.check_password("correct horse battery")
    assert user.has_perm("syncjobs.retry_job")
    assert not user.has_perm("syncjobs.pause_queue")
    assert not user.has_perm("syncjobs.view_auditentry")
    assert "updated" in create("mo", "another long password", "ADMIN")
    user = get_user_model().objects.get(username="mo")
    assert user.has_perm("syncjobs.pause_queue")
    assert not user.has_perm("auth.add_user")
    actions = AuditEntry.objects.order_by("pk").filter(target_type="user").values_list("action", flat=True)
    assert list(actions) == ["add_person", "save_user"]
    with pytest.raises(CommandError, match="password"):
        create("new", "123")
    with pytest.raises(CommandError, match="invalid choice"):
        create("new", "correct horse battery", "BOSS")
    assert get_user_model().objects.count() == 1
