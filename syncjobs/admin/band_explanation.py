"""What a person should know about a band first: why it isn't synced, since when, and what helps."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _

from bands.models import Band, BandState, ChannelProblem

from ..choices import BAND_SYNC_TYPES, JobStatus
from ..engine import error_reasons
from ..models import ChannelSuggestion, JobError, SyncJob
from ..operations.suggestions import MAY_SUGGEST
from ..operations.waiting import pauses
from ..templatetags.monitor import number, when
from . import job_explanation
from .core import advice, links
from .job_buttons import Button, Explanation, Facts, Text
from .job_rows import Rights, retry_url

_EDIT, _SYNC = "bands.change_band", "syncjobs.trigger_sync"
_ERRORS = 5


def explain(request: HttpRequest, band: Band, now: dt.datetime) -> list[Explanation]:
    """Return the boxes of a band, the most important first; none if there is nothing to explain."""
    boxes = []
    obstacle = band.sync_obstacle
    if band.channel_problem:
        boxes.append(_of_channel(request, band, now))
    elif obstacle == BandState.NO_CHANNEL:
        boxes.append(_without_channel(request, band))
    elif band.consecutive_failures:
        boxes.append(_failing(request, band, now))
    elif obstacle is None and band.synced_at(full=False) is None:
        boxes.append(_not_synced(request, band))
    if band.paused_at:
        boxes.append(_paused(request, band))
    if obstacle == BandState.INACTIVE:
        boxes.append(_inactive(request, band))
    elif not boxes and band.is_stale(now):
        boxes.append(_stale(request, band))
    return boxes


def _of_channel(request: HttpRequest, band: Band, now: dt.datetime) -> Explanation:
    meaning = error_reasons.explain(_REASONS[ChannelProblem(band.channel_problem)])
    helps = advice.for_user(request.user, str(meaning.advice), meaning.needs)
    if band.channel_problem == ChannelProblem.NOT_FOUND and _may_only_suggest(request):
        helps = _("Find the band's new channel on YouTube and suggest it. An admin decides.")
    is_suggested = ChannelSuggestion.objects.open().filter(band=band).exists()
    if is_suggested:
        helps = _("A channel is suggested below. Accept it, or change the channel yourself.")
        if not request.user.has_perm(_EDIT):
            helps = _("A channel is suggested below. An admin decides.")
    job, error = _last_failure(band)
    buttons = [replace(each, is_primary=not is_suggested) for each in _change_channel(request, band)]
    if band.channel_id:
        url = f"https://www.youtube.com/channel/{band.channel_id}"
        buttons.append(Button(_("Channel on YouTube"), url, "external", is_outside=True))
    buttons += _of_job(request, job, error)
    since: list[tuple[str, Text]] = (
        [(_("Since"), when(band.channel_problem_since))] if band.channel_problem_since else []
    )
    return Explanation(
        look="bad",
        icon="alert",
        title=str(band.get_channel_problem_display()),
        text=str(meaning.text),
        message=error.message if error else "",
        facts=[*since, *_failures(band)],
        advice=helps,
        buttons=buttons,
    )


_REASONS = {
    ChannelProblem.NOT_FOUND: "channelNotFound",
    ChannelProblem.TAKEN: "channelTaken",
    ChannelProblem.FORBIDDEN: "forbidden",
}
"""The reason of the error that sets each problem; the page of the error has the same words."""


def _without_channel(request: HttpRequest, band: Band) -> Explanation:
    return Explanation(
        look="warn",
        icon="alert",
        title=_("No channel"),
        text=_("This band has no YouTube channel, so it can't be synced."),
        advice=advice.for_user(request.user, _("Add its channel."), _EDIT),
        buttons=_change_channel(request, band),
    )


def _failing(request: HttpRequest, band: Band, now: dt.datetime) -> Explanation:
    """Explain the last failed sync, as the page of its job does."""
    job, _error = _last_failure(band)
    if job is None:
        text = _("The jobs that failed have been deleted. Sync the band to see whether it still fails.")
        return Explanation(look="warn", icon="cross", title=_("Failing"), text=text, facts=_failures(band))
    facts = Facts(
        request,
        job,
        now,
        attempts=list(job.attempts.order_by("-number")[:1]),
        errors=list(job.job_errors.select_related("group").order_by("-pk")[:_ERRORS]),
        retry_url=retry_url(job, Rights.of(request.user)),
    )
    box = job_explanation.explain(facts)[0]
    here = links.band(band.pk)
    buttons = [each for each in box.buttons if each.url != here]
    return replace(box, buttons=[*buttons, *_of_job(request, job, None)])


def _not_synced(request: HttpRequest, band: Band) -> Explanation:
    """Explain a band that is new, or whose channel was changed, which cleared its failures and its last syncs."""
    sync_url = links.object_page("bands_band_sync", band.pk)
    may = request.user.has_perm(_SYNC)
    buttons = [Button(_("Sync now"), sync_url, "play", is_dialog=True, is_primary=True)] if may else []
    changed_at = band.channel_changed_at
    title, text = _("Never synced"), _("Its videos appear here after the first sync.")
    helps = _("Sync the band now, or wait for the next sync of all bands.")
    if changed_at:
        title, text = (
            _("New channel, not synced yet"),
            _("What was known about the syncs of the old channel no longer counts."),
        )
        helps = _("Sync the band now to see whether the new channel works.")
    job = SyncJob.objects.active().filter(band=band, job_type__in=BAND_SYNC_TYPES).order_by("pk").first()
    if job is not None:
        buttons, helps = _of_job(request, job, None), pauses([job.pk])
    return Explanation(
        look="warn",
        icon="clock",
        title=title,
        text=_("Its first sync is queued or running.") if job else text,
        facts=[(_("Channel changed"), _ago(changed_at))] if changed_at else [],
        advice=helps if may or job else "",
        buttons=buttons,
    )


def _ago(at: dt.datetime | None) -> Text:
    return format_html("{} · {}", when(at), when(at, "ago"))


def _last_failure(band: Band) -> tuple[SyncJob | None, JobError | None]:
    """Return the newest failed sync of the band and the error that ended it."""
    failed = SyncJob.objects.filter(band=band, status=JobStatus.FAILED, job_type__in=BAND_SYNC_TYPES)
    job = failed.select_related("queue", "band").order_by("-created_at", "-pk").first()
    return job, job.job_errors.order_by("will_retry", "-pk").first() if job else None


def _failures(band: Band) -> list[tuple[str, Text]]:
    lines: list[tuple[str, Text]] = []
    if band.consecutive_failures == 1:
        lines.append((_("Failures"), _("The last sync failed")))
    elif band.consecutive_failures:
        lines.append((_("Failures"), _("%s syncs in a row have failed") % number(band.consecutive_failures)))
    if band.consecutive_failures > 1 and band.failing_since and not band.channel_problem_since:
        lines.append((_("Failing since"), when(band.failing_since)))
    never = _("None of this channel") if band.channel_changed_at else _("Never")
    return [*lines, (_("Last sync that worked"), when(band.synced_at(full=False), "ago", never))]


def _of_job(request: HttpRequest, job: SyncJob | None, error: JobError | None) -> list[Button]:
    buttons = []
    if job is not None and request.user.has_perm("syncjobs.view_syncjob"):
        label = _("Failed job #%s") if job.status == JobStatus.FAILED else _("Job #%s")
        buttons.append(Button(label % job.pk, links.job(job.pk), "list", is_dialog=True))
    if error is not None and request.user.has_perm("syncjobs.view_errorgroup"):
        buttons.append(Button(_("About this error"), links.error(error.group_id), "alert"))
    return buttons


def _change_channel(request: HttpRequest, band: Band) -> list[Button]:
    if not request.user.has_perm(_EDIT):
        suggest = Button(
            _("Suggest a channel"), links.object_page("bands_band_suggest", band.pk), "plus", is_dialog=True
        )
        return [replace(suggest, is_primary=True)] if request.user.has_perm(MAY_SUGGEST) else []
    label = _("Change the channel") if band.channel_reference or band.channel_id else _("Add its channel")
    return [
        Button(label, f"{links.object_page('bands_band_edit', band.pk)}#id_youtube_channel", "edit", is_primary=True)
    ]


def _may_only_suggest(request: HttpRequest) -> bool:
    return request.user.has_perm(MAY_SUGGEST) and not request.user.has_perm(_EDIT)


def _paused(request: HttpRequest, band: Band) -> Explanation:
    url = links.object_page("bands_band_resume", band.pk)
    may = request.user.has_perm(_SYNC)
    return Explanation(
        look="warn",
        icon="pause",
        title=_("Paused by %(who)s") % {"who": band.paused_by},
        text=_("Its jobs wait, and syncs of all bands leave it out."),
        message=band.pause_reason,
        facts=[(_("Since"), _ago(band.paused_at))],
        buttons=[Button(_("Resume"), url, "play", is_dialog=True)] if may else (),
    )


def _inactive(request: HttpRequest, band: Band) -> Explanation:
    activate = f"{links.page('bands_band_switch')}{links.query(band=band.pk, active=1)}"
    may = request.user.has_perm(_EDIT)
    return Explanation(
        look="off",
        icon="pause",
        title=_("Inactive"),
        text=_("It can't be synced, by a schedule or manually, until it is active again. Its videos stay."),
        buttons=[Button(_("Activate"), activate, "check", is_dialog=True)] if may else (),
    )


def _stale(request: HttpRequest, band: Band) -> Explanation:
    return Explanation(
        look="warn",
        icon="clock",
        title=str(BandState.STALE.label),
        text=_("No sync has failed: nothing has asked for one, or no worker has run it."),
        facts=_failures(band),
        advice=_("Sync it now. If that works, check that a schedule syncs all bands and that workers are running."),
    )
