"""The address at which YouTube's hub reaches the site."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.http.request import validate_host

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def problem(url: str, allowed_hosts: Sequence[str], *, debug: bool) -> str:
    """Return what is wrong with PUBLIC_URL, or an empty string. With DEBUG, a simulated hub may use HTTP on this machine."""
    match = re.fullmatch(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", url, re.IGNORECASE)
    if match is None:
        return f"{url} is not the start of a URL, such as https://sync.example.org."
    scheme, host = match[1].lower(), match[2].lower()
    if scheme != "https" and not (debug and host in _LOOPBACK):
        return f"{url} must begin with https://, because the hub sends secrets there."
    if not debug and not validate_host(host, allowed_hosts):
        return f"ALLOWED_HOSTS lacks {host}, so the site would refuse what the hub delivers."
    return ""
