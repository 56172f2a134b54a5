"""The configuration of PostgreSQL and Redis from their URLs, and what can be wrong with a URL.

No host that vanishes without a word may block a process: connecting gives up after seconds, and keepalive packets find a
connection whose other end is gone. Options in DATABASE_URL override those here.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import dj_database_url
import psycopg
from psycopg.conninfo import make_conninfo

from .postgresql.connection import Connection

CONNECT_SECONDS = 5
_POSTGRES_SCHEMES = ("postgres://", "postgresql://")
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
_SOCKET_OPTIONS = {
    "connect_timeout": CONNECT_SECONDS,
    # A vanished host is noticed after 10 + 3 × 5 seconds.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
_POOL_SECONDS = 3.0
"""How long a request waits for a free connection before it is answered with 503."""
_RECONNECT_SECONDS = 0.5
"""How long the pool tries to connect. The next request starts again, without the growing pauses of a longer try."""


_LOCK_MILLISECONDS = 4000
"""How long a request waits for somebody else's lock before it is answered with 503."""


def database(url: str, pool_size: int) -> dict[str, Any]:
    """Return Django's settings for a postgres:// URL.

    Workers and commands keep their connections. The web process takes them from a pool: otherwise each of its many
    threads would keep one.
    """
    keep = 0 if pool_size else 600
    # The pool's connections are checked by our backend.
    config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=keep, conn_health_checks=not pool_size))
    config["ENGINE"] = "syncmonitor.postgresql"
    options = config["OPTIONS"] = _SOCKET_OPTIONS | config.get("OPTIONS", {})
    # A process that freezes within a transaction keeps its locks, perhaps the queue's or the quota's. Our transactions
    # take milliseconds, so PostgreSQL disconnects a client that is idle in one for this long.
    options["options"] = f"-c idle_in_transaction_session_timeout=5000 {options.get('options', '')}".strip()
    if pool_size:
        options["options"] = f"-c lock_timeout={_LOCK_MILLISECONDS} {options['options']}"
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "connection_class": Connection,
            "timeout": _POOL_SECONDS,
            "reconnect_timeout": _RECONNECT_SECONDS,
        }
    return config


def with_password(url: str, password: str) -> str:
    """Return the URL with the password, if there is one, and with a password of its own percent-encoded.

    A URL may have the password as it is: the last @ that a host can follow ends it. Only a % followed by two hexadecimal
    digits must be written %25, because it counts as percent-encoded.
    """
    for host in ("[^@/?#]+/[^/?#]*(?:[?].*)?", "[^@/?#]+"):
        if match := re.fullmatch(f"([a-z]+://[^:@/?#]*):(.*)@({host})", url, re.DOTALL):
            return f"{match[1]}:{_percent_encoded(match[2])}@{match[3]}"
    scheme, separator, rest = url.partition("://")
    if not password or not separator or scheme == "unix":
        return url
    user, host = re.fullmatch("(?:([^@/?#]*)@)?(.*)", rest, re.DOTALL).groups("")  # type: ignore[union-attr]
    return f"{scheme}://{user}:{quote(password, safe='')}@{host}"


def _percent_encoded(password: str) -> str:
    return "".join(
        part if part.startswith("%") and len(part) == 3 else quote(part, safe="")
        for part in re.split("(%[0-9A-Fa-f]{2})", password)
    )


def password_problem(name: str, password: str) -> str:
    """Return why the password can't be used with the URL in the variable `name`, or an empty string."""
    url = os.environ.get(name, "")
    if not password:
        return ""
    if not url or url.startswith("unix://"):
        return f"is only used with {name}, which must name a host."
    return f"{name} has a password too. Set only one of them." if urlsplit(with_password(url, "")).password else ""


def database_problem(url: str) -> str:
    """Return what is wrong with DATABASE_URL, or an empty string."""
    if not url.startswith(_POSTGRES_SCHEMES):
        return f"must begin with one of {', '.join(_POSTGRES_SCHEMES)}."
    try:
        if urlsplit(url).port == 0:
            return "the port must be from 1 to 65535."
        config = database(url, 0)
        given = {"host": config["HOST"], "port": config["PORT"], **config["OPTIONS"]}
        if not config["NAME"]:
            return "must end with the name of a database, such as postgres://user:password@host/name."
        conninfo = make_conninfo(**{name: value for name, value in given.items() if value != ""})
    except (ValueError, psycopg.ProgrammingError) as error:
        return f"{_first_line(error)}."
    numbers = [name for name in _SOCKET_OPTIONS if not str(given[name]).isdecimal()]
    if numbers:
        return f"{numbers[0]} must be a whole number."
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        if (path := given.get(name, "system")) != "system" and not Path(str(path)).is_file():
            return f"{name}: there is no file {path}."
    return _value_problem(conninfo)


def _value_problem(conninfo: str) -> str:
    """Let PostgreSQL's library check the values, such as that of sslmode. It reports them before it tries to connect."""
    nowhere = make_conninfo(conninfo, host="/nonexistent", hostaddr=None, dbname="x")
    message = psycopg.pq.PGconn.connect(nowhere.encode()).get_error_message()
    return f"{_first_line(message)}." if message.startswith(("invalid ", "weak ", "could not match")) else ""


def redis_url(url: str) -> str:
    """Return the URL with TLS certificates verified unless it says otherwise; Celery's default is not to."""
    if not url.startswith("rediss://") or "ssl_cert_reqs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=required"


def redis_problem(url: str) -> str:
    """Return what is wrong with REDIS_URL, or an empty string."""
    if not url.startswith(_REDIS_SCHEMES):
        return f"must begin with one of {', '.join(_REDIS_SCHEMES)}."
    if url.startswith("unix://"):
        return "" if urlsplit(url).path and not urlsplit(url).query else "must be unix:// and the path of a socket."
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        return f"{_first_line(error)}."
    if not has_host:
        return "must name a host and a port, such as redis://host:6379/0."
    if parts.path.strip("/") and not parts.path.strip("/").isdecimal():
        return "must end with the number of a database, such as redis://host:6379/0."
    return _query_problem(parse_qs(parts.query, keep_blank_values=True), is_tls=parts.scheme == "rediss")


_TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")


def _query_problem(query: dict[str, list[str]], *, is_tls: bool) -> str:
    for name, (*_, value) in query.items():
        if name not in _TLS_OPTIONS or not is_tls:
            known = ", ".join(_TLS_OPTIONS)
            return f"the option {name} is not known. The options are {known}, with rediss:// only."
        if name == "ssl_cert_reqs" and value not in ("required", "optional", "none"):
            return "ssl_cert_reqs must be required, optional or none."
        if name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile") and not Path(value).is_file():
            return f"{name}: there is no file {value}."
    return ""


def broker_url(url: str) -> str:
    """Return the URL of Redis as Celery writes it."""
    return f"redis+socket://{url.removeprefix('unix://')}" if url.startswith("unix://") else url


def broker_options() -> dict[str, Any]:
    """Return the options of Celery's connections to Redis."""
    keepalive = {}
    if sys.platform == "linux":
        keepalive = {
            socket.TCP_KEEPIDLE: 10,
            socket.TCP_KEEPINTVL: 5,
            socket.TCP_KEEPCNT: 3,
            socket.TCP_USER_TIMEOUT: 25_000,
        }
    return {
        "socket_connect_timeout": 3,
        "socket_timeout": 5,
        "socket_keepalive": True,
        "socket_keepalive_options": keepalive,
        "visibility_timeout": 3600,
        # A person who triggers a job doesn't wait for a Redis that is away: the reconciler wakes the workers up later.
        "max_retries": 0,
    }


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0].removesuffix(".")
