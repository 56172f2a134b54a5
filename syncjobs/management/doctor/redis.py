"""What can be wrong with Redis. Losing it loses no job, but workers then hear of new jobs late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings

from ...engine import broker
from .findings import Finding, Level, good
from .postgresql import is_private

OLDEST = (6, 2)


def server() -> Iterator[Finding]:
    """Connect, read the version and the eviction policy, and write a key."""
    try:
        with broker.redis_client() as client:
            client.ping()
            yield from _writable(client)
            yield from _facts(client.info())
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        advice = "Correct the user name and the password in REDIS_URL, or what the user may do (ACL)."
        yield Finding("redis", Level.ERROR, f"Redis refuses us: {error}.", advice)
    except (redis.RedisError, OSError) as error:
        message = f"Redis does not answer ({_name(error)}). Workers hear of new jobs late."
        yield Finding("redis", Level.ERROR, message, "Start it, or correct REDIS_URL.")


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _writable(client: redis.Redis) -> Iterator[Finding]:
    try:
        client.set("syncmonitor:doctor", 1, ex=60)
    except redis.exceptions.NoPermissionError:
        raise
    except redis.ResponseError as error:
        advice = (
            "Connect to the primary server, free its disk or memory, or raise maxmemory. It holds only wake-ups, so it may be"
            " flushed."
        )
        yield Finding("redis.writable", Level.ERROR, f"Redis refuses writes: {error}.", advice)
    else:
        yield good("redis.writable", "Redis takes writes.")


def _facts(info: Any) -> Iterator[Finding]:
    is_valkey = "valkey_version" in info
    version = str(info.get("redis_version", ""))
    name = f"Valkey {info['valkey_version']}" if is_valkey else f"Redis {version}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        advice = "Upgrade to Redis 6.2 or newer, or to Valkey."
        yield Finding("redis.version", Level.ERROR, f"{name} is too old.", advice)
    else:
        yield good("redis.version", f"{name} is supported.")
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        message = f"Redis deletes keys when its memory is full (maxmemory-policy {policy}), also messages to workers."
        yield Finding("redis.eviction", Level.WARNING, message, "Set maxmemory-policy noeviction.")
    else:
        yield good("redis.eviction", "Redis deletes no keys when its memory is full.")


def encryption() -> Iterator[Finding]:
    """Warn of a connection whose other end anybody could be: without TLS, or with an unchecked certificate."""
    parts = urlsplit(settings.REDIS_URL)
    host = parts.hostname or ""
    if parts.scheme == "rediss":
        if parse_qs(parts.query).get("ssl_cert_reqs", ["required"])[-1] == "none":
            advice = "Remove ssl_cert_reqs=none from REDIS_URL; ssl_ca_certs=FILE names your own authority."
            message = f"The certificate of Redis at {host} is not verified."
            yield Finding("redis.tls", Level.WARNING, message, advice)
        else:
            yield good("redis.tls", "The connection to Redis is encrypted.")
    elif parts.scheme == "unix" or is_private(host):
        yield good("redis.tls", "The connection to Redis is not encrypted, but its address is private.")
    else:
        message = f"The connection to Redis at {host} is not encrypted."
        yield Finding("redis.tls", Level.WARNING, message, "Use rediss:// in REDIS_URL.")
