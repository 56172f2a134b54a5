"""Connections that don't wait for ever for a server that is frozen or hangs."""

from __future__ import annotations

from typing import Any

import psycopg

ANSWER_SECONDS = 10.0
"""How long a web process waits for the answer to a statement. Those of pages take milliseconds."""
CHECK_SECONDS = 2.0
"""How long it waits for the answer that shows whether a connection still works."""


class Connection(psycopg.Connection[Any]):
    """Closes itself if the server takes too long to answer.

    The kernel of a frozen server's host still acknowledges packets, so neither keepalives nor the server's own timeouts
    notice. Otherwise all requests would wait, and block all threads and connections, until somebody restarts the process.
    """

    answer_seconds = ANSWER_SECONDS

    def wait(self, *arguments: Any, **options: Any) -> Any:
        """Wait for an answer. Raises OperationalError if it does not come in time."""
        options.setdefault("timeout", self.answer_seconds)
        try:
            return super().wait(*arguments, **options)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {options['timeout']:g} s") from None
