"""The meter of a YouTube client, which keeps it within the quota."""

from __future__ import annotations

from ..youtube.costs import Operation
from . import quota, tracing


class Meter:
    """The YouTube client's meter: reserves each HTTP attempt for a spender, and records its result."""

    def __init__(self, spender: quota.Spender) -> None:
        self._spender = spender

    def reserve(self, operation: Operation) -> quota.Receipt:
        """Reserve the units of one HTTP attempt. Raises QuotaExhausted."""
        return quota.reserve(operation, self._spender)

    def record_result(
        self, receipt: object, *, status: int | None, reason: str, seconds: float, is_accepted: bool
    ) -> None:
        """Record the result of the attempt with this receipt."""
        assert isinstance(receipt, quota.Receipt)
        tracing.call(receipt.operation, status=status, reason=reason, seconds=seconds)
        quota.record_result(receipt, status=status, reason=reason, seconds=seconds, is_accepted=is_accepted)
