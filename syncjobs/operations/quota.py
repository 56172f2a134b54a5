"""Reopen a bucket of YouTube's daily quota."""

from __future__ import annotations

from django.utils.translation import gettext as _

from ..audit.actors import Actor
from ..audit.record import audited
from ..engine import quota
from ..exceptions import InvalidInput
from ..youtube.costs import Bucket


def reopen_bucket(actor: Actor, name: str) -> bool:
    """Test a bucket that is closed or waits for its next probe again, and wake the jobs that wait for it.

    The next call is a probe: if YouTube accepts it, the bucket is open; if not, the jobs wait again. Units that we have
    counted stay used. Return False if the bucket was open. Raises InvalidInput for an unknown bucket.
    """
    with audited(actor, "reopen_bucket", "bucket", name[:60]) as span:
        if name not in list(Bucket):
            message = _("There is no bucket “%(name)s”. The buckets are %(buckets)s.")
            raise InvalidInput(message % {"name": name[:60], "buckets": ", ".join(Bucket)}, field="bucket")
        reopened = quota.reopen(Bucket(name))
        span.data = {"reopened": reopened}
    return reopened
