"""The WebSub hub (w3.org/TR/websub), as Google's behaves: what it accepts it verifies and delivers later, if at all.

Everything that is to happen later is in one queue, by time. A thread works on it; a test or a benchmark that moves the
clock itself calls `run_due` instead.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import heapq
import hmac
import http.client
import itertools
import random
import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from . import feeds
from .faults import HUB_DELIVER, HUB_SUBSCRIBE, HUB_VERIFY, Faults
from .world import Video, World

DEFAULT_LEASE, LONGEST_LEASE = 432_000, 864_000
"""Seconds: 5 and 10 days, as Google's hub grants (observed)."""
RETRIES = (5.0, 30.0, 120.0, 600.0, 1800.0)
"""Pauses in seconds before a delivery is repeated that the callback did not answer with 2xx."""
VERIFY_RETRIES = (5.0, 60.0)
_TIMEOUT = 10.0
_THREADS = 8


@dataclass(slots=True)
class Subscription:
    """A verified subscription."""

    callback: str
    topic: str
    secret: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a subscription or its end, which is to be verified."""

    mode: str
    callback: str
    topic: str
    secret: str
    lease: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body for one subscription."""

    subscription: Subscription
    body: bytes


@dataclass(order=True, slots=True)
class _Task:
    at: dt.datetime
    number: int
    run: Callable[[], None] = field(compare=False)


Send = Callable[[str, str, bytes, Mapping[str, str]], tuple[int, bytes]]
"""Sends a request (method, URL, body, headers) and returns status and body. Raises OSError or HTTPException."""


class Hub:
    """The subscriptions, and what is to be verified, denied, delivered or repeated."""

    def __init__(self, world: World, faults: Faults, now: Callable[[], dt.datetime]) -> None:
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.log: list[dict[str, Any]] = []
        """Requests to the hub and by it: time, operation, topic, status (0: no response), and others."""
        self.delay = (0.0, 0.0)
        """The shortest and the longest time in seconds until a change is delivered."""
        self.send: Send = send
        self.stopped = threading.Event()
        self._world, self._faults, self._now = world, faults, now
        self._tasks: list[_Task] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._random = random.Random(11)  # noqa: S311 - repeatable delays
        world.on_change.append(self._publish)

    def start(self) -> None:
        """Do what is due in a thread, until `stop`."""
        threading.Thread(target=self._run, name="hub", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self.stopped.set()

    def _run(self) -> None:
        # The garbage collector of a test ends no thread that still has something to deliver.
        pool = ThreadPoolExecutor(_THREADS, "hub")
        while not self.stopped.wait(0.02):
            for task in self._take_due():
                pool.submit(task.run)
        pool.shutdown(wait=False, cancel_futures=True)

    def run_due(self) -> int:
        """Do what is due now, one after the other; return how much that was."""
        done = 0
        while tasks := self._take_due():
            for task in tasks:
                task.run()
            done += len(tasks)
        return done

    def next_at(self) -> dt.datetime | None:
        """Return when something is due next."""
        with self._lock:
            return self._tasks[0].at if self._tasks else None

    def _take_due(self) -> list[_Task]:
        now, due = self._now(), []
        with self._lock:
            while self._tasks and self._tasks[0].at <= now:
                due.append(heapq.heappop(self._tasks))
        return due

    def _later(self, seconds: float, run: Callable[[], None]) -> None:
        with self._lock:
            heapq.heappush(self._tasks, _Task(self._now() + dt.timedelta(seconds=seconds), next(self._numbers), run))

    def write_log(self, operation: str, topic: str, status: int, **more: Any) -> None:
        """Log a request."""
        self.log.append(
            {"time": self._now().isoformat(), "operation": operation, "topic": topic, "status": status, **more}
        )

    def receive(self, body: bytes) -> tuple[int, str]:
        """Answer a request of a subscriber (form-encoded): 202, or 400 and why."""
        form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        mode, topic, callback = (form.get(f"hub.{name}", "") for name in ("mode", "topic", "callback"))
        lease = form.get("hub.lease_seconds", "") or str(DEFAULT_LEASE)
        problem = ""
        if mode not in ("subscribe", "unsubscribe"):
            problem = "Invalid value for hub.mode"
        elif urlsplit(callback).scheme not in ("http", "https") or not urlsplit(callback).hostname:
            problem = "Invalid parameter: hub.callback"
        elif not feeds.channel_of(topic):
            problem = "Invalid parameter: hub.topic"
        elif not lease.isdecimal() or len(form.get("hub.secret", "").encode()) >= 200:
            problem = "Invalid parameter: hub.lease_seconds or hub.secret"
        self.write_log(HUB_SUBSCRIBE, topic, 400 if problem else 202, mode=mode, callback=callback)
        if problem:
            return 400, problem
        seconds = min(int(lease[:12]), LONGEST_LEASE)
        self._later(0.0, lambda: self._verify(Request(mode, callback, topic, form.get("hub.secret", ""), seconds)))
        return 202, ""

    def _verify(self, request: Request, tries: int = 0) -> None:
        """Ask the callback whether it wants this. The subscription stays as it is until it has said so."""
        fault = self._faults.match(HUB_VERIFY, channel=feeds.channel_of(request.topic))
        if fault is not None and fault.name == "lose":
            return
        if fault is not None and fault.name == "delay" and tries == 0:
            self._later(fault.seconds, lambda: self._verify(request, tries + 1))
            return
        is_denied = fault is not None and fault.name == "deny"
        challenge = hashlib.sha256(self._random.randbytes(8)).hexdigest()[:40]
        query = {"hub.mode": "denied" if is_denied else request.mode, "hub.topic": request.topic}
        query |= (
            {"hub.reason": "The hub has too many subscriptions."}
            if is_denied
            else {"hub.challenge": challenge, "hub.lease_seconds": str(request.lease)}
        )
        separator = "&" if urlsplit(request.callback).query else "?"
        status, body = self._call("GET", request.callback + separator + urlencode(query), b"", {})
        is_confirmed = not is_denied and 200 <= status < 300 and body.strip() == challenge.encode()
        self.write_log(HUB_VERIFY, request.topic, status, mode=query["hub.mode"], confirmed=is_confirmed)
        if is_confirmed:
            self._confirm(request)
        elif not is_denied and not 200 <= status < 500 and tries < len(VERIFY_RETRIES):
            self._later(VERIFY_RETRIES[tries], lambda: self._verify(request, tries + 1))

    def _confirm(self, request: Request) -> None:
        key = (request.callback, request.topic)
        with self._lock:
            if request.mode == "unsubscribe":
                self.subscriptions.pop(key, None)
            else:
                until = self._now() + dt.timedelta(seconds=request.lease)
                self.subscriptions[key] = Subscription(request.callback, request.topic, request.secret, until)

    def _publish(self, video: Video, is_gone: bool) -> None:
        """Queue the deliveries about a video. YouTube reports public videos only."""
        channel = self._world.channels[video.channel_id]
        if not is_gone and video.privacy != "public":
            return
        now = self._now()
        text = feeds.deletion(video, channel, now) if is_gone else feeds.notice(video, channel)
        with self._lock:
            wanted = [s for s in self.subscriptions.values() if feeds.channel_of(s.topic) == channel.id]
        for subscription in wanted:
            if subscription.expires_at > now:
                self._queue(Delivery(subscription, text.encode()), channel.id)

    def _queue(self, delivery: Delivery, channel_id: str) -> None:
        fault = self._faults.match(HUB_DELIVER, channel=channel_id)
        name = fault.name if fault is not None else ""
        seconds = self._random.uniform(*self.delay)
        if fault is not None and name == "delay":
            # Each by another time, so that they arrive in another order.
            seconds += self._random.uniform(0, fault.seconds)
        if name == "lose":
            self.write_log(HUB_DELIVER, delivery.subscription.topic, 0, lost=True)
            return
        for _copy in range(2 if name == "duplicate" else 1):
            self._later(seconds, lambda: self._deliver(delivery, signature=name))

    def _deliver(self, delivery: Delivery, *, signature: str = "", tries: int = 0) -> None:
        subscription = delivery.subscription
        headers = {
            "Content-Type": "application/atom+xml",
            "Link": f"<https://pubsubhubbub.appspot.com>; rel=hub, <{subscription.topic}>; rel=self",
            "From": "googlebot(at)googlebot.com",
            "User-Agent": "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)",
        }
        if subscription.secret and signature != "unsigned":
            secret = "forged" if signature == "forged" else subscription.secret
            headers["X-Hub-Signature"] = "sha1=" + hmac.new(secret.encode(), delivery.body, hashlib.sha1).hexdigest()
        status, _body = self._call("POST", subscription.callback, delivery.body, headers)
        self.write_log(HUB_DELIVER, subscription.topic, status, tries=tries)
        if not 200 <= status < 300 and tries < len(RETRIES):
            self._later(RETRIES[tries], lambda: self._deliver(delivery, signature=signature, tries=tries + 1))

    def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            return self.send(method, url, body, headers)
        except (OSError, http.client.HTTPException):
            return 0, b""


def send(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Send a request without following redirects, and return status and the beginning of the body."""
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_TIMEOUT, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body or None, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(10_000)
    finally:
        connection.close()
