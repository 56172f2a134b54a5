"""How new videos reach us without quota: subscriptions at YouTube's hub, and the Atom feeds of channels."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from bands.models import Band

from ..choices import SubscriptionState


def new_token() -> str:
    """Return a token that nobody can guess, for the address that the hub delivers to."""
    return secrets.token_urlsafe(32)


class Subscription(models.Model):
    """A topic that we subscribe to at the hub (WebSub), for a band's channel.

    A band has at most one that is not ending. One that is ending has perhaps no band any more: its row is deleted when the
    hub has confirmed the end, or when the lease is over. `secret` is encrypted: see `senders.secrets`.

    Push works while the state is VERIFIED and the lease has not ended. Requests that fail change neither.
    """

    band = models.ForeignKey(Band, on_delete=models.SET_NULL, null=True, related_name="subscriptions", db_index=False)
    channel_id = models.CharField(_("channel id"), max_length=24)
    topic = models.URLField(_("topic"), max_length=300)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    secret = models.TextField(editable=False)
    state = models.CharField(
        _("state"), max_length=8, choices=SubscriptionState.choices, default=SubscriptionState.PENDING
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())

    next_request_at = models.DateTimeField(_("next request"), db_default=Now())
    requested_at = models.DateTimeField(_("last request"), null=True, blank=True)
    """Also the fence of the request: only the process that wrote it may write the hub's answer."""
    callback = models.URLField(_("callback"), max_length=300, blank=True, help_text=_("Of the last request."))
    attempts = models.PositiveIntegerField(_("attempts"), default=0, help_text=_("Since the hub last verified one."))
    problem = models.TextField(_("problem"), blank=True, help_text=_("Why the last request was in vain."))

    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)
    lease_ends_at = models.DateTimeField(_("lease ends"), null=True, blank=True)

    delivered_at = models.DateTimeField(
        _("last delivery"), null=True, blank=True, help_text=_("With a valid signature.")
    )
    minute_began_at = models.DateTimeField(null=True, blank=True, editable=False)
    minute_count = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Deliveries in the minute that began at minute_began_at.")
    )
    trusted_at = models.DateTimeField(
        _("trusted since"),
        null=True,
        blank=True,
        help_text=_("Since a new video was first noticed by push; empty: not proven, or not any more."),
    )
    trust_lost_at = models.DateTimeField(
        _("trust lost"), null=True, blank=True, help_text=_("When a video last came by feed or probe instead of push.")
    )

    class Meta:
        ordering = ["id"]
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["band"], name="one_subscription_per_band", condition=~Q(state=SubscriptionState.ENDING)
            )
        ]
        indexes = [
            models.Index(fields=["next_request_at"], name="subscription_due"),
            # Deleting a band looks for all of its rows.
            models.Index(fields=["band"], name="subscription_band"),
        ]

    def __str__(self) -> str:
        return self.topic


class HubState(models.Model):
    """One row: how the hub answers, and when it may be sent the next request of all."""

    next_request_at = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(
        default=0, help_text=_("Requests in a row that the hub did not take: it was away, or too busy.")
    )
    failing_since = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True, help_text=_("When it last accepted a request."))
    problem = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.problem or str(self.answered_at)


class ChannelFeed(models.Model):
    """The Atom feed of a band's channel: how it was last read, and when it is read next.

    The row exists while the band is active and has this channel, so `watched_since` is when we promised to notice its new
    videos: figures of freshness leave out videos that were published before it.
    """

    band = models.OneToOneField(Band, on_delete=models.CASCADE, primary_key=True, related_name="feed")
    channel_id = models.CharField(_("channel id"), max_length=24)
    watched_since = models.DateTimeField(_("watched since"), db_default=Now())

    next_read_at = models.DateTimeField(_("next read"), db_default=Now())
    tried_at = models.DateTimeField(_("last tried"), null=True, blank=True)
    """Also the fence of the request: only the process that wrote it may write the answer."""
    read_at = models.DateTimeField(_("last read"), null=True, blank=True, help_text=_("With status 200 or 304."))
    status = models.PositiveSmallIntegerField(
        _("status"), null=True, blank=True, help_text=_("Of HTTP, when it was last tried; empty: no response.")
    )
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    problem = models.TextField(_("problem"), blank=True)
    etag = models.TextField(blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    trusted_at = models.DateTimeField(
        _("trusted since"),
        null=True,
        blank=True,
        help_text=_("Since it has shown the videos that we know; empty: not so."),
    )
    trust_lost_at = models.DateTimeField(
        _("trust lost"),
        null=True,
        blank=True,
        help_text=_("When a probe last found a video that the feed had not shown."),
    )
    probed_at = models.DateTimeField(
        _("last probe"), null=True, blank=True, help_text=_("When the channel's videoCount was last asked for.")
    )

    class Meta:
        ordering = ["band"]
        verbose_name = _("channel feed")
        verbose_name_plural = _("channel feeds")
        default_permissions = ()
        indexes = [models.Index(fields=["next_read_at"], name="feed_due")]

    def __str__(self) -> str:
        return self.channel_id
