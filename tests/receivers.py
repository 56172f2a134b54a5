"""Receivers of messages on this machine: a web server and a mail server that record what they get, and misbehave."""

from __future__ import annotations

import email
import email.message
import email.policy
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebReceiver:
    """Answers with `answer(number of the request)`: a status, "hang", "drip" or "drop"."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[int], int | str] = lambda number: 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.is_over = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host, self.port = "127.0.0.1", self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks/secret-path"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with receiver._lock:
                    receiver.requests.append(Request(self.command, self.path, dict(self.headers), body))
                    number = len(receiver.requests)
                receiver._respond(self, receiver.answer(number))

            do_GET = do_POST = handle_any

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler

    def _respond(self, handler: BaseHTTPRequestHandler, answer: int | str) -> None:
        if answer == "hang":
            self.is_over.wait(60)
        elif answer == "drip":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not self.is_over.wait(0.05):
                try:
                    handler.wfile.write(b"X")
                except OSError:
                    return
        elif answer == "drop":
            handler.close_connection = True
            handler.connection.close()
        else:
            handler.send_response(int(answer))
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(self.body)))
            handler.end_headers()
            handler.wfile.write(self.body)

    def keys(self) -> list[str]:
        """Return the idempotency keys in the order of arrival."""
        return [request.headers["Idempotency-Key"] for request in self.requests]


@contextmanager
def web_receiver() -> Iterator[WebReceiver]:
    receiver = WebReceiver()
    thread = threading.Thread(target=receiver._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.is_over.set()
        receiver._server.shutdown()
        receiver._server.server_close()


class MailReceiver(socketserver.ThreadingTCPServer):
    """An SMTP server. `refuse` is the answer to RCPT instead of 250; `is_hanging` keeps clients waiting."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.messages: list[email.message.EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuse = ""
        self.is_hanging = False
        self.is_over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.port = int(self.server_address[1])


class _Conversation(socketserver.StreamRequestHandler):
    server: MailReceiver

    def handle(self) -> None:
        if self.server.is_hanging:
            self.server.is_over.wait(60)
            return
        self._say("220 test")
        recipients: list[str] = []
        while line := self.rfile.readline():
            verb = line.decode().strip().upper()
            if verb.startswith("RCPT"):
                recipients.append(line.decode().split("<")[1].split(">")[0])
                self._say(self.server.refuse or "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines = []
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text)
                self.server.recipients.append(recipients)
                message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                self.server.messages.append(message)  # type: ignore[arg-type]
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_receiver() -> Iterator[MailReceiver]:
    with MailReceiver() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            server.is_over.set()
            server.shutdown()
