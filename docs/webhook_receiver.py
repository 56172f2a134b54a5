"""An example of a receiver of the sync monitor's webhook. It needs nothing but Python.

    WEBHOOK_SECRET='the secret of the channel' python webhook_receiver.py 8080

It checks the signature, refuses messages that are older than five minutes, so that nobody can repeat one, and prints each
message once, even if it arrives twice.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["WEBHOOK_SECRET"].encode()
OLDEST_SECONDS = 300
seen_keys = set()  # Keep them in a database, for a day.


def is_genuine(headers, body):
    """Whether somebody who knows the secret has signed this body within the last minutes."""
    timestamp = headers.get("X-Syncmonitor-Timestamp", "")
    expected = "sha256=" + hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    signature = headers.get("X-Syncmonitor-Signature", "")
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        return False
    return timestamp.isdigit() and abs(time.time() - int(timestamp)) <= OLDEST_SECONDS


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not is_genuine(self.headers, body):
            self.answer(401)
            return
        key = self.headers["Idempotency-Key"]
        if key not in seen_keys:
            message = json.loads(body)
            print(key, message["title"], *(alert["problem"] for alert in message["alerts"]), flush=True)
            seen_keys.add(key)  # Only now: if this fails before, the message is sent again.
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print("Listening on port", sys.argv[1], flush=True)
    server.serve_forever()
