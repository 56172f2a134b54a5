"""The addresses of the admin's pages. Each module of `admin` lists its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from .admin import (
    audit,
    band_form,
    bands,
    bulk,
    errors,
    exports,
    help,
    imports,
    job,
    jobs,
    people,
    presets,
    queues,
    quota,
    schedules,
    trigger,
    videos,
    workers,
)
from .live import stream

_MODULES = (
    audit,
    band_form,
    bands,
    bulk,
    errors,
    exports,
    help,
    imports,
    job,
    jobs,
    people,
    presets,
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
