"""The two spellings of names."""

from __future__ import annotations

import pytest

from bands.text import camel_case, respell_keys, snake_case


@pytest.mark.parametrize(
    ("snake", "camel"), [("id", "id"), ("job_type", "jobType"), ("duration_p50", "durationP50"), ("as_of", "asOf")]
)
def test_a_name_has_two_spellings(snake: str, camel: str) -> None:
    assert (camel_case(snake), snake_case(camel)) == (camel, snake)
    assert (camel_case(camel), snake_case(snake)) == (camel, snake)


def test_keys_are_respelled_at_any_depth_and_values_stay() -> None:
    value = {"job_type": "FULL_SYNC", "cron": {"day_of_week": "day_of_week"}, "last_runs": [{"job_id": 7}, "job_id"]}
    assert respell_keys(value, camel_case) == {
        "jobType": "FULL_SYNC",
        "cron": {"dayOfWeek": "day_of_week"},
        "lastRuns": [{"jobId": 7}, "job_id"],
    }
