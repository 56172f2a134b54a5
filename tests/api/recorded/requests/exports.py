"""Exports of jobs, errors and the audit log."""

from __future__ import annotations

from typing import Any

from tests.api.recorded.requests.ask import ADMIN, ERRORS, JOBS, NOBODY, PLAIN, get, head

REQUESTS: list[Any] = [
    get(f"{JOBS}/export"),
    get(f"{JOBS}/export?format=json&status=FAILED,CANCELLED"),
    get(f"{JOBS}/export?format=csv&search=503&sortBy=completedAt&sortOrder=asc"),
    get(f"{JOBS}/export?bandId=999"),
    get(f"{JOBS}/export?bandId=999&format=json"),
    get(f"{JOBS}/export?parentId=1006&format=json", headers={"Accept": "text/plain"}),
    head(f"{JOBS}/export"),
    get(f"{JOBS}/export?format=xml"),
    get(f"{JOBS}/export?page=1"),
    get(f"{JOBS}/export?status=BROKEN"),
    get(f"{JOBS}/export", NOBODY),
    get(f"{JOBS}/export", PLAIN),
    get(f"{ERRORS}/export"),
    get(f"{ERRORS}/export?format=json&window=all"),
    get(f"{ERRORS}/export?acknowledged=true"),
    get(f"{ERRORS}/export?acknowledged=false&format=json"),
    get(f"{ERRORS}/export?format=xml"),
    get(f"{ERRORS}/export?window=x"),
    get(f"{ERRORS}/export?limit=1"),
    get(f"{ERRORS}/export", NOBODY),
    get(f"{ERRORS}/export", PLAIN),
    get("admin/audit/export", ADMIN),
    get("admin/audit/export?format=json", ADMIN),
    get("admin/audit/export?format=json&action=retry_job", ADMIN),
    get("admin/audit/export?page=1", ADMIN),
    get("admin/audit/export"),
    get("admin/audit/export", NOBODY),
]
