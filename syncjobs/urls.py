"""The addresses of the admin's pages. Each module of `views` lists its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from .views import (
    audit,
    bands,
    bulk_pages,
    dashboard,
    errors,
    exporting,
    help,
    job,
    jobs,
    people,
    preset_pages,
    queues,
    quota,
    schedules,
    trigger,
    workers,
)

_JOBS = (jobs, job, bulk_pages, preset_pages, exporting, trigger)
_MODULES = (dashboard, queues, *_JOBS, errors, quota, schedules, bands, workers, audit, people, help)


def pages(guard: Callable[[Any], Any]) -> list[URLPattern]:
    """All pages, each behind `guard`, which lets in staff only."""
    return [path(route, guard(view), name=name) for module in _MODULES for route, view, name in module.PAGES]
