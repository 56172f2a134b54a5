"""Sessions in the database, as Django keeps them, read without building a query: every request of a page reads one."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends import db
from django.db import connection

_READ = "SELECT session_data FROM django_session WHERE session_key = %s AND expire_date > statement_timestamp()"


class SessionStore(db.SessionStore):
    """Django's store."""

    def load(self) -> dict[str, Any]:
        """Return what the session holds; nothing if it has expired or never existed."""
        with connection.cursor() as cursor:
            cursor.execute(_READ, [self.session_key])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row[0])
