"""The project's settings, with a fast password hasher. Processes that the tests start also use them."""

from syncmonitor.settings import *  # noqa: F403 - all of them

# Keep the project's hashers for tests that store a password as in production.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "syncmonitor.passwords.Hasher",
]

# Look each static file up when it is asked for: a test client would otherwise read the names of all of them first.
WHITENOISE_AUTOREFRESH = True
