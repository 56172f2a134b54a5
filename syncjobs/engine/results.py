"""The backend of task results, which waits for a database that is away instead of failing a task that has succeeded."""

from __future__ import annotations

from typing import Any

from django_celery_results.backends.database import DatabaseBackend

from . import database


class ResultBackend(DatabaseBackend):  # type: ignore[misc]
    """Stores results in the database. A result's row has the task's id, so that it is stored once."""

    def _store_result(self, *args: Any, **kwargs: Any) -> Any:
        return database.when_back(super()._store_result, *args, **kwargs)
