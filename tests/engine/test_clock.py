"""The database's clock, and how far a host's own clock is from it."""

from __future__ import annotations

import datetime as dt
import logging
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from syncjobs.engine import clock

pytestmark = pytest.mark.django_db


def test_the_databases_time_goes_on_within_a_transaction_whatever_the_host_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    first = clock.now()
    with CaptureQueriesContext(connection) as queries:
        second = clock.now()
    assert len(queries) == 1
    assert first < second < first + dt.timedelta(minutes=1)


@pytest.mark.parametrize(("minutes", "words"), [(5, "ahead of"), (-5, "behind")])
def test_a_wrong_clock_is_measured_and_reported(
    minutes: int, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 60 * minutes)
    skew = clock.skew()
    assert abs(skew - 60 * minutes) < 5
    clock.report("worker a", skew)
    assert f"The clock of worker a is {abs(skew):.1f} s {words} the database's" in caplog.text


def test_a_right_clock_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        clock.report("web", 0.2)
    assert [record.levelname for record in caplog.records] == ["INFO"]
