"""The append-only audit log."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from syncjobs.models import AuditEntry
from syncjobs.operations import bands, queues, schedules
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


def test_new_entries_name_their_data_as_earlier_ones_do() -> None:
    bands.create(PERSON, {"name": "Herons", "slug": "herons", "school_name": "Heron State"})
    schedules.save(PERSON, None, {"name": "A", "job_type": "PRUNE", "cron": {"day_of_week": "1"}})
    created, added = AuditEntry.objects.order_by("pk").values_list("data", flat=True)
    assert created == {"values": {"name": "Herons", "slug": "herons", "schoolName": "Heron State"}}
    assert added == {"name": "A", "jobType": "PRUNE", "cron": {"dayOfWeek": "1"}}
