"""The addresses of the admin's pages. Each module of `views` lists its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from .views import (
    audit,
    band_form,
    bands,
    dashboard,
    errors,
    help,
    imports,
    jobs,
    people,
    quota,
    schedules,
    trigger,
    videos,
    workers,
)

_MODULES = (
    dashboard,
    jobs,
    trigger,
    errors,
    quota,
    schedules,
    bands,
    band_form,
    imports,
    videos,
    workers,
    audit,
    people,
    help,
)


def pages(guard: Callable[[Any], Any]) -> list[URLPattern]:
    """All pages, each behind `guard`, which lets in staff only."""
    return [path(route, guard(view), name=name) for module in _MODULES for route, view, name in module.PAGES]
