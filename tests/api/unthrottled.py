"""The project's settings, for a site that is asked thousands of things a minute."""

from syncmonitor.settings import *  # noqa: F403 - all of them
from syncmonitor.settings import REST_FRAMEWORK

REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"login": None, "trigger": None}}
