"""Asking for syncs: what they will cost, and then for them."""

from __future__ import annotations

from typing import Any

PAGES: tuple[Any, ...] = ()
