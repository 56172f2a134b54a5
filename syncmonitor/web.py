"""The web server of a deployed site: `python -m syncmonitor.web`. It is uvicorn that drains before it ends."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

import uvicorn
from django.conf import settings

from .asgi import application  # Sets Django up, which draining.py needs.

# isort: split
from .draining import DRAIN_SECONDS, GRACE_SECONDS, KEEP_ALIVE_SECONDS, Closing, Server

_FIRST_FD = 3


def passed_sockets() -> list[socket.socket] | None:
    """Return the listening sockets that systemd has passed on, or None.

    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return None
    count = int(os.environ.pop("LISTEN_FDS", "0"))
    return [socket.socket(fileno=fd) for fd in range(_FIRST_FD, _FIRST_FD + count)] or None


def main(arguments: Sequence[str]) -> None:
    """Serve the site until SIGTERM."""
    parser = argparse.ArgumentParser("syncmonitor.web", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, unless systemd passes a socket on")
    parser.add_argument("--port", type=int, default=settings.PORT)
    parser.add_argument("--drain", type=float, default=DRAIN_SECONDS, metavar="SECONDS", help="default: %(default)g")
    options = parser.parse_args(arguments)
    config = uvicorn.Config(
        Closing(application),
        host=options.host,
        port=options.port,
        # The settings configure the log, and access.py writes a line for each request.
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    Server(config, options.drain).run(passed_sockets())


if __name__ == "__main__":
    main(sys.argv[1:])
