"""The append-only audit log."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from syncjobs.models import AuditEntry
from syncjobs.operations import queues
from tests.factories import PERSON

pytestmark = pytest.mark.django_db


def test_audit_entries_cannot_be_changed_or_deleted() -> None:
    queues.pause_queue(PERSON, "all", "why")
    entry = AuditEntry.objects.get()
    assert (entry.actor_label, entry.action, entry.target_id, entry.result, entry.message) == (
        "pat",
        "pause_queue",
        "all",
        "ok",
        "why",
    )
    for statement in ("UPDATE syncjobs_auditentry SET result = 'x'", "DELETE FROM syncjobs_auditentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
