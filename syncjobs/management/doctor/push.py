"""Whether YouTube's hub can push to the site, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from ...choices import PushState
from ...freshness import subscriptions
from ...senders import http
from ...senders.messages import SendFailed
from ...stats import freshness
from .findings import Finding, Level, good

_GONE = 410
"""What the callback answers to a delivery for a subscription that there is not."""


def callback() -> Iterator[Finding]:
    """Deliver to the site at PUBLIC_URL as the hub would, for a subscription that there is not."""
    if not subscriptions.is_push_on():
        yield good("push.callback", "PUBLIC_URL is not set: YouTube pushes nothing, and feeds are read instead.")
        return
    name = f"PUBLIC_URL ({settings.PUBLIC_URL})"
    try:
        status: int | None = http.send("POST", subscriptions.callback_url("doctor"), allow_local=True)
    except SendFailed as error:
        status = error.status
        if status is None:
            message = f"This host does not reach {name}: {error.message}"
            advice = "The hub needs it from the internet: check the name, the certificate, and the proxy's /websub/."
            yield Finding("push.callback", Level.WARNING, message, advice)
            return
    if status == _GONE:
        yield good("push.callback", f"The site answers at {name}.")
    else:
        message = f"{name} answers {status} to a delivery, not the site's {_GONE}."
        advice = "Have the proxy pass /websub/ on to the web servers, without a log-in and without a redirect."
        yield Finding("push.callback", Level.ERROR, message, advice)


def hub() -> Iterator[Finding]:
    """Look whether the hub takes requests, and how many subscriptions work."""
    figures = freshness.freshness(1)
    if not figures.is_push_on:
        return
    if figures.hub and figures.hub.failing_since:
        message = f"YouTube's hub takes no requests since {figures.hub.failing_since:%Y-%m-%d %H:%M} UTC: {figures.hub.problem}"
        advice = "Wait: subscriptions that work go on working, and the others are asked for again. Check YOUTUBE_HUB."
        yield Finding("push.hub", Level.WARNING, message, advice)
    words = ", ".join(f"{figures.push[state]} {state}" for state in PushState if figures.push[state])
    working = f"{figures.push_working} of {figures.bands}"
    message = f"{working} bands have a subscription that the hub has verified ({words or 'none'})."
    if figures.push_working * 2 < figures.bands:
        advice = "New bands take some minutes. Else run: python manage.py subscriptions --check"
        yield Finding("push.hub", Level.WARNING, message, advice)
    elif not (figures.hub and figures.hub.failing_since):
        yield good("push.hub", message)
