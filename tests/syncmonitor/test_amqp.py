"""A Redis that answers but refuses commands counts as away, until it takes writes again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.conf import settings

from syncmonitor.celery import app

REFUSALS: dict[str, tuple[Callable[[redis.Redis], object], Callable[[redis.Redis], object]]] = {
    "full": (
        lambda client: client.config_set("maxmemory", 1),
        lambda client: client.config_set("maxmemory", 0),
    ),
    "read-only": (
        lambda client: client.execute_command("REPLICAOF", "127.0.0.1", "1"),
        lambda client: client.execute_command("REPLICAOF", "NO", "ONE"),
    ),
    "without enough replicas": (
        lambda client: client.config_set("min-replicas-to-write", 1),
        lambda client: client.config_set("min-replicas-to-write", 0),
    ),
    "asking for a password": (
        lambda client: client.config_set("requirepass", "secret"),
        lambda client: client.config_set("requirepass", ""),
    ),
    "refusing a command by its rules": (
        lambda client: client.execute_command("ACL", "SETUSER", "default", "-set"),
        lambda client: client.execute_command("ACL", "SETUSER", "default", "+@all"),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_redis_that_refuses_commands_counts_as_away(refusal: str) -> None:
    begin, end = REFUSALS[refusal]
    with redis.Redis.from_url(settings.REDIS_URL) as client, app.connection_for_write() as connection:
        begin(client)
        try:
            with pytest.raises(connection.connection_errors):
                connection.connect()
        finally:
            end(client)
        assert connection.ensure_connection(max_retries=3).connected
        assert connection.default_channel.client.ping()


def test_a_message_over_a_connection_that_broke_is_sent_over_a_new_one() -> None:
    """Kombu then passes the intervals between its tries by position."""
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("maintenance")
        queue.clear()
        producer = connection.Producer()
        producer.publish({}, routing_key="maintenance", retry=True)
        connection.default_channel.client.execute_command("CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal")
        producer.publish({}, routing_key="maintenance", retry=True, retry_policy={"max_retries": 3})
    with app.connection_for_read() as connection:
        assert connection.SimpleQueue("maintenance").qsize() == 2


def test_a_connection_with_an_unacknowledged_message_is_closed_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise redis.ConnectionError("Connection closed by server.")

    with app.connection_for_read() as connection:
        connection.Producer().publish(
            {}, routing_key="maintenance", declare=[connection.SimpleQueue("maintenance").queue]
        )
        channel = connection.default_channel
        assert channel.basic_get("maintenance") is not None
        # It can't be closed while it waits for a message.
        monkeypatch.setattr(channel, "_in_poll", True)
        monkeypatch.setattr(channel, "_brpop_read", fail)
        connection.collect()
        monkeypatch.setattr(channel, "_in_poll", None)
        connection.release()
