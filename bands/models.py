"""Bands and their videos. `syncjobs` imports this app, never the reverse."""

from __future__ import annotations

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Count, IntegerField, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Now
from django.db.models.lookups import LessThan
from django.utils.translation import gettext_lazy as _

HEX_COLOR = RegexValidator(r"^#[0-9A-Fa-f]{6}\Z", _("Enter a color as # and six hexadecimal digits, like #660000."))


class ChannelProblem(models.TextChoices):
    """Why a band's channel can't be read; empty if no problem is known."""

    NONE = "", _("None")
    NOT_FOUND = "NOT_FOUND", _("Channel not found")
    FORBIDDEN = "FORBIDDEN", _("Channel not accessible")
    TAKEN = "TAKEN", _("Another band's channel")


class BandState(models.TextChoices):
    """States to filter bands by; a band may be in several."""

    ACTIVE = "active", _("Active")
    INACTIVE = "inactive", _("Inactive")
    PROBLEM = "problem", _("Channel problem")
    FAILING = "failing", _("Failing")
    NEVER = "never", _("Not synced yet")
    NO_CHANNEL = "no-channel", _("No channel")
    PAUSED = "paused", _("Paused")
    FRESH = "fresh", _("Synced within a day")
    STALE = "stale", _("Not synced for a day")
    HEALTHY = "healthy", _("Healthy")


STALE_AFTER = dt.timedelta(days=1)


_OBSTACLES: dict[BandState, dict[str, Any]] = {
    BandState.NO_CHANNEL: {"channel_id": "", "channel_reference": ""},
    BandState.INACTIVE: {"is_active": False},
}
"""The states in which a band can't be synced, by the values of its columns; the first one is reported."""
_STATES = {
    **{state: Q(**values) for state, values in _OBSTACLES.items()},
    BandState.ACTIVE: Q(is_active=True),
    BandState.PROBLEM: ~Q(channel_problem=ChannelProblem.NONE),
    BandState.FAILING: Q(consecutive_failures__gt=0),
    BandState.PAUSED: Q(paused_at__isnull=False),
}
_SYNCED_LATELY = Q(last_full_sync_at__gt=Now() - STALE_AFTER) | Q(last_incremental_sync_at__gt=Now() - STALE_AFTER)
_SYNCABLE = ~_STATES[BandState.NO_CHANNEL] & ~_STATES[BandState.INACTIVE]
# Each band that can be synced is in one of these three.
_STATES[BandState.NEVER] = _SYNCABLE & Q(last_full_sync_at=None, last_incremental_sync_at=None)
_STATES[BandState.FRESH] = _SYNCABLE & _SYNCED_LATELY
_STATES[BandState.STALE] = _SYNCABLE & ~_STATES[BandState.NEVER] & ~_SYNCED_LATELY
_STATES[BandState.HEALTHY] = (
    _STATES[BandState.FRESH] & ~_STATES[BandState.PROBLEM] & ~_STATES[BandState.FAILING] & ~_STATES[BandState.PAUSED]
)


class BandQuerySet(models.QuerySet["Band"]):
    """Bands by state, and with their counts of videos."""

    def syncable(self) -> Self:
        """Return the bands without a `sync_obstacle`: active bands that have a channel."""
        bands = self
        for values in _OBSTACLES.values():
            bands = bands.exclude(**values)
        return bands

    def paused(self) -> Self:
        """Return the bands whose jobs wait until somebody resumes them."""
        return self.in_state(BandState.PAUSED)

    def unpaused(self) -> Self:
        """Return the bands that are not paused."""
        return self.filter(paused_at=None)

    def in_state(self, state: BandState) -> Self:
        """Return the bands in this state."""
        return self.filter(_STATES[state])

    def count_by_state(self) -> dict[BandState, int]:
        """Return how many of the bands are in each state, in one statement."""
        counts = {state.name: Count("pk", filter=condition) for state, condition in _STATES.items()}
        found = self.order_by().aggregate(**counts)
        return {state: found[state.name] for state in BandState}

    def matching(self, text: str) -> Self:
        """Return the bands whose name, school, city, slug, channel or keywords contain the text."""
        columns = ("name", "school_name", "nickname", "city", "slug", "channel_title", "channel_handle", "channel_id")
        condition = Q(search_keywords__icontains=text)
        for column in columns:
            condition |= Q(**{f"{column}__icontains": text})
        return self.filter(condition)

    def watched(self) -> Self:
        """Return the syncable bands whose channel's id is known: their new videos are noticed."""
        return self.syncable().exclude(channel_id="")

    def with_video_counts(self) -> Self:
        """Annotate `video_count` and `unavailable_videos`, counted only for the rows of the page."""
        videos = Video.objects.filter(band=OuterRef("pk")).order_by().values("band")

        def count(rows: models.QuerySet[Video, Any]) -> Coalesce:
            return Coalesce(Subquery(rows.annotate(n=Count("pk")).values("n"), output_field=IntegerField()), 0)

        return self.annotate(
            video_count=count(videos), unavailable_videos=count(videos.filter(~Q(availability=Availability.AVAILABLE)))
        )


class Band(models.Model):
    """A marching band and the YouTube channel its videos come from."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("slug"), max_length=120, unique=True)
    school_name = models.CharField(_("school"), max_length=200, blank=True)
    nickname = models.CharField(_("nickname"), max_length=200, blank=True)
    city = models.CharField(_("city"), max_length=120, blank=True)
    state = models.CharField(_("state"), max_length=60, blank=True)
    conference = models.CharField(_("conference"), max_length=120, blank=True)
    founded = models.PositiveSmallIntegerField(
        _("founded"), null=True, blank=True, validators=[MinValueValidator(1700), MaxValueValidator(2100)]
    )
    band_type = models.CharField(_("type"), max_length=60, blank=True)
    search_keywords = ArrayField(
        models.CharField(max_length=120), default=list, blank=True, verbose_name=_("search keywords")
    )
    primary_color = models.CharField(_("primary color"), max_length=7, blank=True, validators=[HEX_COLOR])
    secondary_color = models.CharField(_("secondary color"), max_length=7, blank=True, validators=[HEX_COLOR])
    is_active = models.BooleanField(_("active"), default=True)
    is_featured = models.BooleanField(_("featured"), default=False)

    channel_reference = models.CharField(
        _("YouTube channel"),
        max_length=300,
        blank=True,
        help_text=_("A channel id (UC…), an @handle or a channel URL, as entered."),
    )
    channel_id = models.CharField(_("channel id"), max_length=24, blank=True, db_index=True)
    channel_handle = models.CharField(_("channel handle"), max_length=120, blank=True)
    channel_title = models.CharField(_("channel title"), max_length=200, blank=True)
    uploads_playlist_id = models.CharField(_("uploads playlist"), max_length=64, blank=True)
    extra_playlists = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, verbose_name=_("extra playlists")
    )

    last_full_sync_at = models.DateTimeField(_("last full sync"), null=True, blank=True, editable=False)
    last_incremental_sync_at = models.DateTimeField(_("last incremental sync"), null=True, blank=True, editable=False)
    last_stats_refresh_at = models.DateTimeField(_("last statistics refresh"), null=True, blank=True, editable=False)
    last_availability_check_at = models.DateTimeField(
        _("last availability check"), null=True, blank=True, editable=False
    )
    last_page_read_at = models.DateTimeField(
        _("first page last read"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("Incremental passes read the bands in rotation by this time."),
    )
    channel_video_count = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("The channel's videoCount when its videos were last all read."),
    )

    consecutive_failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    channel_problem = models.CharField(
        _("channel problem"),
        max_length=20,
        blank=True,
        choices=ChannelProblem.choices,
        default=ChannelProblem.NONE,
        editable=False,
    )
    channel_problem_since = models.DateTimeField(null=True, blank=True, editable=False)
    # The first of the failures in a row, if that is known; and when it got another channel: what was before doesn't count.
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    channel_changed_at = models.DateTimeField(null=True, blank=True, editable=False)

    paused_at = models.DateTimeField(
        _("paused at"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("While it is set, workers claim none of its jobs."),
    )
    paused_by = models.CharField(_("paused by"), max_length=150, blank=True, db_default="", default="", editable=False)
    pause_reason = models.CharField(_("reason"), max_length=500, blank=True, db_default="", default="", editable=False)
    resumed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("When its last pause ended. What was due before its end does not count as late."),
    )

    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = BandQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name = _("band")
        verbose_name_plural = _("bands")
        indexes = [
            models.Index(fields=["name", "id"], name="band_name_order"),
            # Each claim reads it.
            models.Index(fields=["id"], name="band_paused", condition=models.Q(paused_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name

    def synced_at(self, *, full: bool) -> dt.datetime | None:
        """Return when the band last had such a sync, or None. A full sync counts as an incremental one as well."""
        times = (self.last_full_sync_at, None if full else self.last_incremental_sync_at)
        return max((time for time in times if time is not None), default=None)

    def next_sync_at(self, now: dt.datetime, *, full: bool) -> dt.datetime | None:
        """Return when the minimum interval since the last sync ends, or None if it has ended by `now`."""
        last = self.synced_at(full=full)
        if last is None:
            return None
        allowed_at = last + dt.timedelta(seconds=settings.SYNC_MIN_INTERVAL_SECONDS)
        return allowed_at if allowed_at > now else None

    def is_recently_synced(self, now: dt.datetime, *, full: bool) -> bool:
        """Whether the minimum interval since the last sync has not ended by `now`, the database's time."""
        return self.next_sync_at(now, full=full) is not None

    def is_stale(self, now: dt.datetime) -> bool:
        """Whether the band has been synced, but not in the day before `now`."""
        last = self.synced_at(full=False)
        return last is not None and last <= now - STALE_AFTER

    @property
    def sync_obstacle(self) -> BandState | None:
        """What keeps the band from being synced: NO_CHANNEL, INACTIVE or None."""
        for state, values in _OBSTACLES.items():
            if all(getattr(self, column) == value for column, value in values.items()):
                return state
        return None


class LiveState(models.TextChoices):
    """YouTube's snippet.liveBroadcastContent."""

    NONE = "none", _("Not live")
    LIVE = "live", _("Live")
    UPCOMING = "upcoming", _("Upcoming")


class Availability(models.TextChoices):
    """Whether videos.list still returns a video."""

    AVAILABLE = "AVAILABLE", _("Available")
    MISSING = "MISSING", _("Missing once")
    UNAVAILABLE = "UNAVAILABLE", _("Unavailable")


class NoticedBy(models.TextChoices):
    """How we first learned of a video; empty if that was before it was recorded."""

    PUSH = "push", _("Push")
    FEED = "feed", _("Feed")
    PROBE = "probe", _("Probe")
    FULL_SYNC = "full_sync", _("Full sync")
    PERSON = "person", _("Person")


class Video(models.Model):
    """A YouTube video. It belongs to the band whose channel or playlist it was first found in.

    Counts are NULL, never 0, if YouTube doesn't return them (hidden likes, comments turned off).
    """

    youtube_id = models.CharField(_("YouTube id"), max_length=32, unique=True)
    band = models.ForeignKey(Band, on_delete=models.CASCADE, related_name="videos", verbose_name=_("band"))
    channel_id = models.CharField(_("channel id"), max_length=64, blank=True, default="")
    channel_title = models.TextField(_("channel title"), blank=True, default="")
    title = models.TextField(_("title"), blank=True, default="")
    description = models.TextField(_("description"), blank=True, default="")
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    duration_seconds = models.PositiveIntegerField(_("duration (s)"), null=True, blank=True)
    live_state = models.CharField(_("live state"), max_length=10, choices=LiveState.choices, default=LiveState.NONE)
    scheduled_start_at = models.DateTimeField(_("scheduled start"), null=True, blank=True)
    thumbnails = models.JSONField(_("thumbnails"), default=dict, blank=True)
    tags = ArrayField(models.TextField(), default=list, blank=True, verbose_name=_("tags"))
    category_id = models.CharField(max_length=10, blank=True, default="")
    default_language = models.CharField(max_length=20, blank=True, default="")
    definition = models.CharField(max_length=10, blank=True, default="")
    privacy_status = models.CharField(max_length=20, blank=True, default="")
    embeddable = models.BooleanField(null=True, blank=True)
    made_for_kids = models.BooleanField(null=True, blank=True)
    view_count = models.BigIntegerField(_("views"), null=True, blank=True)
    like_count = models.BigIntegerField(_("likes"), null=True, blank=True)
    comment_count = models.BigIntegerField(_("comments"), null=True, blank=True)

    availability = models.CharField(
        _("availability"), max_length=12, choices=Availability.choices, default=Availability.AVAILABLE
    )
    availability_since = models.DateTimeField(_("since"), db_default=Now())
    details_pending = models.BooleanField(
        default=False,
        help_text=_(
            "Whether the next ENRICH job asks YouTube for the details: the video is new or live, a part was missing, "
            "or it is time for a refresh."
        ),
    )
    details_tries = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How many responses in a row lacked a part of the details that was asked for."),
    )
    details_due_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("When pending details are asked for again; empty: now.")
    )
    details_attempt = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text=_("The attempt that is fetching the pending details.")
    )
    noticed_by = models.CharField(
        _("first noticed by"),
        max_length=9,
        blank=True,
        choices=NoticedBy.choices,
        default="",
        db_default="",
        editable=False,
        help_text=_("The video was noticed, and stored with its title, at created_at."),
    )
    details_stored_at = models.DateTimeField(
        _("details stored"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("When its details were first stored; empty: not yet, or before this was recorded."),
    )
    notice_updated_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("YouTube's time of the newest change that push or the feed reported."),
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    unknown: frozenset[str] = frozenset()
    """Columns of an unsaved video that YouTube's response left out, although it was asked for them. Not a column."""

    class Meta:
        ordering = ["-published_at", "-id"]
        verbose_name = _("video")
        verbose_name_plural = _("videos")
        indexes = [
            models.Index(
                models.F("band"),
                models.F("published_at").desc(nulls_last=True),
                models.F("id").desc(),
                name="video_band_published",
            ),
            models.Index(models.F("published_at").desc(nulls_last=True), models.F("id").desc(), name="video_published"),
            models.Index(fields=["id"], name="video_details_pending", condition=models.Q(details_pending=True)),
            models.Index(
                models.F("published_at").desc(nulls_last=True),
                models.F("id").desc(),
                name="video_live",
                condition=~models.Q(live_state="none") | models.Q(duration_seconds=None),
            ),
            models.Index(fields=["created_at"], name="video_noticed", condition=~models.Q(noticed_by="")),
            models.Index(
                fields=["created_at"],
                name="video_fresh",
                include=["noticed_by", "published_at", "band", "channel_id"],
                condition=~models.Q(noticed_by="")
                & models.Q(LessThan(models.F("created_at") - models.F("published_at"), dt.timedelta(days=30))),
            ),
            models.Index(fields=["band"], name="video_unavailable", condition=~models.Q(availability="AVAILABLE")),
        ]

    def __str__(self) -> str:
        return self.title or self.youtube_id


DETAILS_DUE = Q(details_pending=True) & (Q(details_due_at=None) | Q(details_due_at__lte=Now()))
"""Videos whose details an ENRICH job should ask for now."""
DETAILS_NEVER_ASKED = Q(details_pending=True, details_tries=0)
"""Videos whose details may be asked for before they are due, to fill a unit."""
