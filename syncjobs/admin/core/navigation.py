"""The navigation and the rest of the frame around every admin page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from . import local_time

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
_SAME_ENTRY = {
    "syncjobs_attempt_changelist": ("syncjobs_jobevent_changelist", "syncjobs_quotacall_changelist"),
    "syncjobs_alert_changelist": (
        "syncjobs_alertrule_changelist",
        "syncjobs_alertchannel_changelist",
        "syncjobs_alertdelivery_changelist",
    ),
}
"""Pages that have no entry of their own, by the URL name of the entry they belong to."""


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
    }


def navigation(request: HttpRequest, path: str = "") -> list[dict[str, Any]]:
    """Return the pages the user may open, by `name`; the one at `path`, by default the request's, is current."""
    path = path or request.path
    entries = []
    for name, label, icon, permission, gap in NAVIGATION:
        if not request.user.has_perm(permission):
            continue
        url, *others = (reverse(f"admin:{page}") for page in (name, *_SAME_ENTRY.get(name, ())))
        current = path == url if name == "index" else path.startswith((url, *others))
        entry = {"name": name, "url": url, "label": label, "icon": icon, "gap": gap, "current": current}
        entries.append(entry | {"counts_alerts": name == "syncjobs_alert_changelist"})
    return entries
