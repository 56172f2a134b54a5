"""How Celery's workers and scheduler use Redis, and go on after it was away."""

from __future__ import annotations

import contextlib
from typing import Any

import kombu
from celery.app import amqp
from celery.worker.consumer import consumer
from kombu.transport import redis as kombu_redis
from redis import ResponseError

_INTERVALS = {"interval_start": 1, "interval_step": 1, "interval_max": 2}
"""Seconds between two tries. By default they grow to 30, and so much later than Redis jobs would go on."""
_PROBE = "syncmonitor:readyz"


class Transport(kombu_redis.Transport):
    """Treats a Redis that refuses commands as away.

    It may be full, read-only after a failover, unable to save, loading, or ask for a password that it did not ask for
    before. Kombu would end a worker with the refusal, and the worker would then start, and end, over and over.
    """

    connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)

    def establish_connection(self) -> Any:
        """Connect to Redis. Raises one of `connection_errors`, also if it answers but takes no writes."""
        connection: Any = super().establish_connection()
        channels = connection._avail_channels
        try:
            channels[-1].client.set(_PROBE, 1, ex=60)
        except Exception:
            channels.pop().close()
            raise
        return connection


class Connection(kombu.Connection):
    """Tries to connect at a steady pace."""

    def get_transport_cls(self) -> type[Transport]:
        """Return our transport. The broker is always Redis."""
        return Transport

    def maybe_close_channel(self, channel: Any) -> None:
        """Close a channel, or leave it if Redis is away: its unacknowledged messages are wake-ups, which are sent again.

        Kombu lets AttributeError through, if the connection was closed while the channel could not be. It ends a worker.
        """
        with contextlib.suppress(*self.connection_errors, *self.channel_errors, AttributeError):
            channel.close()

    def _ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        # Arguments by position are a callback, the number of tries, and the intervals of a caller who gives them.
        if len(arguments) <= 2:
            options = _INTERVALS | options
        return super()._ensure_connection(*arguments, **options)


class AMQP(amqp.AMQP):
    """Celery's factory of connections, with ours."""

    Connection = Connection


_Steps: Any = consumer.Consumer.Blueprint


class Consumer(consumer.Consumer):
    """Celery's consumer without what its workers tell each other: it costs a second at each connection to Redis.

    Workers know each other from the database. These steps also write to Redis when they end, and fail if it takes no writes.
    """

    class Blueprint(_Steps):  # type: ignore[misc]
        default_steps = tuple(step for step in _Steps.default_steps if not step.endswith((":Mingle", ":Gossip")))
