"""The simulated YouTube: the API's methods, their quota, and an interface to control and inspect it."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from collections import Counter
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any

from ..costs import Bucket, Operation, bucket_of, quota_day, units_of
from . import resources
from .faults import Fault, Faults
from .handler import Handler
from .hub import Hub
from .parameters import Refusal, check_names, ids_of, max_results, offset_of, page_info, parts_of, token_for
from .resources import etag
from .world import MAX_PLAYLIST, Video, World, uploads


class Simulator:
    """YouTube on a local port, with its API, feeds and hub. A context manager.

    `url`, `feed_url` and `hub_url` are values for YOUTUBE_API_ENDPOINT, YOUTUBE_FEED_ENDPOINT and YOUTUBE_HUB.
    """

    def __init__(self, world: World | None = None, *, host: str = "127.0.0.1", port: int = 0, key: str = "") -> None:
        self.world = world or World()
        self.faults = Faults()
        self.key = key
        self.limits = {Bucket.MAIN: 10_000, Bucket.SEARCH: 100, Bucket.STATS: 10_000}
        self.used: Counter[tuple[Bucket, dt.date]] = Counter()
        self.clock_offset = dt.timedelta()
        self.log: list[dict[str, Any]] = []
        self.before_answer: Callable[[str, dict[str, str]], None] | None = None
        """Called with operation and parameters before each response is built, so that tests can change the world."""
        self.hub = Hub(self.world, self.faults, self.now)
        self.feed_log: list[dict[str, Any]] = []
        """Requests for feeds: time, channel and status (0: no response). They cost nothing."""
        self._lock = threading.Lock()
        handler = type("SimulatorHandler", (Handler,), {"simulator": self})
        self._server = _Server((host, port), handler)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.feed_url, self.hub_url = f"{self.url}/xml/feeds/videos.xml", f"{self.url}/hub"

    def __enter__(self) -> Simulator:
        self.hub.start()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.hub.stop()
        self.faults.clear()
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve until interrupted."""
        self.hub.start()
        with self._server:
            self._server.serve_forever()

    def now(self) -> dt.datetime:
        """Return the simulated time."""
        return dt.datetime.now(dt.UTC) + self.clock_offset

    def calls(self, operation: str = "") -> list[dict[str, Any]]:
        """Return the logged requests, all or of one operation."""
        with self._lock:
            return [entry for entry in self.log if operation in ("", entry["operation"])]

    def units(self, bucket: Bucket = Bucket.MAIN) -> int:
        """Return the units charged to a bucket by the logged requests."""
        return sum(entry["units"] for entry in self.calls() if entry["bucket"] == bucket)

    def clear_log(self) -> None:
        """Empty the log."""
        with self._lock:
            self.log.clear()
            self.feed_log.clear()
            self.hub.log.clear()

    def write_log(
        self, operation: str, parameters: dict[str, str], status: int, *, charged: bool, path: str = ""
    ) -> None:
        """Log a request."""
        bucket = bucket_of(Operation(operation))
        entry = {
            "time": self.now().isoformat(), "operation": str(operation), "parameters": parameters, "status": status,
            "units": units_of(Operation(operation)) if charged else 0, "bucket": str(bucket), "path": path,
        }  # fmt: skip
        with self._lock:
            self.log.append(entry)

    def write_feed_log(self, channel_id: str, status: int) -> None:
        """Log a request for a feed."""
        self.feed_log.append({"time": self.now().isoformat(), "channel": channel_id, "status": status})

    def charge(self, operation: Operation) -> bool:
        """Charge a request that has a valid key; return False if the day's units are used up."""
        bucket, day = bucket_of(operation), quota_day(self.now())
        with self._lock:
            if self.used[bucket, day] + units_of(operation) > self.limits[bucket]:
                return False
            self.used[bucket, day] += units_of(operation)
            return True

    def answer(self, operation: Operation, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return the body of the response. Raises Refusal."""
        single = {name: values[-1] for name, values in query.items()}
        parts = parts_of(operation, query)
        check_names(operation, single)
        limit = max_results(single)
        answers: dict[Operation, Callable[[], dict[str, Any]]] = {
            Operation.CHANNELS_LIST: lambda: self._channels(query, parts),
            Operation.PLAYLIST_ITEMS_LIST: lambda: self._playlist(single, parts, limit),
            Operation.VIDEOS_LIST: lambda: self._videos(ids_of(query), parts),
            Operation.VIDEOS_BATCH_GET_STATS: lambda: self._stats(ids_of(query), parts),
            Operation.SEARCH_LIST: lambda: self._search(single, limit),
        }
        with self.world.lock:
            body = answers[operation]()
        return {"etag": etag(body)} | body

    def _channels(self, query: dict[str, list[str]], parts: list[str]) -> dict[str, Any]:
        channels = self.world.channels
        if "id" in query:
            found = [channels[i] for i in ids_of(query) if i in channels]
        elif "forHandle" in query:
            handle = "@" + query["forHandle"][-1].lstrip("@").lower()
            found = [channel for channel in channels.values() if channel.handle.lower() == handle]
        else:
            found = [channel for channel in channels.values() if channel.username == query["forUsername"][-1]]
        items = [resources.channel_resource(self.world, channel, parts) for channel in found]
        body: dict[str, Any] = {"kind": "youtube#channelListResponse", "pageInfo": page_info(len(items), 5)}
        return body | ({"items": items} if items else {})

    def _playlist(self, single: dict[str, str], parts: list[str], limit: int) -> dict[str, Any]:
        playlist_id = single.get("playlistId", "")
        entries = self.world.playlists.get(playlist_id, [])[:MAX_PLAYLIST]
        if not entries:
            raise Refusal(
                404,
                "playlistNotFound",
                f"The playlist identified with the request's playlistId parameter cannot be found: {playlist_id}",
            )
        offset = offset_of(playlist_id, single.get("pageToken", ""))
        page = range(offset, min(offset + limit, len(entries)))
        repeats = len(set(entries)) < len(entries)
        earlier = {position: entries[:position].count(entries[position]) if repeats else 0 for position in page}
        body: dict[str, Any] = {
            "kind": "youtube#playlistItemListResponse",
            "items": [resources.playlist_entry(self.world, playlist_id, p, parts, n) for p, n in earlier.items()],
            "pageInfo": page_info(len(entries), limit),
        }
        if offset + limit < len(entries):
            body["nextPageToken"] = token_for(playlist_id, offset + limit)
        return body

    def _readable(self, ids: list[str]) -> list[Video]:
        videos = self.world.videos
        return [videos[i] for i in dict.fromkeys(ids) if i in videos and videos[i].is_readable]

    def _videos(self, ids: list[str], parts: list[str]) -> dict[str, Any]:
        items = [resources.video_resource(self.world, video, parts) for video in self._readable(ids)]
        return {"kind": "youtube#videoListResponse", "items": items, "pageInfo": page_info(len(items), len(items))}

    def _stats(self, ids: list[str], parts: list[str]) -> dict[str, Any]:
        items = [resources.stat_resource(video, parts) for video in self._readable(ids)]
        return {"kind": "youtube#batchGetStatsResponse", "items": items}

    def _search(self, single: dict[str, str], limit: int) -> dict[str, Any]:
        words = single.get("q", "").lower()
        public = (video for video in self.world.videos.values() if video.privacy == "public")
        hits = [video for video in public if words in video.title.lower()][:limit]
        items = [
            {
                "kind": "youtube#searchResult",
                "id": {"kind": "youtube#video", "videoId": v.id},
                "snippet": {"title": v.title},
            }
            for v in hits
        ]
        return {"kind": "youtube#searchListResponse", "items": items, "pageInfo": page_info(len(items), limit)}

    def control(self, method: str, path: str, body: Any) -> Any:
        """Handle a request to `/__simulator__/…`, and return the JSON value to respond with."""
        if path == "log":
            if method == "DELETE":
                self.clear_log()
            return self.calls()
        if path == "faults":
            if method == "DELETE":
                self.faults.clear()
            elif method == "POST":
                self.faults.latency = float(body.get("latency", self.faults.latency))
                self.faults.add(*(Fault(**fault) for fault in body.get("faults", [])))
            return {"latency": self.faults.latency, "faults": [vars(fault) for fault in self.faults.active]}
        if path == "quota":
            if method == "POST":
                self.limits.update({Bucket(name): int(limit) for name, limit in body.get("limits", {}).items()})
                self.clock_offset = dt.timedelta(
                    seconds=float(body.get("clockOffset", self.clock_offset.total_seconds()))
                )
            day = quota_day(self.now())
            return {bucket: {"used": self.used[bucket, day], "limit": self.limits[bucket]} for bucket in Bucket}
        if path == "world":
            return self._change_world(body) if method == "POST" else self._describe_world()
        if path == "feeds":
            return self.feed_log
        if path == "hub":
            return self._describe_hub()
        raise Refusal(404, "notFound", "The paths are /__simulator__/log, faults, quota, world, feeds and hub.")

    def _describe_hub(self) -> Any:
        subscriptions = [
            {"callback": s.callback, "topic": s.topic, "expires_at": s.expires_at.isoformat()}
            for s in list(self.hub.subscriptions.values())
        ]
        return {"subscriptions": subscriptions, "log": self.hub.log}

    def _describe_world(self) -> Any:
        with self.world.lock:
            return [
                {"id": c.id, "handle": c.handle, "title": c.title, "videos": list(self.world.playlists[uploads(c.id)])}
                for c in self.world.channels.values()
            ]

    def _change_world(self, body: dict[str, Any]) -> Any:
        action = body.get("action")
        if action == "upload":
            return [video.id for video in self.world.upload(body["channel"], int(body.get("count", 1)))]
        if action == "publish":
            return self.world.publish(body["channel"], self.now(), title=body.get("title", "")).id
        if action == "retitle":
            self.world.retitle(body["video"], body["title"], self.now())
        elif action == "remove":
            self.world.remove(body["video"])
        elif action == "delete":
            self.world.set_privacy(body["video"], "deleted")
        elif action == "addChannel":
            return {"id": self.world.add_channel(body["handle"], body.get("title", "")).id}
        elif action == "privatize":
            self.world.set_privacy(body["video"], "private")
        elif action == "move":
            self.world.move(body["playlist"], body["video"], int(body["position"]))
        else:
            actions = "addChannel, upload, publish, retitle, remove, delete, privatize, move"
            raise Refusal(400, "badRequest", f"Action must be one of {actions}.")
        return {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a traceback, unless the client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
