"""The backend of task results, which waits for a database that is away instead of failing a task that has succeeded."""

from __future__ import annotations

from django.db import connection
from django_celery_results.backends.database import DatabaseBackend

from . import database


class ResultBackend(DatabaseBackend):  # type: ignore[misc]
    """Stores results in the database (see CELERY_RESULT_BACKEND_ALWAYS_RETRY)."""

    def exception_safe_to_retry(self, exc: Exception) -> bool:
        """Whether to store the result again after this exception. Its row has the task's id, so it is stored once."""
        if not database.is_away(exc):
            return False
        connection.close()
        return True
