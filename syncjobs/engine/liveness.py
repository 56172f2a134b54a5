"""Tell whoever restarts this process that it goes on: systemd, or a probe that looks at the age of a file.

This says nothing about the database or Redis: a process that waits for them is alive, and a restart would not help it.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)


def notify_systemd(state: str) -> None:
    """Send a state such as READY=1 to systemd, if it waits for one.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            client.sendall(state.encode())
    except OSError as error:
        logger.warning("Could not tell systemd %s: %s", state, error)


def report() -> None:
    """Report that the process has started and goes on. Called every few seconds."""
    notify_systemd("READY=1\nWATCHDOG=1")
    if settings.ALIVE_FILE:
        try:
            Path(settings.ALIVE_FILE).touch()
        except OSError as error:
            logger.warning("ALIVE_FILE: could not touch %s: %s", settings.ALIVE_FILE, error.strerror)
