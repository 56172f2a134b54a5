"""The navigation and the rest of the frame around every admin page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from . import health, links, local_time

TITLE = _("Sync monitor")

Entry = tuple[str, str | Promise, str, str, bool]
NAVIGATION: tuple[Entry, ...] = (
    # URL name, label, icon, permission, whether a gap precedes it
    ("index", _("Dashboard"), "home", "syncjobs.view_queue", False),
    ("syncjobs_syncjob_changelist", _("Sync jobs"), "list", "syncjobs.view_syncjob", False),
    ("syncjobs_alert_changelist", _("Alerts"), "bell", "syncjobs.view_alert", False),
    ("syncjobs_errorgroup_changelist", _("Errors"), "alert", "syncjobs.view_errorgroup", False),
    ("quota", _("Quota"), "gauge", "syncjobs.view_quotaday", False),
    (
        "django_celery_beat_periodictask_changelist",
        _("Schedules"),
        "calendar",
        "django_celery_beat.view_periodictask",
        False,
    ),
    ("bands_band_changelist", _("Bands"), "music", "bands.view_band", True),
    ("bands_video_changelist", _("Videos"), "video", "bands.view_video", False),
    ("syncjobs_worker_changelist", _("Workers"), "server", "syncjobs.view_worker", True),
    ("syncjobs_auditentry_changelist", _("Audit log"), "book", "syncjobs.view_auditentry", False),
    ("auth_user_changelist", _("People"), "people", "auth.view_user", False),
    ("syncjobs_attempt_changelist", _("Raw data"), "list", "auth.change_user", False),
)
PERSONAL = ("settings", "password_change")
"""Entries for the person, which only the menu of a phone has."""
_SAME_ENTRY: dict[str, tuple[str, ...]] = {
    "index": ("bands_band_read_feeds", "bands_band_subscribe_all"),
    "syncjobs_syncjob_changelist": ("syncjobs_bulkaction_changelist", "syncjobs_filterpreset_changelist"),
    "syncjobs_alert_changelist": (
        "syncjobs_alertrule_changelist",
        "syncjobs_alertchannel_changelist",
        "syncjobs_alertdelivery_changelist",
    ),
    "bands_band_changelist": ("import",),
    "syncjobs_attempt_changelist": ("syncjobs_jobevent_changelist", "syncjobs_quotacall_changelist"),
}
"""Pages, with all below them, that have no entry of their own, by the URL name of the entry they belong to.

Other pages belong to the dashboard, whose address is the beginning of theirs.
"""


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return the context of Django's admin templates, with our navigation.

    The stock list of apps is left empty: it costs a permission check per model and no page shows it.
    """
    has_permission = request.user.is_active and request.user.is_staff
    return {
        "site_title": TITLE,
        "site_header": TITLE,
        "site_url": None,
        "has_permission": has_permission,
        "available_apps": [],
        "is_popup": False,
        "is_nav_sidebar_enabled": False,
        "log_entries": (),
        "time_zone": local_time.chosen_by(request),
        "youtube_simulated": settings.YOUTUBE_SIMULATED,
        "monitor_nav": navigation(request) if has_permission else (),
        "monitor_entry": entry_of(request.path),
        "alert_counts": health.alert_counts(request) if has_permission else None,
    }


def navigation(request: HttpRequest, path: str = "") -> list[dict[str, Any]]:
    """Return the pages the user may open, by `name`; the one at `path`, by default the request's, is current."""
    current, entries = entry_of(path or request.path), []
    for name, label, icon, permission, gap in NAVIGATION:
        if not request.user.has_perm(permission):
            continue
        entry = {"name": name, "url": links.page(name), "label": label, "icon": icon, "gap": gap}
        entries.append(entry | {"current": name == current, "counts_alerts": name == "syncjobs_alert_changelist"})
    return entries


def entry_of(path: str) -> str:
    """Return the URL name of the entry that the page at `path` belongs to."""
    names = (*(name for name, *_rest in NAVIGATION), *PERSONAL)
    urls = {links.page(each): name for name in names for each in (name, *_SAME_ENTRY.get(name, ()))}
    return urls[max((url for url in urls if path.startswith(url)), key=len, default=links.page("index"))]


def crumbs_of(
    request: HttpRequest, entries: Sequence[dict[str, Any]], parents: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Return the (URL, label) of the pages above the request's: the current entry, then the rest of the `parents`."""
    if request.path == links.page(entry_of(request.path)):
        return []
    found = [(url, label or str(_("Back"))) for url, label in parents]
    for entry in entries:
        if entry["current"]:
            is_first = bool(found) and urlsplit(found[0][0]).path == entry["url"]
            # The address of a parent may have the filters of the list.
            return [(found[0][0] if is_first else entry["url"], entry["label"]), *found[is_first:]]
    return found
