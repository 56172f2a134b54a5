"""The project's settings, with passwords that are cheap to check. The processes that tests start use them too."""

from syncmonitor.settings import *  # noqa: F403 - all of them

# The project's own hashers stay, for the tests that store a password as production does.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
