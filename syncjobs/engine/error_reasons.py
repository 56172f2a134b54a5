"""What the reason of an error means, and what a person can do about it, in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Meaning:
    """A reason in a few words, in a sentence, and what to do about it."""

    title: Text
    text: Text
    advice: Text


_BUSY = Meaning(
    _("YouTube is busy"),
    _("YouTube asked us to go slower, or had a fault of its own. It passes, and the jobs try again by themselves."),
    _("Nothing, unless it goes on for hours. Then pause the queue, look at YouTube's status, and resume later."),
)
_UNREACHABLE = Meaning(
    _("YouTube could not be reached"),
    _("The connection broke, or there was no answer in time. The jobs try again by themselves."),
    _("If many bands have it at once, check the server's network. Then retry the failed jobs."),
)
_GARBLED = Meaning(
    _("An answer that makes no sense"),
    _("What came back was cut off, or is not what was asked for. The jobs try again by themselves."),
    _("If it goes on, something on the way changes the answers: a proxy, or a wrong YOUTUBE_API_ENDPOINT."),
)
_QUOTA_GONE = Meaning(
    _("The day's quota is used up"),
    _(
        "YouTube gives so many units a day, and they are gone. The jobs wait until the quota resets; they have not failed."
    ),
    _("Look at Quota for what used it. Nothing is lost: the jobs go on after the reset."),
)
_KEY = Meaning(
    _("YouTube refuses the API key"),
    _("The key is wrong, has expired, or may not be used for this or from here. All queues have been paused."),
    _(
        "Ask an administrator to set right YOUTUBE_API_KEY or its restrictions in the Google console, then resume the queues."
    ),
)
_PROJECT = Meaning(
    _("The Google project may not use YouTube"),
    _(
        "The YouTube Data API is switched off for the project, or the project is suspended. All queues have been paused."
    ),
    _("Ask an administrator to look at the project in the Google console, then resume the queues."),
)
_CLOSED_TO_US = Meaning(
    _("YouTube does not let us read this"),
    _("The channel or playlist is private, or closed to programs. Trying again does not help."),
    _("Look at the channel on YouTube. If it is private for good, give the band another channel or make it inactive."),
)
_REFUSED = Meaning(
    _("YouTube refused the request"),
    _("YouTube did not accept what was asked. Trying again does not help by itself."),
    _("Read the message. If it says nothing you can act on, show it to a developer."),
)
_UNKNOWN = Meaning(
    _("A reason without an explanation"),
    _("YouTube gave a reason that this program does not know."),
    _("Read the message; the reason is in YouTube's own words."),
)

_MEANINGS: dict[str, Meaning] = {
    **dict.fromkeys(("quotaExceeded", "dailyLimitExceeded", "dailyLimitExceededUnreg"), _QUOTA_GONE),
    **dict.fromkeys(
        (
            "rateLimitExceeded",
            "userRateLimitExceeded",
            "concurrentLimitExceeded",
            "backendError",
            "processingFailure",
            "SERVICE_UNAVAILABLE",
            "RATE_LIMIT_EXCEEDED",
        ),
        _BUSY,
    ),
    **dict.fromkeys(("timeout", "connection"), _UNREACHABLE),
    "badAnswer": _GARBLED,
    **dict.fromkeys(
        (
            "keyMissing",
            "keyInvalid",
            "keyExpired",
            "ipRefererBlocked",
            "authError",
            "required",
            "API_KEY_INVALID",
            "API_KEY_SERVICE_BLOCKED",
            "API_KEY_HTTP_REFERRER_BLOCKED",
            "API_KEY_IP_ADDRESS_BLOCKED",
            "API_KEY_ANDROID_APP_BLOCKED",
            "API_KEY_IOS_APP_BLOCKED",
        ),
        _KEY,
    ),
    **dict.fromkeys(
        (
            "accessNotConfigured",
            "iamPermissionDenied",
            "SERVICE_DISABLED",
            "CONSUMER_INVALID",
            "CONSUMER_SUSPENDED",
            "BILLING_DISABLED",
        ),
        _PROJECT,
    ),
    "forbidden": _CLOSED_TO_US,
    "playlistNotFound": Meaning(
        _("The channel's uploads are not given"),
        _(
            "The channel exists and has videos, but YouTube does not give the list of them. Often this passes in some hours."
        ),
        _("Retry later. If it stays so, open the channel on YouTube and check that it is the band's."),
    ),
    "invalidPageToken": Meaning(
        _("A list changed while it was read"),
        _("YouTube no longer accepts where we had got to in a long list. The job reads the list from the start."),
        _("Retry the job. If it happens again and again, show it to a developer."),
    ),
    "channelNotFound": Meaning(
        _("The channel is not there"),
        _("YouTube has no channel by this id, handle or address: it was renamed, deleted, or mistyped."),
        _("Find the band's channel on YouTube, paste its address into the band, and sync again."),
    ),
    "channelTaken": Meaning(
        _("Another band has this channel"),
        _("What stands as the band's channel leads to the channel that another band has; its videos are that band's."),
        _("Give one of the two bands another channel, or delete the one that is there twice, and sync again."),
    ),
    "malformedChannel": Meaning(
        _("The channel is not written so that it can be found"),
        _("What stands as the band's channel is no id, handle or YouTube address."),
        _("Paste the channel's address or @handle into the band, and sync again."),
    ),
    "videoNotFound": Meaning(
        _("The video is not there"),
        _("YouTube has no public video with this id: it is private, deleted, or mistyped."),
        _("Open the video on YouTube. If it is private or gone, there is nothing to sync."),
    ),
    "bandUnknown": Meaning(
        _("A video of no band"),
        _("The video is of a channel that belongs to none of our bands."),
        _("Add the band with that channel first, or say which band the video is for."),
    ),
    "bandDeleted": Meaning(
        _("The band was deleted"),
        _("The band was deleted before its job ran."),
        _("Nothing: the job has nothing left to do."),
    ),
    "unreadableItem": Meaning(
        _("Something in a list could not be read"),
        _("One video or playlist came back in a form we can't read. It was left out, and all the rest was synced."),
        _("Open the job for which it is. A later sync takes it in when YouTube gives it in full."),
    ),
    "workerLost": Meaning(
        _("The worker went away"),
        _("The process that was at the job died or froze, several times in a row."),
        _("Look at Workers and at the server's memory. Then retry the jobs."),
    ),
    "internalError": Meaning(
        _("An unexpected fault"),
        _("Something went wrong that nobody foresaw, in this program or at YouTube."),
        _("Retry the job. If it fails again, show its error and traceback to a developer."),
    ),
}
_HTTP = re.compile(r"http(\d{3})\Z")


def explain(reason: str) -> Meaning:
    """What the reason means; one that is not known, or only an HTTP status, is explained as far as that goes."""
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    if reason.startswith("API_KEY_"):
        return _KEY
    if status := _HTTP.match(reason):
        return _BUSY if int(status[1]) in (408, 429) or int(status[1]) >= 500 else _REFUSED
    return _UNKNOWN
