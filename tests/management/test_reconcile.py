"""The `reconcile` command."""

from __future__ import annotations

import io

import pytest
from django.db import connection

from syncjobs import counters
from tests.factories import PERSON, failed_jobs

pytestmark = pytest.mark.django_db


def test_reconcile_checks_the_counts() -> None:
    from django.core.management import CommandError, call_command

    failed_jobs(3)
    out = io.StringIO()
    call_command("reconcile", "--counts", stdout=out)
    assert "equals" in out.getvalue()
    counters.fold()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE syncjobs_jobcount SET n = 99 WHERE grain = 0")
    with pytest.raises(CommandError, match="differ"):
        call_command("reconcile", "--counts")
    call_command("reconcile", "--counts", "--rebuild", stdout=out)
    assert counters.wrong_cells() == 0
    assert PERSON
