"""The project's settings without request limits."""

from tests.settings import *  # noqa: F403 - all of them
from tests.settings import REST_FRAMEWORK

REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"login": None}}
TRIGGERS_PER_MINUTE = 1_000_000
