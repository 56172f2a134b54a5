"""Parent jobs and their children."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from syncjobs.choices import JobStatus
from syncjobs.engine import outcomes as engine_outcomes
from tests.factories import claim, fanned_out

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_parent_completes_when_its_last_children_end_together() -> None:
    parent, _children = fanned_out(8)
    attempts = [claim() for _ in range(8)]

    def end(child: Any) -> None:
        engine_outcomes.complete(child)
        connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, attempts))
    parent.refresh_from_db()
    assert (parent.status, parent.progress_done) == (JobStatus.COMPLETED, 8)
    assert parent.events.filter(kind="COMPLETED").count() == 1
