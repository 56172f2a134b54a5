"""Whether somebody is told of alerts: the rules are evaluated, and channels get their messages."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Iterator

from ...choices import ChannelKind, DeliveryState
from ...engine import clock
from ...models import AlertChannel, AlertDelivery, AlertRound
from ...senders import secrets
from . import site
from .findings import Finding, Level, good

LONGEST_PAUSE = dt.timedelta(minutes=2)
"""A round of the rules takes place every 15 seconds."""
_FAILED_ATTEMPTS = 3


def rounds() -> Iterator[Finding]:
    """Look when the rules were evaluated last."""
    newest = AlertRound.objects.first()
    now = clock.now()
    if newest is None or newest.ended_at is None:
        message = "The rules of alerts have never been evaluated."
    elif now - newest.ended_at > LONGEST_PAUSE:
        message = f"The rules of alerts were evaluated last at {newest.ended_at:%Y-%m-%d %H:%M:%S} UTC."
    else:
        yield good("alerts.rounds", "The rules of alerts are evaluated.")
        return
    advice = "Start a worker, beat or a web process: one of them does it. If they run, read their logs."
    yield Finding("alerts.rounds", Level.ERROR, message, advice)


def channels() -> Iterator[Finding]:
    """Look for channels that tell nobody: none at all, unreadable addresses, messages that don't arrive, no mail server."""
    enabled = list(AlertChannel.objects.filter(is_enabled=True).order_by("name"))
    if not any(channel.kind != ChannelKind.PING for channel in enabled):
        advice = "Add a channel on the alerts pages of the admin, then run: python manage.py send_test_alert"
        yield Finding("alerts.channels", Level.WARNING, "No alert channel is enabled, so alerts tell nobody.", advice)
    problems = [finding for channel in enabled for finding in _problems(channel)]
    yield from problems
    if enabled and not problems:
        yield good("alerts.channels", f"{len(enabled)} alert channel(s) are enabled, and none has a problem.")
    has_mail = any(channel.kind == ChannelKind.EMAIL for channel in enabled)
    if has_mail and not site.has_mail_server():
        # The server of this host, which the check of mail leaves out.
        yield from site.mail_server()


def _problems(channel: AlertChannel) -> Iterator[Finding]:
    name = f"The alert channel “{channel.name}”"
    try:
        secrets.decrypt(channel.target)
        secrets.decrypt(channel.secret)
    except secrets.Unreadable:
        message = f"{name} can't be read, because SECRET_KEY was changed."
        advice = "Put the old key into SECRET_KEY_FALLBACKS, or enter the channel's address and secret again."
        yield Finding("alerts.channels", Level.ERROR, message, advice)
        return
    if channel.kind == ChannelKind.PING:
        if channel.ping_problem:
            message = f"{name}, the dead man's switch, is not reached: {channel.ping_problem}"
            yield Finding("alerts.channels", Level.ERROR, message, "Correct its address.")
        return
    tried = AlertDelivery.objects.filter(channel=channel).exclude(state=DeliveryState.CANCELLED)
    newest = tried.exclude(state=DeliveryState.PENDING, attempts_made__lt=_FAILED_ATTEMPTS).order_by("-pk").first()
    if newest is not None and newest.state != DeliveryState.DELIVERED:
        message = f"{name} doesn't get its messages: {newest.problem}"
        advice = f"Correct its address, then run: python manage.py send_test_alert {shlex.quote(channel.name)}"
        yield Finding("alerts.channels", Level.ERROR, message, advice)
