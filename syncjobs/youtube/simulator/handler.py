"""The HTTP server's side of the simulated YouTube: it reads requests, applies faults, and sends responses."""

from __future__ import annotations

import json
import re
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ..costs import Operation
from . import feeds, resources
from .faults import ANSWER_FAULTS, CONNECTION_FAULTS, ERRORS, FEED, HUB_SUBSCRIBE, Fault, error_body
from .parameters import Refusal

if TYPE_CHECKING:
    from .server import Simulator

_OPERATIONS = {
    "/youtube/v3/channels": Operation.CHANNELS_LIST,
    "/youtube/v3/playlistItems": Operation.PLAYLIST_ITEMS_LIST,
    "/youtube/v3/videos": Operation.VIDEOS_LIST,
    "/youtube/v3/videos:batchGetStats": Operation.VIDEOS_BATCH_GET_STATS,
    "/youtube/v3/search": Operation.SEARCH_LIST,
}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Handler(BaseHTTPRequestHandler):
    """Answers requests for the API, feeds, the hub, and `/__simulator__/…`."""

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
        elif url.path in feeds.PATHS:
            self._send_feed(feeds.channel_of(self.path))
        elif url.path == "/hub":
            self._subscribe(method)
        elif url.path in _OPERATIONS:
            self._call(method, _OPERATIONS[url.path], parse_qs(url.query))
        else:
            self._send_json(404, Refusal(404, "notFound", "Not Found").body)

    def _send_feed(self, channel_id: str) -> None:
        simulator = self.simulator
        if simulator.faults.latency:
            time.sleep(simulator.faults.latency)
        if fault := simulator.faults.match(FEED, channel=channel_id):
            simulator.write_feed_log(channel_id, _status_of(fault))
            self._send_fault(fault)
            return
        found = feeds.feed(simulator.world, channel_id, simulator.now())
        if found is None:
            simulator.write_feed_log(channel_id, 404)
            self._send(404, b"<html><title>Error 404 (Not Found)!!1</title></html>", "text/html; charset=UTF-8")
            return
        body, validators = found
        # RFC 9110, 13.1.3: a tag takes precedence over a time.
        sent, mine = self.headers.get("If-None-Match"), validators["ETag"]
        if sent is None:
            sent, mine = self.headers.get("If-Modified-Since"), validators["Last-Modified"]
        status = 304 if sent == mine else 200
        simulator.write_feed_log(channel_id, status)
        self.extra_headers = validators
        self._send(status, b"" if status == 304 else body.encode(), "text/xml; charset=UTF-8")

    def _subscribe(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        topic = (parse_qs(body.decode("utf-8", "replace")).get("hub.topic") or [""])[-1]
        if fault := self.simulator.faults.match(HUB_SUBSCRIBE, channel=feeds.channel_of(topic)):
            self.simulator.hub.write_log(HUB_SUBSCRIBE, topic, _status_of(fault))
            self._send_fault(fault)
            return
        status, text = self.simulator.hub.receive(body) if method == "POST" else (405, "Use POST.")
        self._send(status, text.encode(), "text/plain; charset=UTF-8")

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
            simulator.write_log(operation, parameters, _status_of(fault), charged=True, path=self.path)
            self._send_fault(fault, key)
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

    def _send_fault(self, fault: Fault, key: str = "") -> None:
        echo = f" (key={key})" if fault.echo_key else ""
        status = _status_of(fault)
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
            self._send_json(*((status, {}) if fault.name == "empty" else error_body(fault.name, echo)))

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


def _status_of(fault: Fault) -> int:
    """Return the status of the response to a request that a fault hits; 0 means no response."""
    if fault.name == "foreign":
        return fault.status
    return CONNECTION_FAULTS[fault.name] if fault.name in CONNECTION_FAULTS else ERRORS[fault.name][0]
