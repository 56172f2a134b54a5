"""What the reason of an error means and what a person can do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise
_PAUSE, _CHANGE_BAND = "syncjobs.pause_queue", "bands.change_band"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A title, an explanation, and what to do. `needs` is the permission that one must have to do it, if any."""

    title: Text
    text: Text
    advice: Text
    needs: str = ""


_BUSY = Meaning(
    _("YouTube is busy"),
    _("YouTube asked us to slow down or had an internal error. This is temporary; the jobs retry automatically."),
    _("Nothing, unless it lasts for hours. Then pause the queue, check YouTube's status, and resume later."),
    _PAUSE,
)
_UNREACHABLE = Meaning(
    _("YouTube could not be reached"),
    _("The connection failed or timed out. The jobs retry automatically."),
    _("If many bands are affected at once, check the server's network. Then retry the failed jobs."),
)
_GARBLED = Meaning(
    _("Invalid response"),
    _("The response was incomplete or is not what we asked for. The jobs retry automatically."),
    _("If it continues, something alters the responses: a proxy, or a wrong YOUTUBE_API_ENDPOINT."),
)
_NOT_YOUTUBE = Meaning(
    _("Not YouTube's response"),
    _("Something between this server and YouTube responded instead of YouTube. The jobs retry automatically."),
    _("Check the server's network: a proxy, a firewall, or a network that wants somebody to log in. Then retry."),
)
_QUOTA_GONE = Meaning(
    _("Daily quota used up"),
    _("YouTube's daily quota is used up. The jobs wait until it resets; they have not failed."),
    _("See Quota for what used it. Nothing is lost: the jobs continue after the reset."),
)
_KEY = Meaning(
    _("YouTube rejects the API key"),
    _("The key is wrong, has expired, or is restricted. All queues have been paused."),
    _("Correct YOUTUBE_API_KEY on the server, or its restrictions in the Google console. Then resume the queues."),
    _PAUSE,
)
_PROJECT = Meaning(
    _("The Google project can't use YouTube"),
    _("The YouTube Data API is disabled for the project, or the project is suspended. All queues have been paused."),
    _("Check the project in the Google console. Then resume the queues."),
    _PAUSE,
)
_FORBIDDEN = Meaning(
    _("Access denied by YouTube"),
    _("The channel or playlist is private or not available to us. A retry does not help."),
    _("Open the channel on YouTube. If it is permanently private, change the band's channel or deactivate the band."),
    _CHANGE_BAND,
)
_REFUSED = Meaning(
    _("YouTube rejected the request"),
    _("YouTube did not accept the request. A retry alone does not help."),
    _("Read the message. If it doesn't say what to change, show it to a developer."),
)
_UNKNOWN = Meaning(
    _("Unknown reason"),
    _("YouTube returned a reason that this application does not know."),
    _("Read the message; the reason is in YouTube's own words."),
)

_SHARED = (
    (_QUOTA_GONE, "quotaExceeded dailyLimitExceeded dailyLimitExceededUnreg"),
    (
        _BUSY,
        "rateLimitExceeded userRateLimitExceeded concurrentLimitExceeded backendError processingFailure"
        " SERVICE_UNAVAILABLE RATE_LIMIT_EXCEEDED RESOURCE_EXHAUSTED UNAVAILABLE INTERNAL DEADLINE_EXCEEDED"
        " ABORTED CANCELLED UNKNOWN DATA_LOSS",
    ),
    (_UNREACHABLE, "timeout connection"),
    (_GARBLED, "badAnswer"),
    (
        _KEY,
        "keyMissing keyInvalid keyExpired ipRefererBlocked authError required API_KEY_INVALID API_KEY_SERVICE_BLOCKED"
        " API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED API_KEY_ANDROID_APP_BLOCKED API_KEY_IOS_APP_BLOCKED"
        " UNAUTHENTICATED",
    ),
    (
        _PROJECT,
        "accessNotConfigured iamPermissionDenied SERVICE_DISABLED CONSUMER_INVALID CONSUMER_SUSPENDED BILLING_DISABLED",
    ),
    (_FORBIDDEN, "forbidden playlistItemsNotAccessible PERMISSION_DENIED"),
    (
        _REFUSED,
        "badRequest INVALID_ARGUMENT FAILED_PRECONDITION NOT_FOUND ALREADY_EXISTS OUT_OF_RANGE UNIMPLEMENTED",
    ),
)
_MEANINGS: dict[str, Meaning] = {
    **{reason: meaning for meaning, reasons in _SHARED for reason in reasons.split()},
    "playlistNotFound": Meaning(
        _("Uploads playlist not found"),
        _(
            "The channel exists and has videos, but YouTube does not return its uploads playlist. This is often temporary."
        ),
        _("Retry in a few hours. If it continues, open the channel on YouTube and check that it is the band's."),
    ),
    "invalidPageToken": Meaning(
        _("Playlist changed during the sync"),
        _("YouTube no longer accepts our position in a long playlist. The job starts again from the first page."),
        _("Retry the job. If it happens repeatedly, show it to a developer."),
    ),
    "channelNotFound": Meaning(
        _("Channel not found"),
        _("YouTube has no channel with this ID, handle or address. It was renamed, deleted, suspended or mistyped."),
        _("Find the band's channel on YouTube, paste its address into the band, and sync again."),
        _CHANGE_BAND,
    ),
    "channelTaken": Meaning(
        _("Another band has this channel"),
        _("The band's channel already belongs to another band, and so do its videos."),
        _("Change the channel of one of the two bands, or delete the duplicate band, and sync again."),
        _CHANGE_BAND,
    ),
    "malformedChannel": Meaning(
        _("Invalid channel"),
        _("The band's channel is not an ID, a handle or a YouTube address."),
        _("Paste the channel's address or @handle into the band, and sync again."),
        _CHANGE_BAND,
    ),
    "videoNotFound": Meaning(
        _("Video not found"),
        _("YouTube has no public video with this ID. It is private, deleted or mistyped."),
        _("Open the video on YouTube. If it is private or deleted, there is nothing to sync."),
    ),
    "bandUnknown": Meaning(
        _("No band has this video's channel"),
        _("The video is from a channel that belongs to none of our bands."),
        _("Add a band with that channel first, or choose the band of the video."),
        "bands.add_band",
    ),
    "bandDeleted": Meaning(
        _("Band deleted"), _("The band was deleted before its job ran."), _("Nothing: there is nothing left to sync.")
    ),
    "playlistUnreadable": Meaning(
        _("Playlist can't be read"),
        _("YouTube does not return one of the band's extra playlists. Everything else was synced."),
        _("Open the playlist on YouTube. If it is private or deleted, remove it from the band."),
        _CHANGE_BAND,
    ),
    "playlistEndless": Meaning(
        _("Playlist not read to its end"),
        _(
            "YouTube's pages of a playlist led back to earlier ones, brought nothing new, or broke off. The sync stopped there."
        ),
        _("Nothing, unless it happens again: a later sync reads the playlist from the start."),
    ),
    "unreadableItem": Meaning(
        _("Unreadable item"),
        _("YouTube returned a video or playlist in a form we can't read. It was skipped; everything else was synced."),
        _("The message names the item. A later sync adds it once YouTube returns it in full."),
    ),
    "workerLost": Meaning(
        _("Worker lost"),
        _("The worker process of the job crashed or froze several times in a row."),
        _("Check Workers and the server's memory. Then retry the jobs."),
    ),
    "databaseAway": Meaning(
        _("Database unavailable"),
        _("The database was away several times in a row while the job ran."),
        _("Check PostgreSQL and its log. Then retry the jobs."),
    ),
    "internalError": Meaning(
        _("Unexpected error"),
        _("Something unexpected went wrong, in this application or at YouTube."),
        _("Retry the job. If it fails again, show its error and traceback to a developer."),
    ),
}
_HTTP = re.compile(r"http(\d{3})\Z")


def reasons() -> list[str]:
    """Return the reasons that are explained by name."""
    return list(_MEANINGS)


def explain(reason: str) -> Meaning:
    """Return the meaning of a reason. For an unknown reason, use its HTTP status."""
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    if reason.startswith("API_KEY_"):
        return _KEY
    if status := _HTTP.match(reason):
        return _BUSY if int(status[1]) in (408, 429) or int(status[1]) >= 500 else _NOT_YOUTUBE
    return _UNKNOWN
