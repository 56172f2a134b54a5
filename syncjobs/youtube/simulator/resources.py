"""JSON resources of the simulated API, in the shape that YouTube's reference documents."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from .faults import PAGE_FAULTS, Fault
from .parameters import max_results, offset_of, token_for
from .world import Channel, Video, World, made_up_id, uploads


def _timestamp(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def etag(value: object) -> str:
    """Return an ETag for a JSON value."""
    return hashlib.md5(json.dumps(value, sort_keys=True).encode(), usedforsecurity=False).hexdigest()[:27]


def _thumbnails(video_id: str) -> dict[str, Any]:
    return {
        size: {"url": f"https://i.ytimg.com/vi/{video_id}/{name}.jpg", "width": width, "height": height}
        for size, name, width, height in (("default", "default", 120, 90), ("medium", "mqdefault", 320, 180))
    }


def channel_resource(world: World, channel: Channel, parts: Sequence[str]) -> dict[str, Any]:
    """Return a channel resource (developers.google.com/youtube/v3/docs/channels#resource)."""
    content: dict[str, Any] = {
        "snippet": {"title": channel.title, "customUrl": channel.handle.lower(), "description": ""},
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": uploads(channel.id)}},
        "statistics": {"viewCount": "1", "hiddenSubscriberCount": True, "videoCount": str(world.video_count(channel))},
    }
    body = {"kind": "youtube#channel", "id": channel.id} | {part: content[part] for part in parts if part in content}
    return {"etag": etag(body)} | body


def playlist_entry(
    world: World, playlist_id: str, position: int, parts: Sequence[str], occurrence: int = 0
) -> dict[str, Any]:
    """Return a playlist item (developers.google.com/youtube/v3/docs/playlistItems#resource).

    The entry of a private or deleted video has no title, owner or publication time (observed). The entry has
    an id of its own even if there are earlier ones of the same video, whose number is `occurrence`.
    """
    video = world.videos[world.playlists[playlist_id][position]]
    owner = world.channels[video.channel_id]
    public = video.is_readable
    is_private = video.privacy == "private"
    snippet: dict[str, Any] = {
        "publishedAt": _timestamp(video.published_at),
        "channelId": owner.id,
        "title": video.title if public else f"{'Private' if is_private else 'Deleted'} video",
        "description": video.description if public else f"This video is {'private' if is_private else 'unavailable'}.",
        "thumbnails": _thumbnails(video.id) if public else {},
        "channelTitle": owner.title,
        "playlistId": playlist_id,
        "position": position,
        "resourceId": {"kind": "youtube#video", "videoId": video.id},
    }
    details: dict[str, Any] = {"videoId": video.id}
    if public:
        snippet |= {"videoOwnerChannelTitle": owner.title, "videoOwnerChannelId": owner.id}
        details["videoPublishedAt"] = _timestamp(video.published_at)
    if video.broken == "entry":
        snippet.pop("resourceId")
        details = {}
    privacy = video.privacy if video.privacy != "deleted" else "privacyStatusUnspecified"
    content = {"snippet": snippet, "contentDetails": details, "status": {"privacyStatus": privacy}}
    if video.broken == "no contentDetails":
        content.pop("contentDetails")
    body: dict[str, Any] = {
        "kind": "youtube#playlistItem",
        "id": made_up_id(playlist_id + video.id + "+" * occurrence, 48),
    }
    body |= {part: content[part] for part in parts if part in content}
    return {"etag": etag(body)} | body


def statistics_of(video: Video) -> dict[str, str]:
    """Return the counts that are not hidden, as strings."""
    if video.hides_statistics:
        return {}
    counts = {"viewCount": video.views, "likeCount": video.likes, "commentCount": video.comments}
    return {name: str(count) for name, count in counts.items() if count is not None}


def _duration(video: Video) -> str:
    """Return P0D for a premiere or live stream that has not aired yet (observed)."""
    return video.duration if video.live == "none" else "P0D"


def video_resource(world: World, video: Video, parts: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a video resource (developers.google.com/youtube/v3/docs/videos#resource), by default with all its parts."""
    snippet = {
        "publishedAt": _timestamp(video.published_at),
        "channelId": video.channel_id,
        "title": video.title,
        "description": video.description,
        "thumbnails": _thumbnails(video.id),
        "channelTitle": world.channels[video.channel_id].title,
        "categoryId": "10",
        "liveBroadcastContent": video.live,
    } | ({"tags": video.tags} if video.tags else {})
    content: dict[str, Any] = {
        "snippet": snippet,
        "contentDetails": {
            "duration": "three minutes" if video.broken == "bad duration" else _duration(video),
            "definition": "hd",
            "caption": "false",
        },
        "status": {
            "uploadStatus": "processed",
            "privacyStatus": video.privacy,
            "embeddable": True,
            "madeForKids": False,
        },
        "statistics": statistics_of(video) | ({"viewCount": "many"} if video.broken == "bad count" else {}),
    }
    if video.scheduled_start_at or video.live != "none":
        starts_at = video.scheduled_start_at or video.published_at + dt.timedelta(days=1)
        content["liveStreamingDetails"] = {"scheduledStartTime": _timestamp(starts_at)}
    if video.broken.startswith("no "):
        content.pop(video.broken.removeprefix("no "), None)
    name = {} if video.broken == "no id" else {"id": video.id}
    body: dict[str, Any] = {"kind": "youtube#video", **name} | {
        part: content[part] for part in (content if parts is None else parts) if part in content
    }
    return {"etag": etag(body)} | body


def stat_resource(video: Video, parts: Sequence[str]) -> dict[str, Any]:
    """Return a resource of videos.batchGetStats, which has durations in seconds and names the time differently."""
    content: dict[str, Any] = {
        "snippet": {"publishTime": _timestamp(video.published_at)},
        "contentDetails": {"duration": "213s"},
        "statistics": statistics_of(video),
    }
    if video.broken == "no statistics":
        content.pop("statistics")
    requested: dict[str, Any] = {part: content[part] for part in parts if part in content}
    return {"kind": "youtube#videoStats", "id": video.id} | requested


def damage(fault: Fault, body: dict[str, Any], parameters: dict[str, str]) -> None:
    """Apply one of ANSWER_FAULTS to a response."""
    if fault.name == "wrongValue":
        _put(body, fault.path, fault.value)
        return
    if fault.name not in PAGE_FAULTS:
        body["items"] = [{k: v for k, v in item.items() if k != fault.part} for item in body.get("items", [])]
        return
    playlist_id, token = parameters["playlistId"], parameters.get("pageToken", "")
    body.pop("nextPageToken", None)
    if fault.name == "emptyPage":
        body["items"] = []
    if fault.name in ("endless", "emptyPage"):
        body["nextPageToken"] = token_for(playlist_id, offset_of(playlist_id, token) + max_results(parameters))
    elif fault.name != "noToken":
        body["nextPageToken"] = token if token and fault.name == "sameToken" else token_for(playlist_id, 0)


def _put(body: Any, path: Sequence[str | int], value: Any) -> None:
    """Replace the member at the path, if the response has what contains it."""
    *parents, last = path
    try:
        for name in parents:
            body = body[name]
        body[last] = value
    except (KeyError, IndexError, TypeError):
        return
