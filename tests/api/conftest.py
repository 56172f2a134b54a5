from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def fresh_rates() -> None:
    """Each test logs in; the rate limit on that is a test's own."""
    cache.clear()
