"""Tags for the frame around every page: parts that never change, and the navigation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from django import template
from django.template.base import NodeList, Parser, Token
from django.template.context import Context
from django.urls import get_script_prefix
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from .monitor import icon

register = template.Library()


class FixedNode(template.Node):
    """Its content, rendered once per language."""

    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist
        self._rendered: dict[tuple[str | None, str], SafeString] = {}

    def render(self, context: Context) -> SafeString:
        key = get_language(), get_script_prefix()
        if key not in self._rendered:
            # With an empty context, it can't depend on anything else.
            self._rendered[key] = self.nodelist.render(context.new())
        return self._rendered[key]


@register.tag
def fixed(parser: Parser, token: Token) -> FixedNode:
    """Render the content up to `endfixed` once and keep it: texts, addresses and icons, but no variables.

    Texts and addresses take half of the time of a page's frame.
    """
    nodelist = parser.parse(("endfixed",))
    parser.delete_first_token()
    return FixedNode(nodelist)


@register.simple_tag
def alert_count(counts: Any, element_id: str) -> SafeString:
    """Draw how many alerts need attention; `counts` are AlertCounts, or None if the user may not know them."""
    attention, version = (counts.attention, counts.version) if counts else (0, "")
    title = escape(_("need attention"))
    state = " data-critical" if counts and counts.critical else ""
    state += "" if attention else " hidden"
    return mark_safe(  # noqa: S308 - escaped here; a template takes ten times as long, and every page has several
        f'<span id="{element_id}" class="nav-count" title="{title}" data-version="{escape(version)}"'
        f"{state}>{attention or ''}</span>"
    )


@register.simple_tag
def navigation_links(entries: Iterable[Mapping[str, Any]], counts: Any) -> SafeString:
    """Draw the entries of the navigation: see admin/core/navigation.py."""
    links = []
    for entry in entries:
        gap = ' class="nav-gap"' if entry["gap"] else ""
        current = ' aria-current="page"' if entry["current"] else ""
        alerts = alert_count(counts, "alert-count") if entry["counts_alerts"] else ""
        note = f'<span class="nav-note">{escape(entry["count"])}</span>' if entry.get("count") else ""
        label = f"{icon(entry['icon'])}{escape(str(entry['label']))}"
        links.append(f'<li{gap}><a href="{escape(entry["url"])}"{current}>{label} {alerts}{note}</a></li>')
    return mark_safe("\n".join(links))  # noqa: S308 - escaped above
