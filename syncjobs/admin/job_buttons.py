"""What is known of a job when its page is shown, and the buttons that help it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bands.models import Band

from ..choices import ACTIVE_STATUSES
from ..engine import error_reasons
from ..models import JobError, SyncJob
from ..operations.suggestions import MAY_SUGGEST
from ..stats.queues import Readiness, Wait
from ..templatetags.monitor import number
from ..youtube.parsing import is_video_id
from .core import fixes, links

PAUSE = "syncjobs.pause_queue"


Text = str | SafeString


@dataclass(frozen=True, slots=True)
class Button:
    """A link that helps; `key` is the key that follows it."""

    label: str
    url: str
    icon: str
    is_dialog: bool = False
    is_primary: bool = False
    is_outside: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job when its page is shown."""

    request: HttpRequest
    job: Any
    now: dt.datetime
    attempts: Sequence[Any] = ()
    """The newest first."""
    errors: Sequence[JobError] = ()
    """The newest first, with their groups."""
    related: Sequence[SyncJob] = ()
    """Its retries, and the jobs that it refers to."""
    queue: Readiness | None = None
    paused_band: Band | None = None
    """Its band if it is queued and the band is paused."""
    is_silent: bool = False
    children: Mapping[str, int] = field(default_factory=dict)
    """The number of child jobs by status."""
    waits: Sequence[Wait] = ()
    """What its queued child jobs wait for."""
    retry_url: str = ""
    """Empty if the person or the job's status doesn't allow a retry."""

    def may(self, permission: str) -> bool:
        """Return whether the person has the permission."""
        return bool(self.request.user.has_perm(permission))

    @property
    def successor(self) -> SyncJob | None:
        """Return the newest job that runs this one again or covers it."""
        again = [each for each in self.related if each.retry_of_id == self.job.pk or each.pk == self.job.covered_by_id]
        return max(again, key=lambda each: each.pk, default=None)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A box on top of a job. `look` is "bad" if it needs a person, "warn" if it may, "off" if it doesn't."""

    look: str
    icon: str
    title: str
    text: Text = ""
    message: str = ""
    """What YouTube or a person wrote."""
    facts: Sequence[tuple[str, Text]] = ()
    advice: str = ""
    buttons: Sequence[Button] = ()


def has_other_channel(job: Any) -> bool:
    """Return whether the band of a job that ended has got another channel since."""
    changed_at = job.band.channel_changed_at if job.band else None
    return bool(changed_at and job.completed_at and changed_at > job.completed_at)


def for_error(
    facts: Facts, reason: str, error: JobError | None, same: int, *, is_open: bool, is_over: bool = False
) -> list[Button]:
    """Return what helps with an error of this reason; what the advice asks for is primary while the problem `is_open`.

    If its cause `is_over`, nothing is offered to remove it.
    """
    fix = [] if is_over else _fix(facts, reason)
    is_permanent = error is not None and error.group.is_permanent
    retried = retry(facts, is_primary=is_open and not fix and not is_permanent)
    buttons = [*fix, *retried, *_item(facts, error), *_band(facts)]
    if error is not None and same > 1:
        like_it = ngettext("See %s job like it", "See all %s jobs like it", same) % number(same)
        buttons.append(Button(like_it, links.jobs(error=error.group_id), "list"))
    if error is not None and facts.may("syncjobs.view_errorgroup"):
        buttons.append(Button(_("About this error"), links.error(error.group_id), "alert"))
    return buttons


def _fix(facts: Facts, reason: str) -> list[Button]:
    """Return the button that removes the cause, if there is one and the person may press it."""
    job, needs = facts.job, error_reasons.explain(reason).needs
    if reason == "workerLost":
        return workers(facts)
    may = facts.may(needs) or (needs == fixes.EDIT_BAND and facts.may(MAY_SUGGEST))
    if not needs or (needs == PAUSE and not job.queue.paused_at) or not may:
        return []
    bands = [(job.band_id, job.band_name)] if job.band_id else []
    return [
        Button(fix.label, fix.url, fix.icon, is_dialog=needs == PAUSE, is_primary=needs != PAUSE and not number)
        for number, fix in enumerate(fixes.of(facts.request, reason, bands))
    ]


def workers(facts: Facts) -> list[Button]:
    if not facts.may("syncjobs.view_worker"):
        return []
    return [Button(_("Workers"), links.page("syncjobs_worker_changelist"), "server")]


def retry(facts: Facts, *, is_primary: bool) -> list[Button]:
    again = facts.successor
    if not facts.retry_url or (again is not None and again.status in ACTIVE_STATUSES):
        return []
    return [Button(_("Retry"), facts.retry_url, "retry", is_dialog=True, is_primary=is_primary, key="r")]


def _item(facts: Facts, error: JobError | None) -> list[Button]:
    """Return a link to the video or playlist that the error is about."""
    item = error.item_id if error else ""
    if error and item and error.reason in ("playlistUnreadable", "playlistEndless"):
        url = f"https://www.youtube.com/playlist?list={item}"
        return [Button(_("Playlist on YouTube"), url, "external", is_outside=True)]
    video = facts.job.params.get("video_id") or (item if is_video_id(item) else "")
    if not video:
        return []
    return [Button(_("Video on YouTube"), f"https://www.youtube.com/watch?v={video}", "external", is_outside=True)]


def _band(facts: Facts) -> list[Button]:
    band = facts.job.band
    if band is None or not facts.may("bands.view_band"):
        return []
    buttons = [Button(_("Open the band"), links.band(band.pk), "music")]
    if band.channel_id:
        url = f"https://www.youtube.com/channel/{band.channel_id}"
        buttons.append(Button(_("Channel on YouTube"), url, "external", is_outside=True))
    return buttons
