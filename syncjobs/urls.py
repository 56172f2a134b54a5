"""The addresses of the admin's pages. Each module of `views` lists its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from .live import stream
from .views import (
    audit,
    band_form,
    bands,
    bulk_pages,
    errors,
    exporting,
    help,
    imports,
    job,
    jobs,
    people,
    preset_pages,
    queues,
    quota,
    schedules,
    trigger,
    videos,
    workers,
)

_MODULES = (
    audit,
    band_form,
    bands,
    bulk_pages,
    errors,
    exporting,
    help,
    imports,
    job,
    jobs,
    people,
    preset_pages,
    queues,
    quota,
    schedules,
    trigger,
    videos,
    workers,
)


def pages(guard: Callable[[Any], Any]) -> list[URLPattern]:
    """All pages, each behind `guard`, which lets in staff only; the stream of changes asks for itself."""
    found = [path("events", stream.admin_events, name="events")]
    return found + [path(route, guard(view), name=name) for module in _MODULES for route, view, name in module.PAGES]
