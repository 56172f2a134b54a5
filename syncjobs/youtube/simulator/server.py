"""The HTTP server: the API's methods, their quota, and an interface to control and inspect it (`/__simulator__/…`)."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from ..costs import Bucket, Operation, bucket_of, quota_day, units_of
from . import resources
from .faults import ANSWER_FAULTS, CONNECTION_FAULTS, Fault, Faults, error_body
from .parameters import Refusal, check_names, ids_of, max_results, offset_of, page_info, parts_of, token_for
from .resources import etag
from .world import MAX_PLAYLIST, Video, World, uploads

_OPERATIONS = {
    "/youtube/v3/channels": Operation.CHANNELS_LIST,
    "/youtube/v3/playlistItems": Operation.PLAYLIST_ITEMS_LIST,
    "/youtube/v3/videos": Operation.VIDEOS_LIST,
    "/youtube/v3/videos:batchGetStats": Operation.VIDEOS_BATCH_GET_STATS,
    "/youtube/v3/search": Operation.SEARCH_LIST,
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Simulator:
    """A YouTube API on a local port. A context manager; `url` is a value for YOUTUBE_API_ENDPOINT."""

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
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"simulator": self})
        self._server = _Server((host, port), handler)
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def __enter__(self) -> Simulator:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.faults.clear()
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve until interrupted."""
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

    def feed(self, channel_id: str) -> str | None:
        """Return the Atom feed of a channel's 15 newest videos, which costs no quota; None for an unknown channel."""
        with self.world.lock:
            channel = self.world.channels.get(channel_id)
            if channel is None:
                return None
            videos = [self.world.videos[i] for i in self.world.playlists[uploads(channel_id)]]
            entries = "".join(
                f"<entry><id>yt:video:{v.id}</id><yt:videoId>{v.id}</yt:videoId><title>{escape(v.title)}</title>"
                f"<published>{v.published_at.isoformat()}</published></entry>"
                for v in videos
                if v.privacy == "public"
            )
        head = '<?xml version="1.0" encoding="UTF-8"?><feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">'
        closing = entries.split("</entry>")[:15]
        return f"{head}<title>{escape(channel.title)}</title>{''.join(e + '</entry>' for e in closing if e)}</feed>"

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
        raise Refusal(404, "notFound", "The paths are /__simulator__/log, faults, quota and world.")

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
        if action == "remove":
            self.world.remove(body["video"])
        elif action == "delete":
            self.world.videos[body["video"]].privacy = "deleted"
        elif action == "addChannel":
            return {"id": self.world.add_channel(body["handle"], body.get("title", "")).id}
        elif action == "privatize":
            self.world.videos[body["video"]].privacy = "private"
        elif action == "move":
            self.world.move(body["playlist"], body["video"], int(body["position"]))
        else:
            raise Refusal(
                400, "badRequest", "Action must be one of addChannel, upload, remove, delete, privatize, move."
            )
        return {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a traceback, unless the client has gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes. Nagle's algorithm would hold back the body until the client's delayed ACK: 40 ms.
    disable_nagle_algorithm = True
    simulator: Simulator
    extra_headers: dict[str, str] = {}
    """Sent with the next response only."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: `Simulator.log` has the requests, without API keys."""

    def _handle(self, method: str) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/__simulator__/"):
            self._control(method, url.path.removeprefix("/__simulator__/"))
        elif url.path == "/feeds/videos.xml":
            feed = self.simulator.feed((parse_qs(url.query).get("channel_id") or [""])[0])
            self._send(200 if feed else 404, (feed or "").encode(), "application/atom+xml")
        elif url.path in _OPERATIONS:
            self._call(method, _OPERATIONS[url.path], parse_qs(url.query))
        else:
            self._send_json(404, Refusal(404, "notFound", "Not Found").body)

    def _control(self, method: str, path: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            self._send_json(200, self.simulator.control(method, path, body))
        except Refusal as refusal:
            self._send_json(refusal.status, refusal.body)
        except (ValueError, KeyError, TypeError) as error:
            self._send_json(400, Refusal(400, "badRequest", f"{type(error).__name__}: {error}").body)

    def _call(self, method: str, operation: Operation, query: dict[str, list[str]]) -> None:
        simulator = self.simulator
        key = self.headers.get("X-Goog-Api-Key") or (query.pop("key", [""]))[-1]
        parameters = {name: ",".join(values) for name, values in query.items() if name not in ("alt", "key")}
        if not key or (simulator.key and key != simulator.key):
            status, body = error_body("apiKeyInvalid" if key else "keyMissing")
            simulator.write_log(operation, parameters, status, charged=False, path=self.path)
            self._send_json(status, body)
            return
        if simulator.faults.latency:
            time.sleep(simulator.faults.latency)
        if not simulator.charge(operation):
            status, body = error_body("quotaExceeded")
            simulator.write_log(operation, parameters, status, charged=False, path=self.path)
            self._send_json(status, body)
            return
        fault = simulator.faults.match(operation, parameters.get("playlistId", ""))
        if fault is not None and fault.name not in ANSWER_FAULTS:
            self._send_fault(fault, operation, parameters, key)
            return
        if simulator.before_answer:
            simulator.before_answer(operation, parameters)
        try:
            if method != "GET":
                raise Refusal(405, "httpMethodNotAllowed", "Use GET.")
            status, body = 200, simulator.answer(operation, query)
            if fault is not None:
                resources.damage(fault, body, parameters)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if status == 200 and self.headers.get("If-None-Match") == body["etag"]:
            status = 304
        simulator.write_log(operation, parameters, status, charged=True, path=self.path)
        self._send_json(status, body)

    def _send_fault(self, fault: Fault, operation: Operation, parameters: dict[str, str], key: str) -> None:
        echo = f" (key={key})" if fault.echo_key else ""
        status, error = (
            (CONNECTION_FAULTS[fault.name], {}) if fault.name in CONNECTION_FAULTS else error_body(fault.name, echo)
        )
        status = fault.status if fault.name == "foreign" else status
        self.simulator.write_log(operation, parameters, status, charged=True, path=self.path)
        if fault.name in ("hang", "drop"):
            if fault.name == "hang":
                self.simulator.faults.released.wait(120)
            self.close_connection = True
        elif fault.name in ("truncate", "garbage"):
            body = json.dumps({"items": [{"id": "x" * 500}], "echo": echo}).encode()
            self.close_connection = True
            cut = body[: len(body) // 2] if fault.name == "truncate" else b"<html>Sorry" + echo.encode()
            self._send(status, cut, "application/json", length=len(body) if fault.name == "truncate" else None)
        elif fault.name == "foreign":
            self.extra_headers = fault.headers
            self._send(status, (fault.body + echo).encode(), fault.content_type)
        elif fault.name == "redirect":
            self._send(status, echo.encode(), "text/html", location=f"{self.simulator.url}/elsewhere?key={key}")
        else:
            self.extra_headers = ({"X-Debug": echo} if echo else {}) | fault.headers
            self._send_json(status, error)

    def _send_json(self, status: int, body: Any) -> None:
        text = json.dumps(body, ensure_ascii=False)
        if _LONE_SURROGATE.search(text):
            # UTF-8 can't encode them. YouTube sends them as escapes.
            text = json.dumps(body)
        self._send(status, text.encode(), "application/json; charset=UTF-8")

    def _send(self, status: int, body: bytes, kind: str, *, length: int | None = None, location: str = "") -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if self.close_connection:
                self.send_header("Connection", "close")
            for name, value in self.extra_headers.items():
                self.send_header(name, value)
            self.extra_headers = {}
            if location:
                self.send_header("Location", location)
            if status == 304:
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True
